package noise

import "math"

// RicianFloor is the mean of the magnitude of pure noise in units of σ:
// √(π/2).
const RicianFloor = 1.2533141373155003

// RicianMean returns the mean of the magnitude √((a+n₁)²+n₂²) for an amplitude
// a ≥ 0, both in units of σ, n₁ and n₂ standard normal:
// √(π/2)·L_{1/2}(-a²/2) (Rice 1944; Koay and Basser 2006).
func RicianMean(a float64) float64 {
	if a > 60 {
		return a + 1/(2*a) + 1/(8*a*a*a)
	}
	h := a * a / 4
	i0, i1 := besselScaled(h)
	return RicianFloor * ((1+2*h)*i0 + 2*h*i1)
}

// KoayFactor returns ξ(a), the variance of the magnitude in units of σ² at
// amplitude a (Koay and Basser 2006): 2 - π/2 = 0.43 for pure noise,
// towards 1 for strong signal.
func KoayFactor(a float64) float64 {
	if a > 30 {
		return 1 - 1/(2*a*a) - 1/(2*a*a*a*a)
	}
	m := RicianMean(a)
	return 2 + a*a - m*m
}

// besselScaled returns e^-x·I₀(x) and e^-x·I₁(x) for x ≥ 0: the power series
// (Abramowitz and Stegun 9.6.10) below 30, the asymptotic series (9.7.1) above.
func besselScaled(x float64) (i0, i1 float64) {
	if x < 30 {
		q := x * x / 4
		term0, term1 := 1.0, x/2
		i0, i1 = term0, term1
		for k := 1.0; term0 > 1e-17*i0; k++ {
			term0 *= q / (k * k)
			term1 *= q / (k * (k + 1))
			i0 += term0
			i1 += term1
		}
		e := math.Exp(-x)
		return i0 * e, i1 * e
	}
	series := func(mu float64) float64 {
		sum, term := 1.0, 1.0
		for k := 1.0; k < 20; k++ {
			odd := 2*k - 1
			term *= -(mu - odd*odd) / (k * 8 * x)
			sum += term
			if math.Abs(term) < 1e-17 {
				break
			}
		}
		return sum / math.Sqrt(2*math.Pi*x)
	}
	return series(0), series(4)
}

const (
	tableTop  = 40.0 // amplitudes tabulated up to here, in σ
	tableSize = 8192
)

// inverseTable holds amplitude and Koay factor on a uniform grid of
// √(mean - floor), in which both are smooth down to the noise floor.
type inverseTable struct {
	step      float64
	amplitude [tableSize + 1]float32
	factor    [tableSize + 1]float32
}

var table = buildTable()

func buildTable() *inverseTable {
	t := &inverseTable{step: math.Sqrt(RicianMean(tableTop)-RicianFloor) / tableSize}
	for i := 1; i <= tableSize; i++ {
		q := float64(i) * t.step
		a := invertMean(q*q + RicianFloor)
		t.amplitude[i] = float32(a)
		t.factor[i] = float32(KoayFactor(a))
	}
	t.factor[0] = float32(KoayFactor(0))
	return t
}

// invertMean solves RicianMean(a) = m by bisection; the mean increases with a.
func invertMean(m float64) float64 {
	low, high := 0.0, m+1
	for range 60 {
		if mid := (low + high) / 2; RicianMean(mid) < m {
			low = mid
		} else {
			high = mid
		}
	}
	return (low + high) / 2
}

// InverseRicianMean returns the amplitude whose magnitude has the mean m, both
// in units of σ; 0 for means at or below the noise floor. It is the exact
// inverse of [RicianMean], tabulated to 1e-4. NaN stays NaN.
func InverseRicianMean(m float32) float32 {
	d := float64(m) - RicianFloor
	if d <= 0 {
		return 0
	}
	p := math.Sqrt(d) / table.step
	if !(p < tableSize) {
		return m - 1/(2*m)
	}
	i := int(p)
	f := float32(p - float64(i))
	return table.amplitude[i] + f*(table.amplitude[i+1]-table.amplitude[i])
}

// factorAtMean returns the Koay factor of the amplitude whose magnitude has
// the mean m in units of σ.
func factorAtMean(m float32) float32 {
	d := float64(m) - RicianFloor
	if !(d > 0) {
		return table.factor[0]
	}
	p := math.Sqrt(d) / table.step
	if !(p < tableSize) {
		return 1
	}
	i := int(p)
	f := float32(p - float64(i))
	return table.factor[i] + f*(table.factor[i+1]-table.factor[i])
}
