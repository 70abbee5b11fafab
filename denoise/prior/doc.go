// Package prior holds what is known about clean diffusion signals before one
// voxel is measured, as denoisers for the diffusion package.
//
// Everything here works in the stabilised domain: values divided by the noise
// map, so that the noise of a measurement is N(0, 1) in every voxel. A
// [Scaling] carries such values on to the unit-variance signals a noise
// schedule speaks about, and finds the timestep at which a measurement is
// exactly a forward sample (the noise-matched start).
//
//	scale, err := prior.NewScaling(schedule, y)        // y: signals.Signals, stabilised
//	g := prior.NewGaussian(y.Grid, y.D, scale, prior.GaussianOptions{})
//	scale.Start(y.Values)                              // y becomes x at t*
//	err = diffusion.PosteriorMean(ctx, g, out, y.Values, scale.T)
//	scale.Finish(out)                                  // clean signals, stabilised domain
//
// [Gaussian] is the local Gaussian prior over overlapping blocks (design 4.1);
// [Conditionals] are the per-direction conditionals of one Gaussian (design
// 4.2): blind prediction, fusion with the voxel's own measurement, variances.
package prior
