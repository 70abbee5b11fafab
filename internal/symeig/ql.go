package symeig

import "math"

const (
	roundoff  = 0x1p-53
	mostSteps = 60 // per eigenvalue; two are usual
)

// iterate diagonalises the tridiagonal form by implicit QL steps, rotating the
// rows of z along.
func (w *Workspace) iterate() bool {
	n := w.n
	norm := 0.0
	for i := range n {
		norm = max(norm, math.Abs(w.diag[i]))
	}
	for i := range n - 1 {
		norm = max(norm, math.Abs(w.off[i]))
	}
	// Setting an element below this to zero moves no eigenvalue by more than
	// the rounding of the largest.
	small := roundoff * norm
	for l := range n {
		for step := 0; ; step++ {
			m := l
			for m < n-1 && math.Abs(w.off[m]) > small {
				m++
			}
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

// step makes one QL step on rows l to m.
func (w *Workspace) step(l, m int) {
	d, e, ld := w.diag, w.off, w.ld
	g := (d[l+1] - d[l]) / (2 * e[l])
	g = d[m] - d[l] + e[l]/(g+math.Copysign(math.Sqrt(1+g*g), g))
	s, c, p := 1.0, 1.0, 0.0
	e[m] = 0
	for i := m - 1; i >= l; i-- {
		f, b := s*e[i], c*e[i]
		square := f*f + g*g
		if square < negligible {
			// The rest splits off: what couples it is far below rounding.
			d[i+1] -= p
			e[i+1], e[m] = 0, 0
			return
		}
		r := math.Sqrt(square)
		inverse := 1 / r
		e[i+1] = r
		s, c = f*inverse, g*inverse
		w.k.rotate(ld/4, &w.z[i*ld], &w.z[(i+1)*ld], c, s)
		g = d[i+1] - p
		t := (d[i]-g)*s + 2*c*b
		p = s * t
		d[i+1] = g + p
		g = c*t - b
	}
	d[l] -= p
	e[l], e[m] = g, 0
}
