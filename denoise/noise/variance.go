package noise

// VarianceAtMean returns the variance of a magnitude whose mean is m, in units
// of σ² with m in units of σ: Koay's factor ξ at the amplitude that has this
// mean; 2 - π/2 at and below the noise floor.
func VarianceAtMean(m float32) float32 { return factorAtMean(m) }
