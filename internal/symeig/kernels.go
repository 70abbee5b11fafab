package symeig

import "unsafe"

// kernels are the inner loops. Rows are whole vectors of four numbers, matrices
// whole groups of four rows, ld apart; what is behind the end of a matrix or
// vector must be there and, for vectors, zero.
type kernels struct {
	// updateMultiply subtracts v·wᵀ + w·vᵀ from a and sets y to a·u.
	updateMultiply func(groups, vectors int, a *float64, ld int, v, w, u, y *float64)
	// reflect multiplies a by I - tau·u·uᵀ from the right.
	reflect func(groups, vectors int, a *float64, ld int, u *float64, tau float64)
	// qlSweep makes count rotations of one QL step: of row z and the next, then
	// upwards, as elements d and e of diagonal and off-diagonal say. state is
	// that of a sweep.
	qlSweep func(count, vectors int, d, e, z *float64, ld int, state *float64)
}

var machine = machineKernels()

// twins are the kernels in Go.
var twins = kernels{updateMultiplyTwin, reflectTwin, qlSweepTwin}

// padded rounds up to whole vectors.
func padded(n int) int { return (n + 3) &^ 3 }

func row(a *float64, i, ld, n int) []float64 {
	return unsafe.Slice((*float64)(unsafe.Add(unsafe.Pointer(a), i*ld*8)), n)
}

func updateMultiplyTwin(groups, vectors int, a *float64, ld int, v, w, u, y *float64) {
	n := 4 * vectors
	vs, ws, us := row(v, 0, 0, n), row(w, 0, 0, n), row(u, 0, 0, n)
	vi, wi, out := row(v, 0, 0, 4*groups), row(w, 0, 0, 4*groups), row(y, 0, 0, 4*groups)
	for i := range out {
		x := row(a, i, ld, n)
		f, g := vi[i], wi[i]
		var even, odd float64
		for j := 0; j+1 < n; j += 2 {
			p := x[j] - (f*ws[j] + g*vs[j])
			q := x[j+1] - (f*ws[j+1] + g*vs[j+1])
			x[j], x[j+1] = p, q
			even += p * us[j]
			odd += q * us[j+1]
		}
		out[i] = even + odd
	}
}

func reflectTwin(groups, vectors int, a *float64, ld int, u *float64, tau float64) {
	n := 4 * vectors
	us := row(u, 0, 0, n)
	for i := range 4 * groups {
		x := row(a, i, ld, n)
		var even, odd float64
		for j := 0; j+1 < n; j += 2 {
			even += x[j] * us[j]
			odd += x[j+1] * us[j+1]
		}
		f := tau * (even + odd)
		for j, v := range us {
			x[j] -= f * v
		}
	}
}
