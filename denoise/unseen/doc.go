// Package unseen is the learned prior of directions that were not measured: of
// one gradient direction of one voxel, given everything but a measurement of it.
//
// The Gaussian imputation foretells the signal x of direction g as N(m, τ²).
// With a noised value x_t = x + s·z of it (z ~ N(0, 1), s the relative noise
// level of timestep t, in units of the scan's noise σ), the posterior mean is
// m + κ(x_t - m), κ = τ²/(τ²+s²). The prior corrects mean and spread:
//
//	D(x_t) = m′ + κ′·(x_t - m′),   m′ = m + Σ_e w_e·g_e·f_e,   κ′ = κ + w·h·κ(1-κ)
//
// f_e are differences from m of other estimates of x (a tensor's, spherical
// harmonics', averages over q-space and over voxels that look alike, those of
// the parts of the Gaussian mixture), g_e and h what a network answers to the
// context and to x_t, w weights that a scan finds for itself. A network of zeros
// is the Gaussian posterior mean exactly, at every timestep; at s = 0 the
// answer is x_t, and as s grows x_t stops to matter: from pure noise one
// evaluation imputes.
//
// Nothing of the context has seen a measurement of (voxel, g). So where one is
// kept back, y = x + N(0, v), training needs no truth:
//
//   - at s² = v Stein's unbiased risk estimate is exact, because it needs one
//     scalar derivative: (D(y) - y)² - v + 2v·∂D/∂y (Stein 1981);
//   - above it, ‖((s²-v)/s²)·D(x_t) + (v/s²)·x_t - y‖² with x_t = y + √(s²-v)·z
//     has the posterior mean for its minimum (Daras 2024, "Consistent diffusion
//     meets Tweedie", eq. 7);
//   - below it, consistency: along the reverse process the posterior mean is a
//     martingale, so that the mean of D(x_s) over x_s drawn from the process at
//     x_t must be D(x_t); two draws make the square of the difference unbiased
//     (Daras 2023, "Consistent diffusion models", eq. 8).
//
// A [Model] trained on simulations with known truth is shipped.
package unseen
