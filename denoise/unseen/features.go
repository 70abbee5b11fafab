package unseen

import (
	"math"

	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
)

// alike are the similarities under which predictions of neighbouring voxels are
// averaged: the weight of a voxel at distance r whose denoised signals differ by
// δ over D volumes is exp(-r²/2w² - 70|δ|²/(2hD)) (after Tomasi and Manduchi 1998).
var alike = [...]struct{ h, width float64 }{{2, 2}, {8, 2}, {32, 1}, {math.Inf(1), 0.7}}

const (
	alikeCount = len(alike)
	reach      = 2
	window     = (2*reach + 1) * (2*reach + 1) * (2*reach + 1)

	// EstimateCount is the number of estimates that the network weighs: tensor,
	// spherical harmonics, averages over q-space, parts of the mixture, averages
	// over voxels.
	EstimateCount = 2 + kernelCount + classCount + alikeCount
	contextCount  = 14 + alikeCount + 1
	// StaticCount is the number of features that do not depend on x_t.
	StaticCount = EstimateCount + contextCount
	// inCount adds what does: x_t's distance from the prediction, and κ.
	inCount  = StaticCount + 2
	outCount = EstimateCount + 1
)

// Extractor computes features of the rows of one scene. It is for one goroutine.
type Extractor struct {
	s       *Scene
	spatial [alikeCount][]float64
	offset  [][3]int
	voxel   *impute.QVoxel
	guess   []float64 // of a method, per point
	weights []float32 // alikeCount × window
	near    []float32 // window × points
	average []float32 // alikeCount × points
	count   [alikeCount]float32
	edge    float32
}

// NewExtractor makes scratch for a scene.
func NewExtractor(s *Scene) *Extractor {
	n := s.Points.Len()
	e := &Extractor{s: s, voxel: s.given.NewVoxel(), guess: make([]float64, n), weights: make([]float32, alikeCount*window),
		near: make([]float32, window*n), average: make([]float32, alikeCount*n)}
	for z := -reach; z <= reach; z++ {
		for y := -reach; y <= reach; y++ {
			for x := -reach; x <= reach; x++ {
				e.offset = append(e.offset, [3]int{x, y, z})
				for a, kind := range alike {
					e.spatial[a] = append(e.spatial[a], math.Exp(-float64(x*x+y*y+z*z)/(2*kind.width*kind.width)))
				}
			}
		}
	}
	return e
}

// Row writes the features of all points of one row into dst, points ×
// StaticCount: first the estimates, as differences from the Gaussian prediction in units of
// the noise, then the context.
func (e *Extractor) Row(dst []float32, r int) {
	s := e.s
	n := s.Points.Len()
	mean := s.Mean[r*n : (r+1)*n]
	y := s.Clean[r*s.D : (r+1)*s.D]
	put := func(at int, guess []float64) {
		for p, x := range guess {
			dst[p*StaticCount+at] = float32(x) - mean[p]
		}
	}
	s.tensor.Predict(e.guess, y)
	put(0, e.guess)
	s.sh.Predict(e.guess, y)
	put(1, e.guess)
	for p := range n {
		e.overDirections(dst[p*StaticCount+2:], p, y, mean[p])
	}
	e.voxel.Read(y)
	for k := range classCount {
		at := 2 + kernelCount + k
		if k < len(e.voxel.Means) && e.voxel.Weights[k] > 0 {
			put(at, e.voxel.Means[k])
			continue
		}
		for p := range n {
			dst[p*StaticCount+at] = 0
		}
	}
	e.overVoxels(r)
	for p := range n {
		for a := range alikeCount {
			dst[p*StaticCount+2+kernelCount+classCount+a] = e.average[a*n+p] - mean[p]
		}
	}
	e.context(dst, r, y, mean)
}

