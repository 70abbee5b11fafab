package prior

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/lapack"
	lapackgo "gonum.org/v1/gonum/lapack/gonum"
)

// spectrum decomposes symmetric matrices of up to a given size, with all
// eigenvalues but only the leading eigenvectors: a block keeps few of its
// components, and gathering all vectors costs most of a full decomposition.
// The matrix is brought to tridiagonal form, whose leading vectors are found by
// inverse iteration (Wilkinson 1965, chapter 5) and turned back. It is the
// scratch of one worker.
type spectrum struct {
	values     []float64 // n, ascending
	diag, off  []float64 // the tridiagonal form
	tau        []float64 // of its Householder reflectors, whose vectors are in the matrix
	work       []float64
	pivot      []float64 // of the shifted tridiagonal form, factorised: 1/pivot,
	up1, up2   []float64 // the two superdiagonals above it,
	multiplier []float64 // and the row operations that led there
	swapped    []bool
	d, e       []float64 // scratch copies of diag and off
}

// Sizes below which, and shares of vectors above which, a full decomposition is
// taken.
const (
	leastPartial = 8
	mostPartial  = 0.34
)

const epsilon = 0x1p-53 // unit roundoff

var lapackImpl lapackgo.Implementation

func newSpectrum(n int) *spectrum {
	query := make([]float64, 1)
	lapackImpl.Dsytrd(blas.Upper, n, nil, n, nil, nil, nil, query, -1)
	size := max(int(query[0]), 2*n)
	lapackImpl.Dorgtr(blas.Upper, n, nil, n, nil, query, -1)
	size = max(int(query[0]), size)
	vector := func() []float64 { return make([]float64, n) }
	return &spectrum{
		values: vector(), diag: vector(), off: vector(), tau: vector(), work: make([]float64, size),
		pivot: vector(), up1: vector(), up2: vector(), multiplier: vector(), swapped: make([]bool, n), d: vector(), e: vector(),
	}
}

// decompose finds the eigenvalues of the n×n matrix given by the upper triangle
// of a, which it overwrites, and returns them in ascending order, valid until
// the next call. It reports whether they converged, which all finite matrices do.
func (s *spectrum) decompose(a []float64, n int) (values []float64, ok bool) {
	for i := range n {
		if v := a[i*n+i]; v-v != 0 { // a Gram matrix is as finite as its diagonal
			return nil, false
		}
	}
	values = s.values[:n]
	lapackImpl.Dsytrd(blas.Upper, n, a, n, s.diag[:n], s.off[:n-1], s.tau[:n-1], s.work, len(s.work))
	copy(values, s.diag)
	copy(s.e[:n-1], s.off)
	return values, lapackImpl.Dsterf(n, values, s.e[:n-1])
}

// leading writes the eigenvectors of the r largest eigenvalues of the matrix
// last decomposed in a into the rows of dst (r×n), largest first. It overwrites
// a.
func (s *spectrum) leading(dst, a []float64, n, r int) (ok bool) {
	if n >= leastPartial && float64(r) <= mostPartial*float64(n) && s.iterate(dst, n, r) {
		s.reflect(dst, a, n, r)
		return true
	}
	copy(s.d, s.diag[:n])
	copy(s.e, s.off[:n-1])
	lapackImpl.Dorgtr(blas.Upper, n, a, n, s.tau[:n-1], s.work, len(s.work))
	if !lapackImpl.Dsteqr(lapack.EVOrig, n, s.d[:n], s.e[:n-1], a, n, s.work) {
		return false
	}
	for k := range r {
		for i := range n {
			dst[k*n+i] = a[i*n+n-1-k]
		}
	}
	return true
}

