package symeig

import (
	"math"

	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
)

// Workspace is the scratch of one goroutine.
type Workspace struct {
	k        kernels
	capacity int
	n, ld    int       // of the matrix at hand
	a        []float64 // ld × ld: the matrix, then in row k the reflector that made its off-diagonal
	z        []float64 // ld × ld: eigenvectors as rows
	diag     []float64 // n
	off      []float64 // n: off[i] couples i and i+1
	tau      []float64 // n: of the reflector in row k, 0 for none
	v, w     []float64 // ld: the update still to be made
	u, y     []float64 // ld: the next reflector and the matrix times it
	sweep    sweep
	order    []int
}

// New returns a workspace for matrices of up to n rows.
func New(n int) *Workspace {
	size := padded(n)
	vector := func() []float64 { return make([]float64, size) }
	return &Workspace{
		k: machine, capacity: n,
		a: make([]float64, size*size), z: make([]float64, size*size),
		diag: vector(), off: vector(), tau: vector(), v: vector(), w: vector(), u: vector(), y: vector(),
		order: make([]int, n),
	}
}

const (
	tooLarge    = "symeig: matrix larger than the workspace"
	shortMatrix = "symeig: matrix, values or vectors too short"
)

// Decompose finds all eigenvalues and eigenvectors of the n×n symmetric matrix
// whose upper triangle is in a, row-major, which it leaves as it is. Values go
// to values[:n], largest first, and eigenvector k, of unit length, to row k of
// vectors[:n·n]; its sign is arbitrary. It reports false, with nothing written,
// if the triangle holds NaN or infinities. It panics if n is larger than the
// workspace or a slice is too short. vectors may be a itself.
func (w *Workspace) Decompose(a []float64, n int, values, vectors []float64) bool {
	return decompose(w, a, n, values, vectors)
}

// Decompose32 is Decompose for a matrix in float32, computed in float64 and
// rounded at the end.
func (w *Workspace) Decompose32(a []float32, n int, values []float64, vectors []float32) bool {
	return decompose(w, a, n, values, vectors)
}

func decompose[T fastblas.Float](w *Workspace, a []T, n int, values []float64, vectors []T) bool {
	if n > w.capacity {
		panic(tooLarge)
	}
	if len(a) < n*n || len(values) < n || len(vectors) < n*n {
		panic(shortMatrix)
	}
	if n == 0 {
		return true
	}
	exponent, ok := load(w, a, n)
	if !ok {
		return false
	}
	w.tridiagonalise()
	w.accumulate()
	if !w.iterate() {
		return false
	}
	w.sort()
	for i, k := range w.order[:n] {
		values[i] = math.Ldexp(w.diag[k], exponent)
		row := vectors[i*n : (i+1)*n]
		for j, v := range w.z[k*w.ld:][:n] {
			row[j] = T(v)
		}
	}
	return true
}

// load copies the matrix, divided by the power of two that makes its largest
// element about 1, and returns the exponent of that.
func load[T fastblas.Float](w *Workspace, a []T, n int) (exponent int, ok bool) {
	w.n, w.ld = n, padded(n)
	// As integers, absolute values sort as they do as numbers, infinities and
	// NaN last.
	bits := uint64(0)
	for i := range n {
		row := w.a[i*w.ld : (i+1)*w.ld]
		clear(row[n:])
		row = row[i:n]
		for j, v := range a[i*n+i : (i+1)*n] {
			row[j] = float64(v)
			bits = max(bits, math.Float64bits(float64(v))&^(1<<63))
		}
	}
	if bits >= math.Float64bits(math.Inf(1)) {
		return 0, false
	}
	clear(w.a[n*w.ld : w.ld*w.ld])
	_, exponent = math.Frexp(math.Float64frombits(bits))
	// In two steps: the whole factor may be beyond float64.
	up, down := math.Ldexp(1, -exponent/2), math.Ldexp(1, -exponent-(-exponent/2))
	for i := range n {
		row := w.a[i*w.ld+i : i*w.ld+n]
		for j := range row {
			row[j] = row[j] * up * down
		}
	}
	w.mirror()
	return exponent, true
}

// mirror copies the upper triangle to the lower, in squares that keep both in
// the cache.
func (w *Workspace) mirror() {
	const side = 8
	for i0 := 0; i0 < w.n; i0 += side {
		for j := i0 + 1; j < w.n; j++ {
			row := w.a[j*w.ld+i0 : j*w.ld+min(i0+side, j)]
			for i := range row {
				row[i] = w.a[(i0+i)*w.ld+j]
			}
		}
	}
}

// sort orders eigenvalues from the largest to the smallest by insertion: QL
// leaves them almost in order.
func (w *Workspace) sort() {
	for i := range w.n {
		k := i
		for ; k > 0 && w.diag[w.order[k-1]] < w.diag[i]; k-- {
			w.order[k] = w.order[k-1]
		}
		w.order[k] = i
	}
}
