package posterior

import (
	"context"
	"math"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
	"github.com/dmri-denoise/dmri-denoise/internal/symeig"
)

// Smoothness says how alike the errors of neighbouring voxels are: their
// correlation at (dx, dy, dz) voxels is Share·exp(-Σ d²/4Width²), that of white
// noise under a Gaussian window with standard deviations Width, and independent
// noise beside it. The zero value means independent errors.
type Smoothness struct {
	Share float64    `json:"share"` // 0 to 1
	Width [3]float64 `json:"width"` // voxels along x, y and z
}

// At returns the correlation of the errors of two voxels d voxels apart along an axis.
func (s Smoothness) At(axis int, d float64) float64 {
	if d == 0 {
		return 1
	}
	return s.Share * windowed(d, s.Width[axis])
}

// windowed is the correlation of white noise under a Gaussian window.
func windowed(d, width float64) float64 {
	if width == 0 {
		return 0
	}
	return math.Exp(-d * d / (4 * width * width))
}

// alignRoots makes the roots of the classes' covariances symmetric. Any root gives
// the same draws of single voxels; with eigenvectors, whose order and sign are
// arbitrary, the same numbers would be unlike errors in neighbours of two classes.
func (p *Posterior) alignRoots() error {
	k := p.K
	cov, values, vectors := make([]float64, k*k), make([]float64, k), make([]float64, k*k)
	for _, root := range p.root {
		if len(root) == 0 {
			continue
		}
		fastblas.Gemm(false, true, k, k, k, 1, root, k, root, k, 0, cov, k)
		if !symeig.New(k).Decompose(cov, k, values, vectors) {
			return errDecomposition
		}
		clear(root)
		for i, v := range values {
			u := vectors[i*k : (i+1)*k]
			for a, x := range u {
				fastblas.Axpy(math.Sqrt(max(v, 0))*x, u, root[a*k:(a+1)*k])
			}
		}
	}
	return nil
}

const (
	alikeRows = 12000 // rows whose neighbours are looked at, at most
	farthest  = 3     // voxels between two along an axis

	narrowestWindow, widestWindow = 0.2, 4.0 // voxels: at 0.2 neighbours are independent
)

// pairs are the sums over pairs of voxels at each distance along each axis.
type pairs [3][farthest]struct{ product, whole float64 }

// MeasureSmoothness finds the correlation of the errors of neighbours. Stein's
// formula holds for two voxels v and w as it does for one (see the package
// documentation), and their noise is independent:
//
//	E[(h_v-x_v)·(h_w-x_w)] = E[(h_v-y_v)·(h_w-y_w)] + tr J_vw N_w + tr J_wv N_v
//
// with the traces read from the probe, summed over all volumes. It is
// compared with what draws would have, were the errors of the two drawn from the
// same numbers. It reads the images that Calibrate was given.
func (p *Posterior) MeasureSmoothness(ctx context.Context, threads int) error {
	var rows []int
	for r, in := range p.counts() {
		if in {
			rows = append(rows, r)
		}
	}
	if p.K == 0 || len(rows) == 0 {
		return nil
	}
	n := min(len(rows), alikeRows)
	sums := make([]pairs, parts)
	err := signals.EachTask(ctx, parts, threads, func(_, part int) error {
		w := p.newPairWork()
		for i := part * n / parts; i < (part+1)*n/parts; i++ {
			w.add(&sums[part], rows[i*len(rows)/n])
		}
		return nil
	})
	if err != nil {
		return err
	}
	var correlation [3][farthest]float64
	for axis := range correlation {
		for d := range correlation[axis] {
			product, whole := 0.0, 0.0
			for i := range sums {
				product += sums[i][axis][d].product
				whole += sums[i][axis][d].whole
			}
			if whole > 0 {
				correlation[axis][d] = product / whole
			}
		}
	}
	p.Smooth = fitSmoothness(correlation)
	return nil
}

// pairWork is the scratch of one goroutine.
type pairWork struct {
	p           *Posterior
	here, there *look
	drawer      *Drawer
	own         []float64
}

func (p *Posterior) newPairWork() *pairWork {
	return &pairWork{p: p, here: p.newLook(), there: p.newLook(), drawer: p.NewDrawer(), own: make([]float64, p.K)}
}

// add puts the pairs that a row makes with those after it along each axis into
// the sums.
func (w *pairWork) add(s *pairs, r int) {
	p, d := w.p, w.drawer
	p.read(w.here, r)
	rng := rand.New(rand.NewPCG(mix(p.seed^alikeStream, uint64(p.Grid.Voxel[r])), 0))
	for k := range d.z {
		d.z[k] = float64(1 - 2*int(rng.Uint64()&1))
	}
	d.along(r)
	copy(w.own, d.e)
	x, y, z := p.Grid.At(r)
	for axis := range 3 {
		for step := 1; step <= farthest; step++ {
			at := [3]int{x, y, z}
			at[axis] += step
			q := p.Grid.RowAt(at[0], at[1], at[2])
			if q < 0 {
				continue
			}
			p.read(w.there, q)
			d.along(q)
			sum := &s[axis][step-1]
			for k, e := range w.own {
				sum.whole += e * d.e[k]
			}
			for n, e := range p.tail[p.class[r]] {
				sum.product += float64(w.here.residual[n]*w.there.residual[n] + w.here.change[n]*w.there.probe[n] + w.there.change[n]*w.here.probe[n])
				sum.whole += e * p.tail[p.class[q]][n]
			}
		}
	}
}

// fitSmoothness finds the share and the widths nearest to measured correlations, in
// least squares over all axes and distances.
func fitSmoothness(correlation [3][farthest]float64) Smoothness {
	best, least := Smoothness{}, math.Inf(1)
	for share := 0.0; share <= 1; share += 0.02 {
		s, loss := Smoothness{Share: share}, 0.0
		for axis, row := range correlation {
			lowest := math.Inf(1)
			for width := narrowestWindow; width <= widestWindow; width *= 1.02 {
				sum := 0.0
				for d, c := range row {
					e := share*windowed(float64(d+1), width) - c
					sum += e * e
				}
				if sum < lowest {
					lowest, s.Width[axis] = sum, width
				}
			}
			loss += lowest
		}
		if loss < least {
			best, least = s, loss
		}
	}
	if best.Share == 0 {
		return Smoothness{}
	}
	return best
}
