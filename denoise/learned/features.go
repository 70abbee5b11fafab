package learned

import (
	"math"

	"github.com/dmri-denoise/dmri-denoise/diffusion/net"
	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
)

// Estimates of a (voxel, direction) that the network weighs against the Gaussian
// one. All enter as differences from it, in units of the noise.
const (
	passCount  = 3 // of the Gaussian prior's earlier stages: local, first and second pass
	ownCount   = 1 // the measurement itself
	alikeCount = len(similar)
	cleanCount = 2 // averages of the Gaussian estimate, under the second and third similarity

	baseCount   = ownCount + passCount + alikeCount + cleanCount
	SignedCount = baseCount * (1 + len(kernelWidths))
)

// similar are the similarities under which neighbouring measurements are averaged:
// the weight of a voxel at distance r whose Gaussian estimate differs by δ (K
// coefficients) is exp(-r²/2w² - |δ|²/2hK). Voxels alike in the clean estimate
// share more than their place (Tomasi and Manduchi 1998; Buades 2005, guided by a
// first estimate).
var similar = [...]struct {
	power int     // h = 4/power, in σ²
	width float64 // w, in voxels
}{{32, 3}, {16, 3}, {4, 2}, {1, 1}, {16, 1}, {0, 0.7}}

const (
	reach      = 3
	window     = (2*reach + 1) * (2*reach + 1) * (2*reach + 1)
	levelCount = 4

	// ContextCount is the number of features that say where a sample lies, not what
	// its estimates are.
	ContextCount = 5 + alikeCount + 6 + 1 + 5 + levelCount
	// FeatureCount is the number of features of a (voxel, direction).
	FeatureCount = SignedCount + ContextCount
)

// Extractor computes features of the rows of one scan. It is for one goroutine.
type Extractor struct {
	s       *Scan
	spatial [alikeCount][]float32 // per place of the window
	offset  [][3]int8

	rows    []int32 // of the neighbours that take part
	place   []int32
	weights []float32 // alikeCount × neighbours
	near    []float32 // neighbours × D, gathered
	nearZ   []float32 // neighbours × K
	latent  []float32 // (passCount + cleanCount) × K
	base    []float32 // baseCount × D
	smooth  [len(kernelWidths)][]float32
	in, out []float32
	context []float32 // ContextCount, what all directions share
	level   [levelCount]float32
}

// NewExtractor makes scratch for a scan.
func NewExtractor(s *Scan) *Extractor {
	k := s.Stages.K
	e := &Extractor{
		s: s, weights: make([]float32, alikeCount*window), near: make([]float32, window*s.D), nearZ: make([]float32, window*max(k, 1)),
		latent: make([]float32, (passCount+cleanCount)*max(k, 1)), base: make([]float32, baseCount*s.D),
		in: make([]float32, baseCount*s.D), out: make([]float32, baseCount*s.D), context: make([]float32, ContextCount),
	}
	for i := range e.smooth {
		e.smooth[i] = make([]float32, baseCount*s.D)
	}
	for z := -reach; z <= reach; z++ {
		for y := -reach; y <= reach; y++ {
			for x := -reach; x <= reach; x++ {
				e.offset = append(e.offset, [3]int8{int8(x), int8(y), int8(z)})
				for a, s := range similar {
					e.spatial[a] = append(e.spatial[a], float32(math.Exp(-float64(x*x+y*y+z*z)/(2*s.width*s.width))))
				}
			}
		}
	}
	net.Embed(e.level[:], s.Level)
	return e
}

// Row writes the features of all directions of one row into dst, D × FeatureCount:
// the signed ones first.
func (e *Extractor) Row(dst []float32, r int) {
	e.gather(r)
	e.estimates(r)
	for k := range kernelWidths {
		e.s.Groups.smooth(e.smooth[k], e.base, baseCount, e.s.D, k, e.in, e.out)
	}
	e.shared(r)
	d := e.s.D
	for i := range d {
		row := dst[i*FeatureCount : (i+1)*FeatureCount]
		for m := range baseCount {
			row[m] = e.base[m*d+i]
		}
		for k := range kernelWidths {
			part := row[(k+1)*baseCount : (k+2)*baseCount]
			for m := range part {
				part[m] = e.smooth[k][m*d+i]
			}
		}
		copy(row[SignedCount:], e.context)
	}
	e.perDirection(dst, r)
}

