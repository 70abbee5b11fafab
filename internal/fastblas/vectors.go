package fastblas

// Dot returns Σ x[i]·y[i] over the elements of x. It panics if y is shorter.
func Dot[T Float](x, y []T) T {
	if len(x) == 0 {
		return 0
	}
	_ = y[len(x)-1]
	return machineOf[T]().dot(len(x), &x[0], &y[0])
}

// Axpy adds f·x to y, over the elements of x. It panics if y is shorter.
func Axpy[T Float](f T, x, y []T) {
	if len(x) == 0 {
		return
	}
	_ = y[len(x)-1]
	machineOf[T]().axpy(len(x), f, &x[0], &y[0])
}

// Gemv computes y = α·A·x + β·y or, with trans, y = α·Aᵀ·x + β·y for A of m
// rows and n columns. It panics if a slice is too short.
func Gemv[T Float](trans bool, m, n int, alpha T, a []T, lda int, x []T, beta T, y []T) {
	if m <= 0 || n <= 0 {
		return
	}
	mc := machineOf[T]()
	length, other := m, n
	if trans {
		length, other = n, m
	}
	y, x = y[:length], x[:other]
	if alpha == 0 {
		scaleRow(y, beta)
		return
	}
	matrix[T]{a, lda, false}.check(m, n)
	if trans {
		scaleRow(y, beta)
		mc.addRows(m, n, alpha, a, lda, x, y)
		return
	}
	mc.dotRows(m, n, alpha, a, lda, x, beta, y)
}

// addRows adds α·Σ x[i]·row i of A to y, four rows at a time.
func (mc *machine[T]) addRows(m, n int, alpha T, a []T, lda int, x, y []T) {
	s := mc.pool.Get().(*scratch[T])
	i := 0
	for ; i+4 <= m; i += 4 {
		for r, v := range x[i : i+4] {
			s.edge[r] = alpha * v
		}
		mc.axpys(n, &s.edge[0], &a[i*lda], lda, &y[0])
	}
	mc.pool.Put(s)
	for ; i < m; i++ {
		mc.axpy(n, alpha*x[i], &a[i*lda], &y[0])
	}
}

// dotRows sets y[i] to α·(row i of A)·x + β·y[i], four rows at a time.
func (mc *machine[T]) dotRows(m, n int, alpha T, a []T, lda int, x []T, beta T, y []T) {
	s := mc.pool.Get().(*scratch[T])
	for i := 0; i < m; i += 4 {
		sums := s.edge[:min(4, m-i)]
		if len(sums) == 4 {
			mc.dots(n, &a[i*lda], lda, &x[0], &sums[0])
		} else {
			for r := range sums {
				sums[r] = mc.dot(n, &a[(i+r)*lda], &x[0])
			}
		}
		for r, v := range sums {
			v *= alpha
			if beta != 0 {
				v += beta * y[i+r]
			}
			y[i+r] = v
		}
	}
	mc.pool.Put(s)
}
