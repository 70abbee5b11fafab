package qc

import (
	"context"
	"math"
	"slices"
)

// Constants of SSIM as its authors set them (Wang 2004, section III-C).
const (
	ssimRadius = 5 // of the window: 11 voxels wide
	ssimSigma  = 1.5
	ssimK1     = 0.01
	ssimK2     = 0.03
)

// similarity returns the mean SSIM of each group of volumes. A volume can be in
// several groups, and each has a range of truth of its own.
func (p *pair) similarity(ctx context.Context, groups [][]int, totals []errorSums, threads int) ([]float64, error) {
	sum := make([][]float64, p.volumes) // [volume][group], summed over slices
	touched := p.touched()
	err := eachVolume(ctx, p.volumes, threads, func(v int) error {
		sum[v] = make([]float64, len(groups))
		var member []int
		for i, volumes := range groups {
			if slices.Contains(volumes, v) {
				member = append(member, i)
			}
		}
		w := newSSIM(p.g.NX, p.g.NY)
		truth, estimate := p.volume(v)
		n := p.g.NX * p.g.NY
		for _, z := range touched {
			if err := ctx.Err(); err != nil {
				return err
			}
			in := p.mask[z*n : (z+1)*n]
			w.load(truth[z*n:(z+1)*n], estimate[z*n:(z+1)*n], in)
			for _, i := range member {
				sum[v][i] += w.mean(in, totals[i].hi-totals[i].lo)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	means := make([]float64, len(groups))
	for i, volumes := range groups {
		total := 0.0
		for _, v := range volumes {
			total += sum[v][i]
		}
		means[i] = total / float64(len(volumes)*len(touched))
	}
	return means, nil
}

// touched returns the slices along z that hold a voxel of the mask.
func (p *pair) touched() []int {
	var zs []int
	n := p.g.NX * p.g.NY
	for z := range p.g.NZ {
		if slices.Contains(p.mask[z*n:(z+1)*n], true) {
			zs = append(zs, z)
		}
	}
	return zs
}

// ssim holds the local moments of a pair of slices.
type ssim struct {
	nx, ny           int
	x, y, xx, yy, xy []float64 // smoothed x, y, x², y², xy
	scratch          []float64
	across, down     [][]float64 // window weights around each column and row
}

func newSSIM(nx, ny int) *ssim {
	s := &ssim{nx: nx, ny: ny, across: windows(nx), down: windows(ny)}
	for _, m := range []*[]float64{&s.x, &s.y, &s.xx, &s.yy, &s.xy, &s.scratch} {
		*m = make([]float64, nx*ny)
	}
	return s
}

// windows returns, for each position of n, the Gaussian weights from
// max(0, position-5) to min(n-1, position+5), with sum 1. The two-dimensional
// window is the product of two of them.
func windows(n int) [][]float64 {
	w := make([][]float64, n)
	for i := range w {
		sum := 0.0
		for j := max(0, i-ssimRadius); j <= min(n-1, i+ssimRadius); j++ {
			d := float64(j-i) / ssimSigma
			k := math.Exp(-d * d / 2)
			w[i] = append(w[i], k)
			sum += k
		}
		for j := range w[i] {
			w[i][j] /= sum
		}
	}
	return w
}

// load computes the moments of a slice. Outside the mask the estimate counts as
// the truth, and values that are not finite there as 0.
func (s *ssim) load(truth, estimate []float32, mask []bool) {
	for i := range truth {
		x, y := float64(truth[i]), float64(estimate[i])
		if !mask[i] {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				x = 0
			}
			y = x
		}
		s.x[i], s.y[i] = x, y
		s.xx[i], s.yy[i], s.xy[i] = x*x, y*y, x*y
	}
	for _, m := range [][]float64{s.x, s.y, s.xx, s.yy, s.xy} {
		s.smooth(m)
	}
}

// smooth convolves a slice with the window in place.
func (s *ssim) smooth(m []float64) {
	for y := range s.ny {
		row, out := m[y*s.nx:(y+1)*s.nx], s.scratch[y*s.nx:(y+1)*s.nx]
		for x, w := range s.across {
			sum := 0.0
			for j, v := range row[max(0, x-ssimRadius):][:len(w)] {
				sum += w[j] * v
			}
			out[x] = sum
		}
	}
	for y, w := range s.down {
		out := m[y*s.nx : (y+1)*s.nx]
		clear(out)
		for j, k := range w {
			from := max(0, y-ssimRadius) + j
			for x, v := range s.scratch[from*s.nx : (from+1)*s.nx] {
				out[x] += k * v
			}
		}
	}
}

// mean returns the mean SSIM over the voxels in the mask (Wang 2004, eq. 13),
// NaN for a range of 0.
func (s *ssim) mean(mask []bool, span float64) float64 {
	if !(span > 0) {
		return math.NaN()
	}
	c1, c2 := ssimK1*span*ssimK1*span, ssimK2*span*ssimK2*span
	sum, n := 0.0, 0.0
	for i, in := range mask {
		if !in {
			continue
		}
		mx, my := s.x[i], s.y[i]
		vx, vy, cov := s.xx[i]-mx*mx, s.yy[i]-my*my, s.xy[i]-mx*my
		sum += (2*mx*my + c1) * (2*cov + c2) / ((mx*mx + my*my + c1) * (vx + vy + c2))
		n++
	}
	return sum / n
}
