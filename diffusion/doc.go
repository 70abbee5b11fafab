// Package diffusion is the generative side: noise schedules, the forward
// process, and the reverse processes that turn a denoiser into posterior means
// and posterior samples. It knows nothing of MRI. Call [Cosine] first, then
// [Schedule.TimestepFor] to find where a measurement stands in the schedule:
//
//	s, err := diffusion.Cosine(1000)
//	t, err := s.TimestepFor(sigma)       // of y = x₀ + sigma·n, x₀ of unit variance
//	scale := float32(math.Sqrt(s.AlphaBar(t)))
//	for i := range y { y[i] *= scale }   // y is now exactly x_t
//	err = diffusion.PosteriorMean(ctx, denoiser, out, y, t)
//
// # Units and conventions
//
// Signals have unit variance, roughly: noise levels σ are relative to it, and
// ᾱ = 1/(1+σ²). Timesteps are 0-based and real-valued in [-1, T-1]; t = -1 is
// the clean signal x₀, t = 0 already carries a trace of noise. Papers that call
// the clean signal x₀ and the first noisy one x₁ are off by one from here.
// Signals are flat []float32 of any length; coefficients and sums are float64.
//
// # Which sampler
//
// [PosteriorMean] is the estimate of least squared error. [ReverseSDE] and
// [Ancestral] draw one posterior sample each. [DDIM] with Eta 0 follows the
// probability flow and is neither.
//
// All take their steps at real-valued timesteps, spaced evenly in √log(1+10σ)
// rather than in t, and so depend on the noise level alone, not on the schedule
// or on T. The mean of [ReverseSDE]'s and [Ancestral]'s samples is exact for any
// number of steps when the prior is Gaussian. Their variance is off by, in
// percent, the worst over starts from σ = 0.05 to pure noise and prior
// variances from 0.05 to 4, in brackets from 0.001 to 50 (computed without
// drawing anything by TestSamplerBiasTable):
//
//	steps         10        20        50       100       150      500     2000
//	Ancestral  -63 (-72) -43 (-52) -21 (-29) -11 (-17)  -8 (-12) -2 (-4) -0.6 (-0.97)
//	ReverseSDE -18 (-56)  +9 (-10)  +2 (+6) +0.5 (+2) +0.2 (+0.9)  0 (0)    0 (0)
//
// The defaults, 150 steps for ReverseSDE and 2000 for Ancestral, are the fewest
// round numbers below 1 % in every case. DDIM with Eta 0 ends within 1 % of the
// probability flow after its default of 500 steps; the error falls as 1/steps.
//
// # Concurrency
//
// Schedules are immutable. Samplers run on the calling goroutine, use only what
// they are given and keep nothing: random numbers come from the generator
// passed in, in a fixed order, so a seed gives the same sample whatever the
// Denoiser does inside. A generator must not be shared between calls that run
// at once.
//
// # Limits
//
// Samples are as good as the Denoiser: the figures above are for a Gaussian
// prior, whose posterior mean is known. A Denoiser is asked at timesteps between
// -1 and 0 too, less noise than any the table of β holds. The signal is one flat
// slice in memory, and a sampler holds up to two more of its length.
package diffusion
