package gradients

import "math"

// SHCount returns the number of even-order real spherical harmonics up to
// order lmax, (lmax+1)(lmax+2)/2. Orders that are odd or negative panic.
func SHCount(lmax int) int {
	mustBeEven(lmax)
	return (lmax + 1) * (lmax + 2) / 2
}

// SHIndex returns where coefficient (l, m) stands, l(l+1)/2 + m, for even l and
// m from -l to l: MRtrix's order.
func SHIndex(l, m int) int { return l*(l+1)/2 + m }

// SHOrders returns the order l of every coefficient up to lmax.
func SHOrders(lmax int) []int {
	orders := make([]int, 0, SHCount(lmax))
	for l := 0; l <= lmax; l += 2 {
		for range 2*l + 1 {
			orders = append(orders, l)
		}
	}
	return orders
}

// SH writes the real, orthonormal, even spherical harmonics up to order lmax at
// direction v into dst (SHCount(lmax) values), in the basis of MRtrix 3: with
// Y_l^m the complex harmonics with the Condon-Shortley phase, √2·Re(Y_l^m) for
// m > 0, Y_l^0, and √2·Im(Y_l^|m|) for m < 0. v need not have length 1; a
// zero vector, which has no direction, counts as the z axis.
func SH(dst []float64, v [3]float64, lmax int) {
	if len(dst) != SHCount(lmax) {
		panic("gradients: wrong number of spherical harmonic coefficients")
	}
	length := math.Sqrt(v[0]*v[0] + v[1]*v[1] + v[2]*v[2])
	if length == 0 {
		v, length = [3]float64{0, 0, 1}, 1
	}
	x, y, z := v[0]/length, v[1]/length, v[2]/length
	// The powers of x+iy are sin^m(θ)·e^{imφ}: no angle is ever computed, and
	// the pole is no special case. pmm carries the rest of P_m^m.
	re, im := 1.0, 0.0
	pmm := math.Sqrt(1 / (4 * math.Pi))
	for m := 0; m <= lmax; m++ {
		shColumn(dst, m, lmax, z, pmm, re, im)
		pmm *= -math.Sqrt(float64(2*m+3) / float64(2*m+2))
		re, im = re*x-im*y, re*y+im*x
	}
}

// shColumn fills in the coefficients ±m of all even orders by the recurrence
// over l of the normalised Legendre functions (Press 2007, section 6.7).
func shColumn(dst []float64, m, lmax int, z, pmm, re, im float64) {
	before, now, last := 0.0, pmm, 0.0
	for l := m; l <= lmax; l++ {
		if l%2 == 0 {
			if m == 0 {
				dst[SHIndex(l, 0)] = now
			} else {
				dst[SHIndex(l, m)] = math.Sqrt2 * now * re
				dst[SHIndex(l, -m)] = math.Sqrt2 * now * im
			}
		}
		// P_{l+1} = f·(z·P_l - P_{l-1}/f_last).
		n := float64(l + 1)
		f := math.Sqrt((4*n*n - 1) / (n*n - float64(m*m)))
		next := f * z * now
		if l > m {
			next -= f / last * before
		}
		before, now, last = now, next, f
	}
}

// SHMatrix returns the harmonics of every direction: len(v) rows of
// SHCount(lmax) values, row-major.
func SHMatrix(v [][3]float64, lmax int) []float64 {
	n := SHCount(lmax)
	out := make([]float64, len(v)*n)
	for i, g := range v {
		SH(out[i*n:(i+1)*n], g, lmax)
	}
	return out
}

// LaplaceBeltrami returns the penalty l²(l+1)² of every coefficient up to lmax:
// the squared eigenvalue of the Laplace-Beltrami operator (Descoteaux 2007).
func LaplaceBeltrami(lmax int) []float64 {
	penalty := make([]float64, 0, SHCount(lmax))
	for _, l := range SHOrders(lmax) {
		e := float64(l * (l + 1))
		penalty = append(penalty, e*e)
	}
	return penalty
}

func mustBeEven(lmax int) {
	if lmax < 0 || lmax%2 != 0 {
		panic("gradients: spherical harmonic order must be even and not negative")
	}
}
