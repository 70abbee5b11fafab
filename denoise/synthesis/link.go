package synthesis

import "math"

// softness keeps the link finite at signals of 0 and S₀, where a logit has poles
// that would blow residual noise up.
const softness = 0.05

// Link maps an attenuated signal r = S/S₀ to log((r+c)/(1-r+c)), c = 0.05, a
// number of no bounds; r outside [0, 1] counts as the nearer end.
func Link(r float64) float64 {
	r = min(max(r, 0), 1)
	return math.Log((r + softness) / (1 - r + softness))
}

// Unlink is the inverse of [Link], limited to [0, 1].
func Unlink(u float64) float64 {
	r := (1+2*softness)/(1+math.Exp(-u)) - softness
	return min(max(r, 0), 1)
}
