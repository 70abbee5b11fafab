package noise

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// tiling cuts the image into columns of tileX×tileY voxels over all slices and
// deals them to folds in a checkerboard of four, so that a Haar coefficient
// inside one column never shares a voxel with the data its components were
// learned on. An axis too short to split is left whole and halves the folds; if
// both are, there is one fold.
type tiling struct {
	tileX, tileY   int // size of a column in voxels
	foldsX, foldsY int // 2 along an axis that is split, else 1
}

// newTiling picks the column size for an image of nx×ny voxels.
func newTiling(nx, ny int) tiling {
	var t tiling
	t.tileX, t.foldsX = tile(nx)
	t.tileY, t.foldsY = tile(ny)
	return t
}

// tile picks the column size along one axis of n voxels.
func tile(n int) (size, folds int) {
	for _, size := range []int{6, 4, 3, 2} {
		if n >= 2*size {
			return size, 2
		}
	}
	return n, 1
}

func (t tiling) count() int { return t.foldsX * t.foldsY }

// fold returns the fold of the column that holds voxel (x, y).
func (t tiling) fold(x, y int) int { return x/t.tileX%t.foldsX + t.foldsX*(y/t.tileY%t.foldsY) }

// column is one tile: its voxel range and its fold.
type column struct{ x0, x1, y0, y1, fold int }

func (t tiling) columns(g *signals.Grid) []column {
	var out []column
	for y := 0; y < g.NY; y += t.tileY {
		for x := 0; x < g.NX; x += t.tileX {
			out = append(out, column{x, min(x+t.tileX, g.NX), y, min(y+t.tileY, g.NY), t.fold(x, y)})
		}
	}
	return out
}

// haar computes the high-pass coefficients of one column of voxels at a time.
// Not safe for concurrent use: one per worker.
type haar struct {
	s       *signals.Signals
	mean    []float64
	weight  []float64 // per volume
	centred []float32 // slab × D
	latent  []float32 // two slabs × K, the slab below and this one
	coef    []float32 // K
}

// newHaar makes the scratch for columns of up to area voxels.
func newHaar(s *signals.Signals, mean, weight []float64, area int) *haar {
	return &haar{s: s, mean: mean, weight: weight, centred: make([]float32, area*s.D),
		latent: make([]float32, 2*area*s.D), coef: make([]float32, s.D)}
}

// each calls f for every coefficient of the column whose voxels all take part,
// with the row of its first voxel and the coefficients of the first k
// components (valid during the call), scaled so that white noise of standard
// deviation σ gives coefficients of standard deviation σ. Axes of one voxel are
// left out of the difference. basis is D×D, row-major, components in columns.
func (h *haar) each(c column, basis []float32, k int, f func(row int, coef []float32)) {
	nx, ny, nz := h.s.NX, h.s.NY, h.s.NZ
	stepX, stepY, stepZ := min(nx-1, 1), min(ny-1, 1), min(nz-1, 1)
	width, area := c.x1-c.x0, (c.x1-c.x0)*(c.y1-c.y0)
	scale := float32(1 / math.Sqrt(float64((1+stepX)*(1+stepY)*(1+stepZ))))
	below, here := h.latent[:area*k], h.latent[area*k:2*area*k]
	for z := range nz {
		below, here = here, below
		h.project(c, z, basis, k, here)
		if z < stepZ {
			continue
		}
		for y := c.y0; y < c.y1-stepY; y++ {
			for x := c.x0; x < c.x1-stepX; x++ {
				row := h.s.RowAt(x, y, z-stepZ)
				if row < 0 || !h.complete(x, y, z, stepX, stepY, stepZ) {
					continue
				}
				at := ((y-c.y0)*width + x - c.x0) * k
				dx, dy := stepX*k, stepY*width*k
				coef := h.coef[:k]
				for i := range coef {
					v := corner(here, at+i, dx, dy)
					if stepZ == 1 {
						v -= corner(below, at+i, dx, dy)
					}
					coef[i] = v * scale
				}
				f(row, coef)
			}
		}
	}
}

// corner is the two-dimensional Haar difference at one place; a step of 0
// leaves that axis out.
func corner(v []float32, at, dx, dy int) float32 {
	out := v[at]
	if dx > 0 {
		out -= v[at+dx]
	}
	if dy > 0 {
		out -= v[at+dy]
		if dx > 0 {
			out += v[at+dx+dy]
		}
	}
	return out
}

// complete reports whether all voxels of the difference take part; the first
// one is known to.
func (h *haar) complete(x, y, z, stepX, stepY, stepZ int) bool {
	for dz := -stepZ; dz <= 0; dz++ {
		for dy := 0; dy <= stepY; dy++ {
			for dx := 0; dx <= stepX; dx++ {
				if h.s.RowAt(x+dx, y+dy, z+dz) < 0 {
					return false
				}
			}
		}
	}
	return true
}

// project writes the latent values of one slab of the column (area × k);
// voxels that take no part get zeros, which complete keeps from being used.
func (h *haar) project(c column, z int, basis []float32, k int, out []float32) {
	d, n := h.s.D, 0
	for y := c.y0; y < c.y1; y++ {
		for x := c.x0; x < c.x1; x++ {
			centred := h.centred[n*d : (n+1)*d]
			n++
			row := h.s.RowAt(x, y, z)
			if row < 0 {
				clear(centred)
				continue
			}
			for i, v := range h.s.Row(row) {
				centred[i] = float32(h.weight[i] * (float64(v) - h.mean[i]))
			}
		}
	}
	blas32.Gemm(blas.NoTrans, blas.NoTrans, 1,
		blas32.General{Rows: n, Cols: d, Stride: d, Data: h.centred[:n*d]},
		blas32.General{Rows: d, Cols: k, Stride: d, Data: basis}, 0,
		blas32.General{Rows: n, Cols: k, Stride: k, Data: out[:n*k]})
}

// medianAbsolute returns the median of |v| over 0.6745: a robust standard
// deviation. It reorders v.
func medianAbsolute(v []float32) float64 {
	if len(v) == 0 {
		return 0
	}
	for i := range v {
		v[i] = max(v[i], -v[i])
	}
	slices.Sort(v)
	return float64(v[len(v)/2]) / 0.6744897501960817
}
