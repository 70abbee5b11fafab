package signals

import "context"

// Block is one box of voxels: the rows of those that take part.
type Block struct {
	Index  int     // position in the tiling, stable for a given grid
	Rows   []int32 // rows in x, y, z order (x fastest); at least one
	Offset []int8  // 3 per row: x, y, z relative to the block's centre
}

// Tiling covers a grid with overlapping boxes. Centres lie on every Stride-th
// voxel along each axis; boxes are cut off at the edge of the image and of the
// mask, never padded, because mirrored noise is no new noise.
type Tiling struct {
	Extent [3]int // box size in voxels, odd
	Stride int    // distance between centres in voxels, at least 1; less along axes too short for it, so that every voxel is in a box
	Shift  int    // first centre along each axis, below Stride, so that several passes need not share centres; less along axes too short for it
}

// line is one row of boxes along x: the unit of parallel work.
type line struct{ y, z, first int }

// Len returns the number of boxes over the grid, empty ones included; block
// indices are below it.
func (t Tiling) Len(g *Grid) int { return t.count(0, g.NX) * t.count(1, g.NY) * t.count(2, g.NZ) }

// stride returns the distance between centres along an axis: at most half a
// box, or the last voxel of the axis might be in none.
func (t Tiling) stride(axis int) int { return min(t.Stride, (t.Extent[axis]+1)/2) }

// first returns the place of the first centre along an axis of n voxels.
func (t Tiling) first(axis, n int) int { return max(min(t.Shift, t.stride(axis)-1, n-1), 0) }

// count returns the number of centres along an axis of n voxels.
func (t Tiling) count(axis, n int) int {
	return (n - t.first(axis, n) + t.stride(axis) - 1) / t.stride(axis)
}

// Each calls f for every box that holds at least one voxel. Boxes that overlap
// are never processed at the same time, and the order in which the boxes that
// share a voxel are processed does not depend on the number of threads: f may
// therefore add into shared sums without locks, and sums come out the same to
// the last bit. The block is only valid during the call. progress, if not nil,
// is called from one goroutine at a time with the boxes done so far.
func (t Tiling) Each(ctx context.Context, g *Grid, threads int, progress func(done, total int), f func(worker int, b *Block) error) error {
	if t.Stride < 1 || t.Shift < 0 || t.Extent[0]%2 == 0 || t.Extent[1]%2 == 0 || t.Extent[2]%2 == 0 {
		panic("signals: block extent must be odd, stride positive and shift not negative")
	}
	blocks := make([]Block, Threads(threads))
	cells := t.Extent[0] * t.Extent[1] * t.Extent[2]
	for i := range blocks {
		blocks[i] = Block{Rows: make([]int32, 0, cells), Offset: make([]int8, 0, 3*cells)}
	}
	done := 0
	for _, lines := range t.phases(g) {
		err := EachTask(ctx, len(lines), threads, func(worker, task int) error {
			l := lines[task]
			for i := range t.count(0, g.NX) {
				b := &blocks[worker]
				b.Index = l.first + i
				t.cut(g, b, t.first(0, g.NX)+i*t.stride(0), l.y, l.z)
				if len(b.Rows) == 0 {
					continue
				}
				if err := f(worker, b); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		done += len(lines) * t.count(0, g.NX)
		if progress != nil {
			progress(done, t.Len(g))
		}
	}
	return nil
}

// phases sorts the lines of boxes into groups without overlap: two lines of one
// group are at least a box apart along y or z.
func (t Tiling) phases(g *Grid) [][]line {
	cy := (t.Extent[1] + t.stride(1) - 1) / t.stride(1)
	cz := (t.Extent[2] + t.stride(2) - 1) / t.stride(2)
	groups := make([][]line, cy*cz)
	for k := range t.count(2, g.NZ) {
		for j := range t.count(1, g.NY) {
			group := j%cy + cy*(k%cz)
			first := t.count(0, g.NX) * (j + t.count(1, g.NY)*k)
			groups[group] = append(groups[group], line{y: t.first(1, g.NY) + j*t.stride(1), z: t.first(2, g.NZ) + k*t.stride(2), first: first})
		}
	}
	return groups
}

// cut fills b with the rows of the box centred on (cx, cy, cz).
func (t Tiling) cut(g *Grid, b *Block, cx, cy, cz int) {
	b.Rows, b.Offset = b.Rows[:0], b.Offset[:0]
	hx, hy, hz := t.Extent[0]/2, t.Extent[1]/2, t.Extent[2]/2
	for z := max(cz-hz, 0); z <= min(cz+hz, g.NZ-1); z++ {
		for y := max(cy-hy, 0); y <= min(cy+hy, g.NY-1); y++ {
			base := g.NX * (y + g.NY*z)
			for x := max(cx-hx, 0); x <= min(cx+hx, g.NX-1); x++ {
				if r := g.rows[base+x]; r >= 0 {
					b.Rows = append(b.Rows, r)
					b.Offset = append(b.Offset, int8(x-cx), int8(y-cy), int8(z-cz))
				}
			}
		}
	}
}