// overDirections writes the averages of a point's shell over q-space.
func (e *Extractor) overDirections(dst []float32, p int, y []float32, mean float32) {
	volumes := e.s.shells[e.s.of[p]].Volumes
	for k := range kernelCount {
		sum := float32(0)
		for j, w := range e.s.kernels[p][k*len(volumes) : (k+1)*len(volumes)] {
			sum += w * y[volumes[j]]
		}
		dst[k] = sum - mean
	}
}

// overVoxels averages the predictions of voxels that are alike.
func (e *Extractor) overVoxels(r int) {
	s := e.s
	n, d := s.Points.Len(), s.D
	own := s.Clean[r*d : (r+1)*d]
	x0, y0, z0 := s.Grid.At(r)
	var sum, square [alikeCount]float64
	var edge, edges float64
	count := 0
	for i, o := range e.offset {
		q := s.Grid.RowAt(x0+o[0], y0+o[1], z0+o[2])
		if q < 0 {
			continue
		}
		distance := 0.0
		for j, v := range s.Clean[q*d : (q+1)*d] {
			t := float64(v - own[j])
			distance += t * t
		}
		distance *= 70 / float64(d)
		if o[0]*o[0]+o[1]*o[1]+o[2]*o[2] == 1 {
			edge += distance
			edges++
		}
		copy(e.near[count*n:(count+1)*n], s.Mean[q*n:(q+1)*n])
		for a, kind := range alike {
			w := e.spatial[a][i] * math.Exp(-distance/(2*kind.h))
			e.weights[a*window+count] = float32(w)
			sum[a] += w
			square[a] += w * w
		}
		count++
	}
	for a := range alike {
		row := e.weights[a*window : a*window+count]
		for j := range row {
			row[j] /= float32(sum[a])
		}
		e.count[a] = logarithm(float32(sum[a] * sum[a] / square[a]))
	}
	fastblas.Gemm(false, false, alikeCount, n, count, 1, e.weights, window, e.near, n, 0, e.average, n)
	e.edge = logarithm(float32(edge / max(edges, 1)))
}

// context writes what says where a point lies.
func (e *Extractor) context(dst []float32, r int, y, mean []float32) {
	s := e.s
	type shell struct{ mean, spread float32 }
	var b0 float32
	all := make([]shell, len(s.shells))
	for k := range s.shells {
		sum, square := 0.0, 0.0
		for _, v := range s.shells[k].Volumes {
			sum += float64(y[v])
			square += float64(y[v]) * float64(y[v])
		}
		n := float64(len(s.shells[k].Volumes))
		all[k] = shell{float32(sum / n), float32(math.Sqrt(max(square/n-sum*sum/(n*n), 0)))}
		if k == 0 {
			b0 = all[k].mean
		}
	}
	for p, m := range mean {
		own := &s.shells[s.of[p]]
		at := all[s.of[p]]
		c := dst[p*StaticCount+EstimateCount : (p+1)*StaticCount]
		c[0] = logarithm(max(m, 0))
		c[1] = logarithm(max(b0, 0))
		c[2] = logarithm(max(at.mean, 0))
		c[3] = logarithm(at.spread)
		c[4] = (m - at.mean) / (at.spread + 1)
		c[5] = float32(own.B / 1000)
		c[6] = float32(math.Log(float64(len(own.Volumes))))
		c[7] = float32(math.Sqrt(float64(s.gap[p])))
		c[8] = float32(math.Log(float64(s.Claim[r*len(mean)+p]) + 1e-4))
		c[9] = float32(math.Log(s.variance(r, p) + 1e-4))
		c[10] = float32(math.Log(float64(s.D)))
		c[11] = float32(len(s.shells))
		c[12] = e.edge
		c[13] = 0
		if own.IsB0 {
			c[13] = 1
		}
		copy(c[14:], e.count[:])
		energy := float32(0)
		for _, f := range dst[p*StaticCount : p*StaticCount+EstimateCount] {
			energy += f * f
		}
		c[14+alikeCount] = logarithm(energy)
	}
}

// logarithm compresses magnitudes, from 0 at 0.
func logarithm(x float32) float32 { return float32(math.Log1p(float64(x))) }
