package synthesis

import (
	"math"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// class is a kind of tissue: fluid, grey matter, single fibres, crossings and what
// lies between. Voxels of one are alike enough that components of their own describe
// them: those of fluid have no angular part at all, which in components common to
// all tissue would have to be made of large numbers that cancel.
type class struct {
	white *whitening
	share float64 // of the voxels
}

const (
	mostClasses  = 8
	classVoxels  = 400  // voxels for each class there may be
	leastClass   = 100  // voxels of the smallest
	classRounds  = 50   // of k-means at most
	faintPower   = 1e-6 // of the link: where a voxel counts as isotropic
	classesTried = 5    // starts of k-means
)

// variance returns that of component i, 0 where the class has none.
func (c *class) variance(i int) float64 {
	if i >= len(c.white.variance) {
		return 0
	}
	return c.white.variance[i]
}

// invariants are what classes are told apart by: log b = 0, and for each shell the
// mean of the link and the logarithm of its power in orders 2 and 4. None depends on
// the voxel's frame.
func invariants(s space, numbers []float64) []float64 {
	out := []float64{numbers[0]}
	for k, order := range s.Order {
		part := numbers[s.from(k):]
		out = append(out, part[0])
		for l := 2; l <= min(order, 4); l += 2 {
			power := 0.0
			for _, c := range part[gradients.SHCount(l-2):gradients.SHCount(l)] {
				power += c * c
			}
			out = append(out, math.Log(power+faintPower))
		}
	}
	return out
}

// classify sorts voxels into classes by k-means on their standardised invariants. It
// returns the class of every voxel and the number of classes, the most for which
// each has voxels enough.
func classify(s space, rows []float64, size int, held []bool, rng *rand.Rand) ([]uint8, int) {
	n := len(rows) / size
	var points [][]float64
	for v := range n {
		points = append(points, invariants(s, rows[v*size:(v+1)*size]))
	}
	standardise(points)
	for k := min(mostClasses, n/classVoxels); k > 1; k-- {
		var best []uint8
		least := math.Inf(1)
		for range classesTried {
			if of, loss := kMeans(points, k, rng); loss < least && smallest(of, held, k) >= leastClass {
				best, least = of, loss
			}
		}
		if best != nil {
			return best, k
		}
	}
	return make([]uint8, n), 1
}

// smallest returns the size of the smallest class, without what is held out.
func smallest(of []uint8, held []bool, k int) int {
	counts := make([]int, k)
	for v, c := range of {
		if !held[v] {
			counts[c]++
		}
	}
	least := len(of)
	for _, c := range counts {
		least = min(least, c)
	}
	return least
}

// standardise brings every feature to mean 0 and variance 1.
func standardise(points [][]float64) {
	for f := range points[0] {
		sum, square := 0.0, 0.0
		for _, p := range points {
			sum += p[f]
			square += p[f] * p[f]
		}
		mean := sum / float64(len(points))
		sd := math.Sqrt(max(square/float64(len(points))-mean*mean, 1e-30))
		for _, p := range points {
			p[f] = (p[f] - mean) / sd
		}
	}
}

// kMeans is Lloyd's algorithm from a start by distance (Arthur and Vassilvitskii
// 2007). It returns the class of every point and the sum of squared distances.
func kMeans(points [][]float64, k int, rng *rand.Rand) ([]uint8, float64) {
	centres := [][]float64{append([]float64(nil), points[rng.IntN(len(points))]...)}
	of, distance := make([]uint8, len(points)), make([]float64, len(points))
	for len(centres) < k {
		total := assign(points, centres, of, distance)
		left := total * rng.Float64()
		next := len(points) - 1
		for i, d := range distance {
			if left -= d; left < 0 {
				next = i
				break
			}
		}
		centres = append(centres, append([]float64(nil), points[next]...))
	}
	loss := assign(points, centres, of, distance)
	for range classRounds {
		counts := make([]float64, k)
		for _, c := range centres {
			clear(c)
		}
		for i, p := range points {
			counts[of[i]]++
			for f, x := range p {
				centres[of[i]][f] += x
			}
		}
		for c := range centres {
			for f := range centres[c] {
				centres[c][f] /= max(counts[c], 1)
			}
		}
		before := loss
		if loss = assign(points, centres, of, distance); loss >= before {
			break
		}
	}
	return of, loss
}

// assign finds the nearest centre of every point and returns the sum of the squared
// distances.
func assign(points, centres [][]float64, of []uint8, distance []float64) float64 {
	total := 0.0
	for i, p := range points {
		distance[i] = math.Inf(1)
		for c, centre := range centres {
			sum := 0.0
			for f, x := range p {
				sum += (x - centre[f]) * (x - centre[f])
			}
			if sum < distance[i] {
				distance[i], of[i] = sum, uint8(c)
			}
		}
		total += distance[i]
	}
	return total
}

// newClasses learns the components of every class from its voxels that are not held
// out, under all half turns of their frames.
func newClasses(rows []float64, size int, of []uint8, held []bool, count int, signs [4][]float64) ([]class, error) {
	out := make([]class, count)
	total := 0.0
	for c := range out {
		var mine []float64
		for v, k := range of {
			if int(k) == c && !held[v] {
				mine = append(mine, rows[v*size:(v+1)*size]...)
			}
		}
		out[c].share = float64(len(mine) / size)
		total += out[c].share
		var err error
		if out[c].white, err = newWhitening(withTurns(mine, size, signs[:]), size); err != nil {
			return nil, err
		}
	}
	for c := range out {
		out[c].share /= total
	}
	return out, nil
}

// drawClass draws a class by its share.
func drawClass(classes []class, rng *rand.Rand) uint8 {
	left := rng.Float64()
	for c := range classes {
		if left -= classes[c].share; left < 0 {
			return uint8(c)
		}
	}
	return uint8(len(classes) - 1)
}
