package fastblas

// region says which part of C a product fills.
type region int

const (
	whole region = iota
	upper        // column ≥ row
	lower        // column ≤ row
)

// holds reports whether rows [i, i+rows) of columns [j, j+columns) lie wholly
// in the region.
func (r region) holds(i, rows, j, columns int) bool {
	switch r {
	case upper:
		return i+rows-1 <= j
	case lower:
		return i >= j+columns-1
	}
	return true
}

// rows is the range of rows of [from, to) that have elements of the region in
// columns [j, j+columns).
func (r region) rows(from, to, j, columns int) (int, int) {
	switch r {
	case upper:
		return from, max(from, min(to, j+columns))
	case lower:
		return min(to, max(from, j)), to
	}
	return from, to
}

// columns is the part of columns [j, j+columns) of row i that is in the region,
// counted from j.
func (r region) columns(i, j, columns int) (from, to int) {
	switch r {
	case upper:
		return min(max(i-j, 0), columns), columns
	case lower:
		return 0, max(min(i-j+1, columns), 0)
	}
	return 0, columns
}

// block is what one call of fill computes: rows [i0, i1) of columns [j0, j1) of
// C, from depth columns of A, which begins at row i0, and packed panels of B.
type block[T Float] struct {
	i0, i1, j0, j1, depth int
	alpha                 T
	a                     matrix[T]
	c                     []T
	ldc                   int
	add                   bool
	part                  region
}

// fill computes a block panel by panel.
func (mc *machine[T]) fill(s *scratch[T], b *block[T]) {
	panel := s.panels
	for j := b.j0; j < b.j1; {
		width := mc.panelWidth(b.j1 - j)
		mc.fillPanel(s, b, panel, j, width)
		panel = panel[width*b.depth:]
		j += width
	}
}

// fillPanel computes the columns of one panel, tile by tile. Tiles that stick
// out of C or of its region go by way of scratch.
func (mc *machine[T]) fillPanel(s *scratch[T], b *block[T], panel []T, j, width int) {
	used := min(width, b.j1-j)
	rs, cs := b.a.strides()
	tiles := &mc.tiles[width/mc.width-1]
	from, to := b.part.rows(b.i0, b.i1, j, used)
	for i := from; i < to; {
		rows := tileHeight(to - i)
		a := &b.a.data[(i-b.i0)*rs]
		if used == width && b.part.holds(i, rows, j, used) {
			tiles[rows-1](b.depth, a, rs, cs, &panel[0], width, &b.c[i*b.ldc+j], b.ldc, b.alpha, b.add)
		} else {
			tiles[rows-1](b.depth, a, rs, cs, &panel[0], width, &s.edge[0], width, b.alpha, false)
			for q := range rows {
				first, last := b.part.columns(i+q, j, used)
				put(b.c[(i+q)*b.ldc+j:][first:last], s.edge[q*width+first:], b.add)
			}
		}
		i += rows
	}
}

// panelWidth is the width of the next panel when columns are left.
func (mc *machine[T]) panelWidth(columns int) int {
	if columns <= mc.width {
		return mc.width
	}
	return 2 * mc.width
}

// tileHeight is the height of the next tile when rows are left. A last tile of
// one or two rows would keep the multipliers waiting for their own results.
func tileHeight(rows int) int {
	if rows > tileRows && rows < 2*tileRows {
		return (rows + 1) / 2
	}
	return min(rows, tileRows)
}

// put writes src into dst or adds it.
func put[T Float](dst, src []T, add bool) {
	if !add {
		copy(dst, src)
		return
	}
	src = src[:len(dst)]
	for i, v := range src {
		dst[i] += v
	}
}
