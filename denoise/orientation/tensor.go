package orientation

import (
	"math"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

const (
	tensorLargest = 1500 // s/mm²: beyond, signals are no longer those of a tensor
	tensorLeast   = 12   // volumes up to there that are enough
	unknowns      = 7    // logarithm of S0 and the tensor xx yy zz xy xz yz
)

// Tensor fits diffusion tensors by weighted least squares of the logarithm of
// the signal, the weights being the squared signals (Basser, Mattiello and
// LeBihan 1994; Salvador 2005). It uses the volumes up to b = 1500 s/mm² if there are
// twelve, else all. It is safe for concurrent use.
type Tensor struct {
	volumes []int
	design  []float64 // volumes × 7
}

// NewTensor prepares the fit for a table.
func NewTensor(t *gradients.Table) *Tensor {
	f := &Tensor{}
	for i, b := range t.BVals {
		if b <= tensorLargest {
			f.volumes = append(f.volumes, i)
		}
	}
	if len(f.volumes) < tensorLeast {
		f.volumes = f.volumes[:0]
		for i := range t.BVals {
			f.volumes = append(f.volumes, i)
		}
	}
	for _, i := range f.volumes {
		b, g := t.BVals[i], t.BVecs[i]
		f.design = append(f.design, 1, -b*g[0]*g[0], -b*g[1]*g[1], -b*g[2]*g[2], -2*b*g[0]*g[1], -2*b*g[0]*g[2], -2*b*g[1]*g[2])
	}
	return f
}

// Determined tells whether the table determines tensors: with one b-value alone, or
// fewer than six directions, it does not.
func (f *Tensor) Determined() bool {
	if len(f.volumes) == 0 {
		return false
	}
	even := make([]float32, slices.Max(f.volumes)+1)
	for i := range even {
		even[i] = 1
	}
	_, ok := f.Fit(even)
	return ok
}

// Fit returns the tensor of a signal (all volumes of the table): xx yy zz xy xz
// yz in mm²/s. It reports false where no tensor follows from the table or the
// signal, or the signal is not above zero anywhere.
func (f *Tensor) Fit(signal []float32) (d [6]float64, ok bool) {
	largest := float32(0)
	for _, i := range f.volumes {
		largest = max(largest, signal[i])
	}
	if !(largest > 0) {
		return d, false
	}
	var m [unknowns * unknowns]float64
	var c [unknowns]float64
	for j, i := range f.volumes {
		s := float64(max(signal[i], 1e-3*largest))
		w, l := s*s, math.Log(s)
		row := f.design[j*unknowns : (j+1)*unknowns]
		for a, x := range row {
			wx := w * x
			c[a] += wx * l
			for b := range a + 1 {
				m[a*unknowns+b] += wx * row[b]
			}
		}
	}
	// Columns differ by the size of b: brought to one.
	var unit [unknowns]float64
	for a := range unit {
		if m[a*unknowns+a] <= 0 {
			return d, false
		}
		unit[a] = 1 / math.Sqrt(m[a*unknowns+a])
	}
	for a := range unknowns {
		c[a] *= unit[a]
		for b := range a + 1 {
			m[a*unknowns+b] *= unit[a] * unit[b]
		}
	}
	if !factorize(m[:], unknowns, 1e-10) {
		return d, false
	}
	solve(m[:], unknowns, c[:])
	for a := range d {
		d[a] = c[a+1] * unit[a+1]
	}
	return d, true
}

// Measures returns fractional anisotropy, 0 to 1, and mean diffusivity of a
// tensor.
func Measures(d [6]float64) (fa, md float64) {
	md = (d[0] + d[1] + d[2]) / 3
	off := 2 * (d[3]*d[3] + d[4]*d[4] + d[5]*d[5])
	square := d[0]*d[0] + d[1]*d[1] + d[2]*d[2] + off
	if square == 0 {
		return 0, md
	}
	x, y, z := d[0]-md, d[1]-md, d[2]-md
	return min(math.Sqrt(1.5*(x*x+y*y+z*z+off)/square), 1), md
}

// principal returns the eigenvector of the largest eigenvalue, by the power
// method on the tensor made positive.
func principal(d [6]float64) [3]float64 {
	shift := 0.0
	for _, x := range d {
		shift += math.Abs(x)
	}
	best, v := 0.0, [3]float64{0, 0, 1}
	for _, start := range [3][3]float64{{1, 0.1, 0.2}, {0.2, 1, 0.1}, {0.1, 0.2, 1}} {
		u := start
		for range 60 {
			u = unit([3]float64{
				(d[0]+shift)*u[0] + d[3]*u[1] + d[4]*u[2],
				d[3]*u[0] + (d[1]+shift)*u[1] + d[5]*u[2],
				d[4]*u[0] + d[5]*u[1] + (d[2]+shift)*u[2],
			})
		}
		along := u[0]*u[0]*d[0] + u[1]*u[1]*d[1] + u[2]*u[2]*d[2] + 2*(u[0]*u[1]*d[3]+u[0]*u[2]*d[4]+u[1]*u[2]*d[5])
		if along > best {
			best, v = along, u
		}
	}
	return v
}

func unit(v [3]float64) [3]float64 {
	n := math.Sqrt(dot(v, v))
	if n == 0 {
		return [3]float64{0, 0, 1}
	}
	return [3]float64{v[0] / n, v[1] / n, v[2] / n}
}

func dot(a, b [3]float64) float64 { return a[0]*b[0] + a[1]*b[1] + a[2]*b[2] }
