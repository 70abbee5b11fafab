package denoise

// likeness compares the errors of held-out measurements with those simulated
// without needing a noise level: noise is white over space and errors are not, so
// that products of residuals of neighbouring voxels are the errors' alone. How
// much of the errors they show, a simulation shows too.
type likeness struct {
	real, simulated, count [len(neighbours)]float64
	square, n              float64 // of the residuals, all noise
}

// neighbours are half of the 26 of a voxel.
var neighbours = [...][3]int{
	{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 1, 0}, {1, -1, 0}, {1, 0, 1}, {1, 0, -1}, {0, 1, 1}, {0, 1, -1},
	{1, 1, 1}, {1, 1, -1}, {1, -1, 1}, {1, -1, -1},
}

// add takes the residuals of one volume in σ, NaN where there is none, as measured
// and as simulated.
func (l *likeness) add(real, simulated []float32, nx, ny, nz int) {
	for v, r := range real {
		if r != r {
			continue
		}
		l.square += float64(r) * float64(r)
		l.n++
		x, y, z := v%nx, v/nx%ny, v/(nx*ny)
		for k, step := range neighbours {
			a, b, c := x+step[0], y+step[1], z+step[2]
			if a < 0 || b < 0 || c < 0 || a >= nx || b >= ny || c >= nz {
				continue
			}
			u := a + nx*(b+ny*c)
			if p := float64(r) * float64(real[u]); p == p {
				l.real[k] += p
				l.simulated[k] += float64(simulated[v]) * float64(simulated[u])
				l.count[k]++
			}
		}
	}
}

const (
	usualFactor   = 1.3 // true over simulated squared error on phantoms
	usualSpread   = 0.2 // its standard deviation from phantom to phantom
	leastFactor   = 1.0
	largestFactor = 4.0
)

// factor returns how many times larger the squared errors are than simulated:
// the simulation starts from the denoised scan, which is easier than the true one
// because what denoising shrank away need not be found again. The weights of the
// neighbours are those of least variance; what little is known is drawn towards
// the usual factor.
func (l *likeness) factor() float64 {
	var measured, expected, variance float64
	for k, n := range l.count {
		if n == 0 || l.simulated[k] <= 0 {
			continue
		}
		w := l.simulated[k] / n // covariance; times the count, the weight
		measured += w * l.real[k]
		expected += w * l.simulated[k]
		s := l.square / l.n * w
		variance += s * s * n
	}
	if expected <= 0 {
		return usualFactor
	}
	f := max(measured/expected, leastFactor)
	doubt := 4 * variance / (expected * expected) // errors of neighbours are not simulated exactly
	weight := usualSpread * usualSpread / (usualSpread*usualSpread + doubt)
	return min(usualFactor+weight*(f-usualFactor), largestFactor)
}