// gather lists the neighbours of a row and their weights, normalised.
func (e *Extractor) gather(r int) {
	s := e.s
	k, d := s.Stages.K, s.D
	final := s.Stages.Last()
	own := final[r*k : (r+1)*k]
	e.rows, e.place = e.rows[:0], e.place[:0]
	x0, y0, z0 := s.Grid.At(r)
	for p, o := range e.offset {
		if q := s.Grid.RowAt(x0+int(o[0]), y0+int(o[1]), z0+int(o[2])); q >= 0 {
			e.rows, e.place = append(e.rows, int32(q)), append(e.place, int32(p))
		}
	}
	n := len(e.rows)
	var sum, square [alikeCount]float32
	edge, edges := float32(0), float32(0)
	for j, q := range e.rows {
		other := final[int(q)*k : (int(q)+1)*k]
		copy(e.nearZ[j*k:], other)
		copy(e.near[j*d:], s.Measured[int(q)*d:(int(q)+1)*d])
		distance := float32(0)
		for i, v := range own {
			t := v - other[i]
			distance += t * t
		}
		if o := e.offset[e.place[j]]; o[0]*o[0]+o[1]*o[1]+o[2]*o[2] == 1 {
			edge += distance
			edges++
		}
		// h = 4: every other bandwidth is a power of this.
		alike := float32(math.Exp(-float64(distance) / (8 * float64(max(k, 1)))))
		for a, kind := range similar {
			w := e.spatial[a][e.place[j]] * power(alike, kind.power)
			e.weights[a*n+j] = w
			sum[a] += w
			square[a] += w * w
		}
	}
	for a := range similar {
		inverse := 1 / sum[a]
		for j := range n {
			e.weights[a*n+j] *= inverse
		}
		e.context[5+a] = logarithm(sum[a] * sum[a] / square[a]) // number of voxels averaged
	}
	e.context[5+alikeCount+6] = logarithm(edge / max(edges, 1) / float32(max(k, 1)))
}

// power returns x to a power of 0 or 2^n.
func power(x float32, n int) float32 {
	if n == 0 {
		return 1
	}
	for ; n > 1; n /= 2 {
		x *= x
	}
	return x
}

// estimates fills base: differences from the Gaussian estimate in directions.
func (e *Extractor) estimates(r int) {
	s := e.s
	k, d, n := s.Stages.K, s.D, len(e.rows)
	mean := s.Gaussian[r*d : (r+1)*d]
	own := e.base[:d]
	for i, v := range s.Measured[r*d : (r+1)*d] {
		own[i] = v - mean[i]
	}
	alike := e.base[(ownCount+passCount)*d : (ownCount+passCount+alikeCount)*d]
	fastblas.Gemm(false, false, alikeCount, d, n, 1, e.weights, n, e.near, d, 0, alike, d)
	for a := range alikeCount {
		fastblas.Axpy(-1, mean, alike[a*d:(a+1)*d])
	}
	passes := e.base[ownCount*d : (ownCount+passCount)*d]
	clean := e.base[(ownCount+passCount+alikeCount)*d:]
	if k == 0 {
		clear(passes)
		clear(clean)
		return
	}
	final := s.Stages.Last()[r*k : (r+1)*k]
	for p := range passCount {
		copy(e.latent[p*k:(p+1)*k], s.pass(p)[r*k:(r+1)*k])
	}
	fastblas.Gemm(false, false, cleanCount, k, n, 1, e.weights[n:], n, e.nearZ, k, 0, e.latent[passCount*k:], k)
	for p := range passCount + cleanCount {
		fastblas.Axpy(-1, final, e.latent[p*k:(p+1)*k])
	}
	fastblas.Gemm(false, false, passCount, d, k, 1, e.latent, k, s.Stages.Vectors, d, 0, passes, d)
	fastblas.Gemm(false, false, cleanCount, d, k, 1, e.latent[passCount*k:], k, s.Stages.Vectors, d, 0, clean, d)
}

// shared fills what all directions of a row have in common.
func (e *Extractor) shared(r int) {
	s := e.s
	d := s.D
	c := e.context[5+alikeCount:]
	for i, m := range [6]int{0, ownCount, ownCount + 2, ownCount + passCount, ownCount + passCount + 1, ownCount + passCount + 2} {
		part := e.base[m*d : (m+1)*d]
		c[i] = logarithm(fastblas.Dot(part, part) / float32(d))
	}
	c = c[6+1:]
	c[3] = float32(s.Stages.K) / float32(d)
	c[4] = logarithm(float32(s.Grid.Len()) / 1000)
	copy(c[5:], e.level[:])
}

// perDirection fills what depends on the direction and its shell.
func (e *Extractor) perDirection(dst []float32, r int) {
	s := e.s
	d := s.D
	mean := s.Gaussian[r*d : (r+1)*d]
	b0 := float32(0)
	for g := range s.Groups.all {
		group := &s.Groups.all[g]
		n := float32(len(group.volumes))
		sum, square := float32(0), float32(0)
		for _, v := range group.volumes {
			sum += mean[v]
			square += mean[v] * mean[v]
		}
		sum /= n
		spread := float32(math.Sqrt(float64(max(square/n-sum*sum, 0))))
		if group.isB0 || g == 0 {
			b0 = sum
		}
		for _, v := range group.volumes {
			c := dst[int(v)*FeatureCount+SignedCount : (int(v)+1)*FeatureCount]
			c[0] = logarithm(max(mean[v], 0))
			c[1] = logarithm(max(b0, 0))
			c[2] = logarithm(max(sum, 0))
			c[3] = logarithm(spread)
			c[4] = (mean[v] - sum) / (spread + 1)
			at := 5 + alikeCount + 7
			c[at] = group.b / 1000
			c[at+1] = 0
			if group.isB0 {
				c[at+1] = 1
			}
			c[at+2] = float32(math.Log(float64(n)))
		}
	}
}

// logarithm compresses magnitudes, from 0 at 0.
func logarithm(x float32) float32 { return float32(math.Log1p(float64(x))) }
