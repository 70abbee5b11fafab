package fastblas

// pack copies depth rows from row p0 and columns from column j0 of b into
// panels: two vectors wide, the last one or two, each row of a panel after the
// other, filled up with zeros.
func (mc *machine[T]) pack(s *scratch[T], b matrix[T], p0, depth, j0, columns int) {
	size := (columns + 2*mc.width - 1) / (2 * mc.width) * 2 * mc.width * depth
	if len(s.panels) < size {
		s.panels = make([]T, size)
	}
	b = b.from(p0, j0)
	panel := s.panels
	for j := 0; j < columns; {
		width := mc.panelWidth(columns - j)
		used := min(width, columns-j)
		switch {
		case b.trans:
			mc.packTransposed(panel, b.data[j*b.ld:], b.ld, depth, width, used)
		case used == width:
			mc.copyRows[width/mc.width-1](depth, &b.data[j], b.ld, &panel[0])
		default:
			for p := range depth {
				row := panel[p*width : (p+1)*width]
				clear(row[copy(row, b.data[p*b.ld+j:][:used]):])
			}
		}
		panel = panel[width*depth:]
		j += width
	}
}

// packTransposed packs one panel whose columns are rows of src.
func (mc *machine[T]) packTransposed(panel, src []T, ld, depth, width, used int) {
	whole := used / mc.width * mc.width
	blocks := depth / mc.width
	if blocks > 0 {
		for j := 0; j < whole; j += mc.width {
			mc.transpose(blocks, &src[j*ld], ld, &panel[j], width)
		}
	}
	for j := range width {
		first := 0
		if j < whole {
			first = blocks * mc.width
		}
		if j >= used {
			for p := range depth {
				panel[p*width+j] = 0
			}
			continue
		}
		for p, v := range src[j*ld:][first:depth] {
			panel[(first+p)*width+j] = v
		}
	}
}
