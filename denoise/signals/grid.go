package signals

import "math"

// Grid says which voxels of an image take part, and numbers them.
type Grid struct {
	NX, NY, NZ int     // image size in voxels
	Voxel      []int32 // row → linear voxel index, ascending
	rows       []int32 // linear voxel index → row, -1 where the voxel takes no part
}

// NewGrid numbers the voxels for which keep is true. A nil keep takes all of
// them. keep has nx*ny*nz entries, x fastest.
func NewGrid(nx, ny, nz int, keep []bool) *Grid {
	total := nx * ny * nz
	if keep != nil && len(keep) != total {
		panic("signals: mask length does not match the grid")
	}
	if total > math.MaxInt32 {
		panic("signals: more than 2^31-1 voxels in one volume")
	}
	g := &Grid{NX: nx, NY: ny, NZ: nz, rows: make([]int32, total)}
	for v := range g.rows {
		if keep != nil && !keep[v] {
			g.rows[v] = -1
			continue
		}
		g.rows[v] = int32(len(g.Voxel))
		g.Voxel = append(g.Voxel, int32(v))
	}
	return g
}

// Len returns the number of voxels that take part.
func (g *Grid) Len() int { return len(g.Voxel) }

// RowAt returns the row of voxel (x, y, z), or -1 if it takes no part or lies
// outside the image.
func (g *Grid) RowAt(x, y, z int) int {
	if uint(x) >= uint(g.NX) || uint(y) >= uint(g.NY) || uint(z) >= uint(g.NZ) {
		return -1
	}
	return int(g.rows[x+g.NX*(y+g.NY*z)])
}

// At returns the coordinates of a row's voxel.
func (g *Grid) At(row int) (x, y, z int) {
	v := int(g.Voxel[row])
	return v % g.NX, v / g.NX % g.NY, v / (g.NX * g.NY)
}

// Expand writes one value per row into a full volume (nx*ny*nz, x fastest) and
// leaves the other voxels as they are.
func (g *Grid) Expand(volume, values []float32) {
	for r, v := range g.Voxel {
		volume[v] = values[r]
	}
}

// EachLine calls f for every line of voxels of an nx×ny×nz volume along x, then
// along y, then along z: the passes of a separable filter. The line's voxels
// are start, start+step, … (n of them).
func EachLine(nx, ny, nz int, f func(start, step, n int)) {
	for z := range nz {
		for y := range ny {
			f(nx*(y+ny*z), 1, nx)
		}
	}
	for z := range nz {
		for x := range nx {
			f(x+nx*ny*z, nx, ny)
		}
	}
	for y := range ny {
		for x := range nx {
			f(x+nx*y, nx*ny, nz)
		}
	}
}
