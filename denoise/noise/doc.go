// Package noise measures the noise of a diffusion scan and knows the
// statistics of magnitude images.
//
// [Estimate] makes the noise map σ(v): the standard deviation of the Gaussian
// noise in each of the two channels behind the magnitude, in the unit of the
// image, one value per voxel. [RicianMean] and [InverseRicianMean] relate the
// amplitude without noise to the mean of the magnitude.
//
//	m, err := noise.Estimate(ctx, sig, foreground, noise.Options{Magnitude: true})
//	for r := range m.Sigma { ... } // one σ per row of sig
//
// # Method
//
// Noise lives everywhere; signal does not live in the joint tail of high
// spatial frequency and small principal component. The map is the local power
// of the three-dimensional Haar HHH sub-band of the smallest principal
// components of that sub-band. Components are learned on three quarters of the
// scan and measured on the fourth (in turn), so that choosing the smallest ones
// does not bias the result low; the number of components is the largest for
// which the held-out power is still flat. Volumes are brought to one noise level
// first. Neighbouring noise that is correlated, as after interpolation or
// partial Fourier, shows less of itself in such differences: its autocorrelation
// is measured and σ raised accordingly ([Map.Inflation]). Magnitude images are
// corrected with the factor of Koay and Basser (2006) at each voxel's own
// signal-to-noise ratio. [Stabilise] and [InverseStabilise] take magnitudes to
// noise of one variance and back. Equations and measurements: docs/noise.md.
//
// # Concurrency
//
// Functions are safe for concurrent use and give the same bytes for any number
// of threads.
package noise
