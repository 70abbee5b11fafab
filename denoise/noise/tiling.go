package noise

import "github.com/dmri-denoise/dmri-denoise/denoise/signals"

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

// cube is the Haar difference at one place: the two ends of an edge along each
// axis, lag voxels apart; 0 leaves that axis out.
type cube struct{ lag [3]int }

// unitCube takes neighbours; axes of one voxel are left out.
func unitCube(g *signals.Grid) cube {
	return cube{[3]int{min(g.NX-1, 1), min(g.NY-1, 1), min(g.NZ-1, 1)}}
}

// corners returns how many voxels the difference takes.
func (c cube) corners() int {
	n := 1
	for _, l := range c.lag {
		if l > 0 {
			n *= 2
		}
	}
	return n
}

// rows fills in the rows and signs of the cube whose first voxel is (x, y, z)
// and reports whether all take part.
func (c cube) rows(g *signals.Grid, x, y, z int, row *[8]int, sign *[8]float64) bool {
	n := 0
	for dz := 0; dz <= min(c.lag[2], 1); dz++ {
		for dy := 0; dy <= min(c.lag[1], 1); dy++ {
			for dx := 0; dx <= min(c.lag[0], 1); dx++ {
				r := g.RowAt(x+dx*c.lag[0], y+dy*c.lag[1], z+dz*c.lag[2])
				if r < 0 {
					return false
				}
				row[n], sign[n] = r, float64(1-2*((dx+dy+dz)&1))
				n++
			}
		}
	}
	return true
}
