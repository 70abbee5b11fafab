// Package diffusion is the generative side: noise schedules, the forward
// process, and the reverse processes that turn a denoiser into posterior means
// and posterior samples. It knows nothing of MRI.
//
//	s, err := diffusion.Cosine(1000)
//	t, err := s.TimestepFor(sigma)        // noise-matched start: real-valued timestep of a measurement x₀ + sigma·n
//	scale := float32(math.Sqrt(s.AlphaBar(t)))
//	for i := range y { y[i] *= scale }    // now y is exactly x_t
//	err = diffusion.PosteriorMean(ctx, denoiser, out, y, t)
//
// # Units and conventions
//
// Signals have unit variance, roughly: noise levels are relative to it.
// Timesteps are 0-based and real-valued in [-1, T-1]; t = -1 is the clean
// signal x₀, t = 0 already carries a trace of noise. Papers that call the clean
// signal x₀ and the first noisy one x₁ are off by one from here.
//
// # Which sampler
//
// [PosteriorMean] is the estimate of least squared error. [Ancestral] and
// [ReverseSDE] draw one posterior sample each. [DDIM] with Eta 0 follows the
// probability flow and is neither: it maps a measurement to one signal whose
// variance is that of the prior only if the measurement was noise alone.
// Reverse steps are Gaussian with the posterior mean in place of x₀, so
// samples are a little too narrow when steps are few. Relative error of the
// standard deviation of samples of a Gaussian, worst of prior variances 0.05
// to 4 and noise levels 0.05 to 5 (TestSamplerBiasTable prints it):
//
//	steps              10      20      50     100
//	Ancestral       -31 %   -20 %   -11 %    -6 %
//	ReverseSDE      -20 %    -3 %    ±2 %    -1 %
//
// # Concurrency
//
// Schedules are immutable. Samplers use only what they are given: random
// numbers come from the generator passed in, in a fixed order, so a seed gives
// the same sample whatever the Denoiser does inside.
package diffusion
