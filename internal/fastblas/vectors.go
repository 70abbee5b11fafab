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
		for i, v := range x {
			mc.axpy(n, alpha*v, &a[i*lda], &y[0])
		}
		return
	}
	for i := range y {
		v := alpha * mc.dot(n, &a[i*lda], &x[0])
		if beta != 0 {
			v += beta * y[i]
		}
		y[i] = v
	}
}
