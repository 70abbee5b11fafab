package fastblas

import (
	"runtime"
	"sync"
)

// Block sizes. A panel of B of depthBlock rows, 16 KiB, stays in the first
// cache, a block of A, up to 256 KiB, and the panels of columnBlock columns in
// the second and third.
const (
	depthBlock  = 256
	rowBlock    = 240
	columnBlock = 1024
)

// A product of more operations than this is shared between goroutines.
const parallelWork = 100e6

const shortSlice = "fastblas: slice too short for its matrix"

// matrix is one factor of a product, row-major with ld elements from row to
// row, transposed or not.
type matrix[T Float] struct {
	data  []T
	ld    int
	trans bool
}

// strides returns the distances of rows and columns of the matrix as it stands
// in the product.
func (x matrix[T]) strides() (rows, columns int) {
	if x.trans {
		return 1, x.ld
	}
	return x.ld, 1
}

// from is the matrix without its first rows and columns, as they stand in the
// product.
func (x matrix[T]) from(row, column int) matrix[T] {
	rs, cs := x.strides()
	x.data = x.data[row*rs+column*cs:]
	return x
}

// check panics if x is too small to be rows × columns in the product.
func (x matrix[T]) check(rows, columns int) {
	if x.trans {
		rows, columns = columns, rows
	}
	if x.ld < columns || len(x.data) < (rows-1)*x.ld+columns {
		panic(shortSlice)
	}
}

// product is one call: part of C = α·A·B + β·C, C being m×n and A m×k.
type product[T Float] struct {
	m, n, k     int
	alpha, beta T
	a, b        matrix[T]
	c           []T
	ldc         int
	part        region
}

// Gemm computes C = α·op(A)·op(B) + β·C, where op(A) is m×k, op(B) k×n and C
// m×n, and op transposes if transA or transB say so. C must share no memory
// with A or B. It panics if a slice is too short.
func Gemm[T Float](transA, transB bool, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int) {
	p := product[T]{m, n, k, alpha, beta, matrix[T]{a, lda, transA}, matrix[T]{b, ldb, transB}, c, ldc, whole}
	machineOf[T]().run(&p)
}

// Syrk computes the upper or, with low, the lower triangle of C = α·A·Aᵀ + β·C,
// or, with trans, of C = α·Aᵀ·A + β·C, where C is n×n and k the other dimension
// of A. The other triangle is left alone. C must share no memory with A. It
// panics if a slice is too short.
func Syrk[T Float](low, trans bool, n, k int, alpha T, a []T, lda int, beta T, c []T, ldc int) {
	p := product[T]{n, n, k, alpha, beta, matrix[T]{a, lda, trans}, matrix[T]{a, lda, !trans}, c, ldc, upper}
	if low {
		p.part = lower
	}
	machineOf[T]().run(&p)
}

// run computes a product, a large one by several goroutines. Each element is
// computed by the same operations in the same order whatever their number.
func (mc *machine[T]) run(p *product[T]) {
	if p.m <= 0 || p.n <= 0 {
		return
	}
	matrix[T]{p.c, p.ldc, false}.check(p.m, p.n)
	if p.alpha == 0 || p.k <= 0 {
		p.scale(0, p.m)
		return
	}
	p.a.check(p.m, p.k)
	p.b.check(p.k, p.n)
	work := 2 * float64(p.m) * float64(p.n) * float64(p.k)
	threads := min(runtime.GOMAXPROCS(0), 1+int(work/parallelWork), p.m)
	if threads == 1 || p.part != whole {
		mc.rows(p, 0, p.m)
		return
	}
	mc.share(*p, threads)
}

// share takes its argument by value: that of run then stays on the stack.
func (mc *machine[T]) share(p product[T], threads int) {
	var wait sync.WaitGroup
	for t := range threads {
		wait.Go(func() { mc.rows(&p, t*p.m/threads, (t+1)*p.m/threads) })
	}
	wait.Wait()
}

// rows computes rows [from, to) of a product.
func (mc *machine[T]) rows(p *product[T], from, to int) {
	if p.beta != 0 {
		p.scale(from, to)
	}
	s := mc.pool.Get().(*scratch[T])
	b := block[T]{alpha: p.alpha, c: p.c, ldc: p.ldc, part: p.part}
	for b.j0 = 0; b.j0 < p.n; b.j0 += columnBlock {
		b.j1 = min(b.j0+columnBlock, p.n)
		for depth := 0; depth < p.k; depth += depthBlock {
			b.depth, b.add = min(depthBlock, p.k-depth), p.beta != 0 || depth > 0
			mc.pack(s, p.b, depth, b.depth, b.j0, b.j1-b.j0)
			for b.i0 = from; b.i0 < to; b.i0 += rowBlock {
				b.i1, b.a = min(b.i0+rowBlock, to), p.a.from(b.i0, depth)
				mc.fill(s, &b)
			}
		}
	}
	mc.pool.Put(s)
}

// scale multiplies rows [from, to) of the part of C by β; 0 clears whatever is there.
func (p *product[T]) scale(from, to int) {
	for i := from; i < to; i++ {
		first, last := p.part.columns(i, 0, p.n)
		scaleRow(p.c[i*p.ldc:][first:last], p.beta)
	}
}

func scaleRow[T Float](row []T, beta T) {
	switch beta {
	case 0:
		clear(row)
	case 1:
	default:
		for j := range row {
			row[j] *= beta
		}
	}
}
