package symeig

import (
	"math"
	"unsafe"
)

const (
	epsilon   = 0x1p-52
	mostSteps = 60 // per eigenvalue; two are usual
)

// iterate diagonalises the tridiagonal form by QL steps, rotating the rows of z
// along. Off-diagonal elements, not negative any more, become their squares.
func (w *Workspace) iterate() bool {
	n := w.n
	norm := 0.0
	for i := range n {
		norm = max(norm, math.Abs(w.diag[i]), w.off[i])
	}
	// Setting an element below this to zero moves no eigenvalue by more than
	// the last digit of the largest.
	small := epsilon * norm
	small *= small
	for i := range n {
		w.off[i] *= w.off[i]
	}
	for l := range n {
		for step := 0; ; step++ {
			m := l
			for m < n-1 && w.off[m] > small {
				m++
			}
			w.off[m] = 0
			if m == l {
				break
			}
			if step == mostSteps {
				return false
			}
			w.step(l, m)
		}
	}
	return true
}

// shift is Wilkinson's: the eigenvalue of the first 2×2 block nearer to d[l].
func (w *Workspace) shift(l int) float64 {
	off := math.Sqrt(w.off[l])
	half := (w.diag[l+1] - w.diag[l]) / (2 * off)
	return w.diag[l] - off/(half+math.Copysign(math.Sqrt(1+half*half), half))
}

// sweep is the state of one QL step, in the rational form of Reinsch (1971) as
// modified by Pal, Walker and Kahan (Parlett 1998, section 8.15): squares alone
// are carried from one rotation to the next, so that no square root stands in
// the chain of dependencies. The kernels know the order of the fields.
type sweep struct {
	sigma, gamma float64
	p, inverse   float64 // Parlett's π², and 1/p
	c, s         float64 // squares of the last cosine and sine
	cosine, sign float64 // the cosine itself; sign is that of π
}

// step makes one QL step on rows l to m.
func (w *Workspace) step(l, m int) {
	d, e, ld, s := w.diag, w.off, w.ld, &w.sweep
	sigma := w.shift(l)
	gamma := d[m] - sigma
	*s = sweep{sigma: sigma, gamma: gamma, p: gamma * gamma, inverse: 1 / (gamma * gamma), c: 1, cosine: 1, sign: gamma}
	w.k.qlSweep(m-l, ld/4, &d[m-1], &e[m-1], &w.z[(m-1)*ld], ld, &s.sigma)
	e[m] = 0
	e[l] = s.s * s.p
	d[l] = s.sigma + s.gamma
	if math.Signbit(s.sign) {
		row := w.z[l*ld : (l+1)*ld]
		for i := range row {
			row[i] = -row[i]
		}
	}
}

// qlSweepTwin makes count rotations, the first of row z with the next.
func qlSweepTwin(count, vectors int, d, e, z *float64, ld int, state *float64) {
	s := (*sweep)(unsafe.Pointer(state))
	for i := range count {
		diag, off := row(d, -i, 1, 2), row(e, -i, 1, 2)
		square := off[0]
		r := s.p + square
		off[1] = s.s * r
		q := 1 / r
		c, cosine, gamma, p := s.c, s.cosine, s.gamma, s.p
		s.c, s.s = p*q, square*q
		s.cosine = math.Copysign(math.Sqrt(s.c), s.sign)
		s.gamma = s.c*(diag[0]-s.sigma) - s.s*gamma
		diag[1] = gamma + (diag[0] - s.gamma)
		if p > negligible {
			s.p = s.gamma * s.gamma * (r * s.inverse)
			s.sign = s.gamma * s.cosine
		} else { // the limit for p → 0
			s.p = c * square
			s.sign = -cosine
		}
		s.inverse = 1 / s.p
		rotate(row(z, -i, ld, 4*vectors), row(z, 1-i, ld, 4*vectors), s.cosine, math.Sqrt(s.s))
	}
}

// rotate replaces x and y by c·x - s·y and s·x + c·y.
func rotate(x, y []float64, c, s float64) {
	y = y[:len(x)]
	for i, p := range x {
		q := y[i]
		x[i] = c*p - s*q
		y[i] = s*p + c*q
	}
}
