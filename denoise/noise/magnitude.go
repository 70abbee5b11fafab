package noise

import (
	"context"
	"math"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

const (
	floorStep   = 2   // every second voxel along each axis is enough to start from
	fieldRounds = 3   // times the map is corrected: with the local solution first, then with the smooth one
	floorRounds = 12  // fixed-point rounds, then halvings, at most
	edgeMargin  = 1.1 // a component stands out when its variance is this much above what noise alone can reach
)

// toUnits takes the map from volumes brought to one level to the unit of the
// image. The components it was measured on see volume i with weight q_i. If the
// noise is Gaussian, its variance is σ² in every volume, and σ² the measured
// variance over Σq_i. In a magnitude the variance near the noise floor is
// σ²·ξ(a_i/σ) (Koay and Basser 2006), so σ² is the measured one over
// Σ q_i ξ(a_i/σ), with a_i from the mean magnitude of volume i at the voxel.
func (e *estimator) toUnits(ctx context.Context, m *Map) error {
	q := e.loading()
	total := float32(0)
	for _, v := range q {
		total += v
	}
	unit := 1 / float32(math.Sqrt(float64(total)))
	for r := range m.Sigma {
		m.Sigma[r] *= unit
	}
	if !e.o.Magnitude {
		return nil
	}
	for i := range q {
		q[i] /= total
	}
	return e.undoFloor(ctx, q, unit*float32(m.Inflation), m.Sigma)
}

// loading returns how much of each volume's variance the measured components
// see: the mean of their squared entries over folds, the weights included.
func (e *estimator) loading() []float32 {
	d := len(e.volumes)
	q := make([]float32, d)
	for _, c := range e.learned {
		for i := range d {
			for j := range e.k {
				v := c.Vectors[i*d+j]
				q[i] += float32(v * v / float64(e.k*len(e.learned)))
			}
		}
	}
	return q
}

// undoFloor corrects the map of a magnitude image in place: the power of every
// difference is divided by Σ q_i ξ(a_i/σ), the mean over the eight voxels it is
// made of, with the map so far, and smoothed anew with that sum as its weight:
// what is smoothed is σ² and not anatomy, and errors of the sum average out.
// (The sum of one voxel in place of the eight read σ up to 24 % high in dark
// fluid, whose neighbours are bright.) unit takes the root of the power to the
// unit of the image.
func (e *estimator) undoFloor(ctx context.Context, q []float32, unit float32, sigma []float32) error {
	signal, err := e.signals(sigma)
	if err != nil {
		return err
	}
	n := e.s.Len()
	factor, cube := make([]float32, n), make([]float32, n)
	power, weight := make([]float32, n), make([]float32, n)
	for round := range fieldRounds {
		if err := e.factors(ctx, signal, q, sigma, factor, round == 0); err != nil {
			return err
		}
		e.overCubes(cube, factor)
		for r, p := range e.power {
			power[r] = p / cube[r]
			weight[r] = e.quietness[r] * cube[r]
		}
		level, err := e.spread(power, weight)
		if err != nil {
			return err
		}
		for r, l := range level {
			sigma[r] = l * unit
		}
	}
	return nil
}

// factors fills in Σ q_i ξ(a_i/σ) for every row. At first sigma is the
// uncorrected map, and σ is solved for as well, on every second voxel along each
// axis, from where those beside it take the sum.
func (e *estimator) factors(ctx context.Context, signal signalBasis, q, sigma, factor []float32, first bool) error {
	d, g := len(e.volumes), e.s.Grid
	scratch := make([][]float32, signals.Threads(e.o.Threads))
	at := func(r int) int { // the row that r takes its factor from
		if !first {
			return r
		}
		x, y, z := g.At(r)
		if n := g.RowAt(x-x%floorStep, y-y%floorStep, z-z%floorStep); n >= 0 {
			return n
		}
		return r
	}
	err := signals.EachRange(ctx, g.Len(), 256, e.o.Threads, func(worker, from, to int) error {
		if scratch[worker] == nil {
			scratch[worker] = make([]float32, d+signal.k)
		}
		for r := from; r < to; r++ {
			if at(r) != r {
				continue
			}
			mean := e.localMean(scratch[worker], signal, r)
			if first {
				factor[r] = meanFactor(mean, q, sigma[r])
			} else {
				factor[r] = factorSum(mean, q, 1/sigma[r])
			}
		}
		return nil
	})
	for r := range factor {
		if n := at(r); n != r {
			factor[r] = factor[n]
		}
	}
	return err
}

// overCubes writes to dst the mean of value over the 2×2×2 voxels of the
// difference that starts at each row: as far as they are in the mask.
func (e *estimator) overCubes(dst, value []float32) {
	g := e.s.Grid
	for r := range dst {
		x, y, z := g.At(r)
		sum, n := float32(0), float32(0)
		for c := range 8 {
			cx, cy, cz := x+c&1, y+c>>1&1, z+c>>2
			if cx >= g.NX || cy >= g.NY || cz >= g.NZ {
				continue
			}
			if at := g.RowAt(cx, cy, cz); at >= 0 {
				sum += value[at]
				n++
			}
		}
		dst[r] = sum / n
	}
}

func (e *estimator) onGrid(r int) bool {
	x, y, z := e.s.At(r)
	return x%floorStep == 0 && y%floorStep == 0 && z%floorStep == 0
}

// signalBasis holds the components of signal and how much of each is signal.
type signalBasis struct {
	basis
	shrink []float32
}

// signals returns the principal components of the foreground, volumes
// brought to one level, that stand out of noise of the given map: above the
// upper edge (1+√(D/n))² of the spectrum of n vectors of white noise
// (Marchenko and Pastur 1967).
func (e *estimator) signals(sigma []float32) (signalBasis, error) {
	d := len(e.volumes)
	var rows []int
	for r := range e.s.Len() {
		if e.foreground[r] && e.onGrid(r) {
			rows = append(rows, r)
		}
	}
	cov := e.gram(len(rows), func(i int, dst []float64) {
		values := e.s.Row(rows[i])
		for j, v := range e.volumes {
			dst[j] = e.weight[j] * (float64(values[v]) - e.mean[j])
		}
	})
	n := float64(max(len(rows), 1))
	for i := range cov {
		cov[i] /= n
	}
	c, err := eigen(cov, d)
	if err != nil {
		return signalBasis{}, err
	}
	level, square := 0.0, 0.0
	for _, w := range e.weight {
		level += w * w / float64(d)
	}
	for _, r := range rows {
		square += float64(sigma[r]) * float64(sigma[r]) / n
	}
	edge := edgeMargin * square * level * math.Pow(1+math.Sqrt(float64(d)/n), 2)
	from := 0
	for from < d && c.Values[from] < edge {
		from++
	}
	number := upTo(d)[from:]
	out := signalBasis{basis: c.pick(number...)}
	for _, k := range number {
		out.shrink = append(out.shrink, float32(1-square*level/c.Values[k]))
	}
	return out, nil
}

// localMean returns the mean magnitude of every volume in use at one voxel,
// free of most of its noise: the projection on the components that stand out,
// each shrunk by the share of its variance that is noise. scratch has room for D + k values.
func (e *estimator) localMean(scratch []float32, signal signalBasis, row int) []float32 {
	d, k := len(e.volumes), signal.k
	mean, coef := scratch[:d], scratch[d:d+k]
	clear(coef)
	values := e.s.Row(row)
	for i, v := range e.volumes {
		c := float32(e.weight[i] * (float64(values[v]) - e.mean[i]))
		for j, b := range signal.data[i*k : (i+1)*k] {
			coef[j] += b * c
		}
	}
	for j := range coef {
		coef[j] *= signal.shrink[j]
	}
	for i := range mean {
		sum := float32(0)
		for j, b := range signal.data[i*k : (i+1)*k] {
			sum += b * coef[j]
		}
		mean[i] = sum/float32(e.weight[i]) + float32(e.mean[i])
	}
	return mean
}

// factorSum returns Σ q_i ξ(mean_i/σ), given 1/σ.
func factorSum(mean, q []float32, inverse float32) float32 {
	total := float32(0)
	for i, m := range mean {
		total += q[i] * factorAtMean(m*inverse)
	}
	return total
}

// meanFactor solves σ² = measured²/Σ q_i ξ(mean_i/σ) for σ and returns the sum
// at the solution: by fixed point, which is slow only close to the floor, and
// there by bisection between the least factor there is and 1.
func meanFactor(mean, q []float32, measured float32) float32 {
	sum := func(factor float32) float32 {
		return factorSum(mean, q, float32(math.Sqrt(float64(factor)))/measured)
	}
	factor := float32(1)
	for range floorRounds {
		next := sum(factor)
		if diff := next - factor; diff < 1e-4 && diff > -1e-4 {
			return next
		}
		factor = next
	}
	low, high := sum(0), factor // rounds from 1 come down, so the solution is below
	for range floorRounds {
		middle := (low + high) / 2
		if sum(middle) > middle {
			low = middle
		} else {
			high = middle
		}
	}
	return (low + high) / 2
}
