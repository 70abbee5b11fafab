package prior

import (
	"math"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// Probe draws signs for every value, rows × d, and averages neighbours so that
// they correlate as the noise does: E[b·(h(y+εb)-h(y))/ε] is then tr(Σ·∂h/∂y), the
// divergence of Stein's estimate for noise of covariance Σ (Eldar 2009). Along an
// axis of correlation ρ, b becomes (b + c·b')/√(1+c²) with b' of the voxel before
// and c/(1+c²) = ρ, which goes up to ρ = 1/2.
func Probe(grid *signals.Grid, d int, correlation [3]float64, rng *rand.Rand) []float32 {
	b := make([]float32, grid.Len()*d)
	for i := range b {
		b[i] = 1
		if rng.Uint64()&1 == 0 {
			b[i] = -1
		}
	}
	for axis, rho := range correlation {
		if rho <= 0 {
			continue
		}
		rho = min(rho, 0.5)
		c := (1 - math.Sqrt(max(1-4*rho*rho, 0))) / (2 * rho)
		keep, share := float32(1/math.Sqrt(1+c*c)), float32(c/math.Sqrt(1+c*c))
		step := [3]int{}
		step[axis] = 1
		for r := grid.Len() - 1; r >= 0; r-- { // the voxel before is still as drawn
			x, y, z := grid.At(r)
			q := grid.RowAt(x-step[0], y-step[1], z-step[2])
			if q < 0 {
				continue
			}
			for i := range d {
				b[r*d+i] = keep*b[r*d+i] + share*b[q*d+i]
			}
		}
	}
	return b
}
