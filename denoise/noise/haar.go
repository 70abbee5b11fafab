package noise

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// haar computes the high-pass coefficients of one column of voxels at a time.
// Not safe for concurrent use: one per worker.
type haar struct {
	e       *estimator
	centred []float32 // slab × volumes in use
	latent  []float32 // two slabs × K, the slab below and this one
	coef    []float32 // K
}

// newHaar makes the scratch for up to k components.
func (e *estimator) newHaar(k int) *haar {
	area := e.folds.tileX * e.folds.tileY
	return &haar{e: e, centred: make([]float32, area*len(e.volumes)), latent: make([]float32, 2*area*k), coef: make([]float32, k)}
}

// each calls f for every coefficient of the column whose voxels all take part,
// with the row of its first voxel and the coefficients of the components of
// the basis (valid during the call), scaled so that white noise of standard
// deviation σ gives coefficients of standard deviation σ. Axes of one voxel are
// left out of the difference.
func (h *haar) each(c column, b basis, f func(row int, coef []float32)) {
	g, k := h.e.s.Grid, b.k
	lag := unitCube(g).lag
	width, area := c.x1-c.x0, (c.x1-c.x0)*(c.y1-c.y0)
	scale := float32(1 / math.Sqrt(float64(unitCube(g).corners())))
	below, here := h.latent[:area*k], h.latent[area*k:2*area*k]
	for z := range g.NZ {
		below, here = here, below
		h.project(c, z, b, here)
		if z < lag[2] {
			continue
		}
		for y := c.y0; y < c.y1-lag[1]; y++ {
			for x := c.x0; x < c.x1-lag[0]; x++ {
				row := g.RowAt(x, y, z-lag[2])
				if row < 0 || !h.complete(x, y, z, lag) {
					continue
				}
				at := ((y-c.y0)*width + x - c.x0) * k
				dx, dy := lag[0]*k, lag[1]*width*k
				coef := h.coef[:k]
				for i := range coef {
					v := corner(here, at+i, dx, dy)
					if lag[2] == 1 {
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
func (h *haar) complete(x, y, z int, lag [3]int) bool {
	for dz := -lag[2]; dz <= 0; dz++ {
		for dy := 0; dy <= lag[1]; dy++ {
			for dx := 0; dx <= lag[0]; dx++ {
				if h.e.s.RowAt(x+dx, y+dy, z+dz) < 0 {
					return false
				}
			}
		}
	}
	return true
}

// project writes the latent values of one slab of the column (area × k);
// voxels that take no part get zeros, which complete keeps from being used.
func (h *haar) project(c column, z int, b basis, out []float32) {
	s, mean, volumes := h.e.s, h.e.mean, h.e.volumes
	d, n := len(volumes), 0
	for y := c.y0; y < c.y1; y++ {
		for x := c.x0; x < c.x1; x++ {
			centred := h.centred[n*d : (n+1)*d]
			n++
			row := s.RowAt(x, y, z)
			if row < 0 {
				clear(centred)
				continue
			}
			values := s.Row(row)
			for j, i := range volumes {
				centred[j] = float32(float64(values[i]) - mean[j])
			}
		}
	}
	blas32.Gemm(blas.NoTrans, blas.NoTrans, 1,
		blas32.General{Rows: n, Cols: d, Stride: d, Data: h.centred[:n*d]},
		blas32.General{Rows: d, Cols: b.k, Stride: b.k, Data: b.data}, 0,
		blas32.General{Rows: n, Cols: b.k, Stride: b.k, Data: out[:n*b.k]})
}

// basis holds k components in columns, row-major, with the volumes' weights in
// them: signals times basis are coefficients of volumes brought to one level.
type basis struct {
	data []float32
	k    int
}

// pick takes components of a fold by number.
func (c *components) pick(number ...int) basis {
	d := len(c.Values)
	b := basis{make([]float32, d*len(number)), len(number)}
	for i := range d {
		for j, k := range number {
			b.data[i*b.k+j] = float32(c.Vectors[i*d+k])
		}
	}
	return b
}
