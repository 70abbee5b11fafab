package symeig

import (
	"math"

	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
)

// negligible is the square of what counts as zero in a matrix of numbers of
// about 1: below it squares lose digits.
const negligible = 0x1p-960

// tridiagonalise brings the matrix to tridiagonal form, last row first. The
// update of step k+1 is made together with the product that step k needs, in
// one pass over the matrix.
func (w *Workspace) tridiagonalise() {
	n, ld := w.n, w.ld
	clear(w.v)
	clear(w.w)
	clear(w.u)
	for k := n - 1; k >= 0; k-- {
		x := w.a[k*ld : k*ld+padded(k+1)]
		fastblas.Axpy(-w.v[k], w.w[:k+1], x)
		fastblas.Axpy(-w.w[k], w.v[:k+1], x)
		w.diag[k] = x[k]
		if k == 0 {
			w.off[n-1] = 0
			return
		}
		clear(x[k:])
		w.off[k-1], w.tau[k] = householder(x[:k])
		w.v[k], w.w[k], w.u[k] = 0, 0, 0
		copy(w.u, x[:k])
		groups := padded(k) / 4
		w.k.updateMultiply(groups, groups, &w.a[0], ld, &w.v[0], &w.w[0], &w.u[0], &w.y[0])
		w.prepareUpdate(k)
	}
}

// prepareUpdate makes v, w of the reflector u, so that H·A·H = A - v·wᵀ - w·vᵀ.
func (w *Workspace) prepareUpdate(k int) {
	tau := w.tau[k]
	clear(w.w)
	if tau != 0 {
		f := -0.5 * tau * tau * fastblas.Dot(w.u[:k], w.y)
		for i, y := range w.y[:k] {
			w.w[i] = tau*y + f*w.u[i]
		}
	}
	w.v, w.u = w.u, w.v
	clear(w.u)
}

// householder replaces x by the vector u of a reflection I - tau·u·uᵀ that
// takes x to a multiple beta of the last axis. tau is 0 if there is nothing to
// do.
func householder(x []float64) (beta, tau float64) {
	last := len(x) - 1
	alpha := x[last]
	rest := fastblas.Dot(x[:last], x)
	square := rest + alpha*alpha
	if rest == 0 || square < negligible {
		return alpha, 0
	}
	norm := math.Sqrt(square)
	x[last] += math.Copysign(norm, alpha)
	return -math.Copysign(norm, alpha), 1 / (norm * (norm + math.Abs(alpha)))
}

// accumulate sets z to the product of the reflections, transposed: rows are
// then the vectors that QL rotates. Signs are chosen that leave no off-diagonal
// element negative.
func (w *Workspace) accumulate() {
	n, ld := w.n, w.ld
	clear(w.z[:ld*ld])
	sign := 1.0
	for i := range n {
		w.z[i*ld+i] = sign
		sign = math.Copysign(sign, w.off[i]*sign)
		w.off[i] = math.Abs(w.off[i])
	}
	for k := 1; k < n; k++ {
		if w.tau[k] == 0 {
			continue
		}
		groups := padded(k) / 4
		w.k.reflect(groups, groups, &w.z[0], ld, &w.a[k*ld], w.tau[k])
	}
}
