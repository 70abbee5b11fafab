package fastblas

import "unsafe"

// twins returns the kernels in Go for vectors of width elements.
func twins[T Float](width int) kernels[T] {
	k := kernels[T]{width: width, dot: dotTwin[T], axpy: axpyTwin[T], dots: dotsTwin[T], axpys: axpysTwin[T]}
	for v := range k.tiles {
		columns := (v + 1) * width
		for r := range k.tiles[v] {
			k.tiles[v][r] = func(depth int, a *T, rs, cs int, b *T, bs int, c *T, ldc int, alpha T, add bool) {
				tileTwin(r+1, columns, depth, a, rs, cs, b, bs, c, ldc, alpha, add)
			}
		}
		k.copyRows[v] = func(depth int, src *T, stride int, dst *T) { copyRowsTwin(columns, depth, src, stride, dst) }
	}
	k.transpose = func(blocks int, src *T, lds int, dst *T, ldd int) { transposeTwin(width, blocks, src, lds, dst, ldd) }
	return k
}

// at is the slice of n elements that begins i behind p.
func at[T Float](p *T, i, n int) []T {
	return unsafe.Slice((*T)(unsafe.Add(unsafe.Pointer(p), i*int(unsafe.Sizeof(*p)))), n)
}

// tileTwin works on 2×4 elements at a time, which a compiler keeps in registers.
func tileTwin[T Float](rows, columns, k int, a *T, rs, cs int, b *T, bs int, c *T, ldc int, alpha T, add bool) {
	for r := 0; r < rows; r += 2 {
		second := min(1, rows-1-r) // 0: the row is computed twice
		for j := 0; j < columns; j += 4 {
			var s, t [4]T
			if k > 0 {
				s, t = twoRows(k, at(a, r*rs, (k-1)*cs+second*rs+1), second*rs, cs, at(b, j, (k-1)*bs+4), bs)
			}
			store(at(c, r*ldc+j, 4), &s, alpha, add)
			if second == 1 {
				store(at(c, (r+1)*ldc+j, 4), &t, alpha, add)
			}
		}
	}
}

func twoRows[T Float](k int, a []T, rs, cs int, b []T, bs int) (s, t [4]T) {
	var s0, s1, s2, s3, t0, t1, t2, t3 T
	for p := range k {
		x, y, v := a[p*cs], a[p*cs+rs], b[p*bs:p*bs+4:p*bs+4]
		s0 += x * v[0]
		s1 += x * v[1]
		s2 += x * v[2]
		s3 += x * v[3]
		t0 += y * v[0]
		t1 += y * v[1]
		t2 += y * v[2]
		t3 += y * v[3]
	}
	return [4]T{s0, s1, s2, s3}, [4]T{t0, t1, t2, t3}
}

func store[T Float](c []T, s *[4]T, alpha T, add bool) {
	for i, v := range s {
		if add {
			c[i] += alpha * v
		} else {
			c[i] = alpha * v
		}
	}
}

func copyRowsTwin[T Float](columns, k int, src *T, stride int, dst *T) {
	for p := range k {
		copy(at(dst, p*columns, columns), at(src, p*stride, columns))
	}
}

func transposeTwin[T Float](width, blocks int, src *T, lds int, dst *T, ldd int) {
	for i := range width {
		for p, v := range at(src, i*lds, width*blocks) {
			at(dst, p*ldd+i, 1)[0] = v
		}
	}
}

func dotTwin[T Float](n int, x, y *T) T {
	a, b := at(x, 0, n), at(y, 0, n)
	var s0, s1, s2, s3 T
	for ; len(a) >= 4; a, b = a[4:], b[4:] {
		b = b[:len(a)]
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
	}
	for i, v := range a {
		s0 += v * b[i]
	}
	return (s0 + s1) + (s2 + s3)
}

func axpyTwin[T Float](n int, f T, x, y *T) {
	b := at(y, 0, n)
	for i, v := range at(x, 0, n) {
		b[i] += f * v
	}
}

func dotsTwin[T Float](n int, a *T, lda int, x, y *T) {
	out := at(y, 0, 4)
	for r := range out {
		out[r] = dotTwin(n, &at(a, r*lda, n)[0], x)
	}
}

func axpysTwin[T Float](n int, f, a *T, lda int, y *T) {
	for r, v := range at(f, 0, 4) {
		axpyTwin(n, v, &at(a, r*lda, n)[0], y)
	}
}