// iterate finds the leading eigenvectors of the tridiagonal form by inverse
// iteration, each kept orthogonal to those before it. It reports failure if
// one does not converge.
func (s *spectrum) iterate(dst []float64, n, r int) bool {
	norm := max(math.Abs(s.values[0]), math.Abs(s.values[n-1]))
	if norm == 0 {
		return false
	}
	start := rand.New(rand.NewPCG(uint64(n), 0)) // any vector does that is not orthogonal to the one sought
	for k := range r {
		s.factorise(s.values[n-1-k], epsilon*norm, n)
		x := dst[k*n : (k+1)*n]
		for i := range x {
			x[i] = start.Float64() - 0.5
		}
		scaleTo1(x)
		converged := false
		for range 6 {
			s.solve(x)
			for j := range k {
				u := dst[j*n : (j+1)*n]
				subtract(x, u, dot(x, u))
			}
			// ‖(T-λI)x‖ was 1 before the solution, and is 1/growth after scaling.
			growth := scaleTo1(x)
			if !(growth <= math.MaxFloat64) {
				return false
			}
			done := growth*norm*4*float64(n)*epsilon >= 1
			if done && converged {
				break
			}
			converged = done
		}
		if !converged {
			return false
		}
	}
	return true
}

// factorise brings T-λI to upper triangular form by elimination with row
// interchanges. Pivots below tiny become tiny.
func (s *spectrum) factorise(lambda, tiny float64, n int) {
	p, q := s.diag[0]-lambda, s.off[0]
	for i := range n - 1 {
		below, diag, off := s.off[i], s.diag[i+1]-lambda, 0.0
		if i < n-2 {
			off = s.off[i+1]
		}
		s.swapped[i] = math.Abs(below) > math.Abs(p)
		if s.swapped[i] {
			m := p / below
			s.pivot[i], s.up1[i], s.up2[i], s.multiplier[i] = below, diag, off, m
			p, q = q-m*diag, -m*off
		} else {
			if math.Abs(p) < tiny {
				p = math.Copysign(tiny, p)
			}
			m := below / p
			s.pivot[i], s.up1[i], s.up2[i], s.multiplier[i] = p, q, 0, m
			p, q = diag-m*q, off
		}
	}
	s.pivot[n-1] = p
	for i, v := range s.pivot[:n] {
		if math.Abs(v) < tiny {
			v = math.Copysign(tiny, v)
		}
		s.pivot[i] = 1 / v
	}
}

// solve replaces x by (T-λI)⁻¹x.
func (s *spectrum) solve(x []float64) {
	n := len(x)
	for i, m := range s.multiplier[:n-1] {
		if s.swapped[i] {
			x[i], x[i+1] = x[i+1], x[i]-m*x[i+1]
		} else {
			x[i+1] -= m * x[i]
		}
	}
	next, afterNext := 0.0, 0.0
	for i := n - 1; i >= 0; i-- {
		v := x[i]
		if i < n-1 {
			v -= s.up1[i]*next + s.up2[i]*afterNext
		}
		x[i] = v * s.pivot[i]
		next, afterNext = x[i], next
	}
}

// reflect turns eigenvectors of the tridiagonal form, the rows of x, into those
// of the matrix: Q·x with Q = H(n-2)…H(0), the vector of H(i) in column i+1 of a
// above the diagonal with 1 at i.
func (s *spectrum) reflect(x, a []float64, n, r int) {
	v := s.d
	for i := range n - 1 {
		if s.tau[i] == 0 {
			continue
		}
		for j := range i {
			v[j] = a[j*n+i+1]
		}
		v[i] = 1
		for k := range r {
			row := x[k*n : k*n+i+1]
			subtract(row, v[:i+1], s.tau[i]*dot(row, v[:i+1]))
		}
	}
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}

// subtract takes f·b off a.
func subtract(a, b []float64, f float64) {
	for i, v := range b {
		a[i] -= f * v
	}
}

// scaleTo1 gives x unit length and returns the length it had.
func scaleTo1(x []float64) float64 {
	length := math.Sqrt(dot(x, x))
	if length > 0 {
		for i := range x {
			x[i] /= length
		}
	}
	return length
}
