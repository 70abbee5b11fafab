package posterior

import (
	"slices"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// window holds the coefficients of the rows of three planes of a grid: all that
// a row's neighbours need, where those of the scan would take half as much as
// the scan.
type window struct {
	grid   *signals.Grid
	k      int
	starts []int     // first row of every plane along z, and the number of rows
	ring   []float32 // rows × k, row r at r modulo the number of rows
	rows   int
}

func newWindow(g *signals.Grid, k int) *window {
	w := &window{grid: g, k: k, rows: 1}
	for z := range g.NZ + 1 {
		first, _ := slices.BinarySearch(g.Voxel, int32(z*g.NX*g.NY))
		w.starts = append(w.starts, first)
		w.rows = max(w.rows, first-w.starts[max(z-3, 0)])
	}
	w.ring = make([]float32, w.rows*k)
	return w
}

// plane returns the rows of a plane; beyond the last there are none.
func (w *window) plane(z int) (from, to int) {
	last := len(w.starts) - 1
	return w.starts[min(z, last)], w.starts[min(z+1, last)]
}

// row is where the coefficients of a row are, until those three planes on are written.
func (w *window) row(r int) []float32 {
	at := r % w.rows * w.k
	return w.ring[at : at+w.k]
}

// roughness adds to every row of a plane the squared distance of its coefficients
// from the mean of the six neighbours'.
func (w *window) roughness(dst []float32, z int) {
	g, mean := w.grid, make([]float32, w.k)
	from, to := w.plane(z)
	for r := from; r < to; r++ {
		x, y, z := g.At(r)
		clear(mean)
		found := float32(0)
		for _, q := range [6]int{g.RowAt(x-1, y, z), g.RowAt(x+1, y, z), g.RowAt(x, y-1, z), g.RowAt(x, y+1, z), g.RowAt(x, y, z-1), g.RowAt(x, y, z+1)} {
			if q < 0 {
				continue
			}
			found++
			for c, v := range w.row(q) {
				mean[c] += v
			}
		}
		if found == 0 {
			continue
		}
		for c, v := range w.row(r) {
			d := v - mean[c]/found
			dst[r] += d * d
		}
	}
}
