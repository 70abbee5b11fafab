package diffusion

import "context"

// Denoiser knows the posterior mean of a clean signal. Whatever it is
// conditioned on is bound into the value that implements it.
type Denoiser interface {
	// PosteriorMean writes E[x₀ | x_t] into dst. dst and xt have one length and
	// do not overlap, unless the implementation says that they may be one slice;
	// otherwise xt is not changed. t is real-valued in [-1, T-1] of the
	// schedule the Denoiser was made for; the samplers ask between -1 and 0 too,
	// and at -1 the answer is xt. By Tweedie's formula the answer is the score:
	// ∇log p(x_t) = (√ᾱ_t·E[x₀|x_t] - x_t)/(1-ᾱ_t) (Efron 2011).
	PosteriorMean(ctx context.Context, dst, xt []float32, t float64) error
}

// PosteriorMean writes the posterior mean of x₀ given x_t into dst: one
// evaluation, the estimate of least squared error. For a measurement, start
// from its noise-matched timestep, [Schedule.TimestepFor]. dst and xt have one
// length and do not overlap unless d allows it. Errors are those of the context and of d.
func PosteriorMean(ctx context.Context, d Denoiser, dst, xt []float32, t float64) error {
	mustMatch(dst, xt)
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.PosteriorMean(ctx, dst, xt, t)
}
