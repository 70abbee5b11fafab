// Package orientation measures tensors and fibre orientations of a voxel and how
// sure they are: everything is computed on each of many joint draws of the clean
// signal, and the spread over the draws is the uncertainty.
//
//	r, err := orientation.EstimateResponse(ctx, source, table, orientation.ResponseOptions{})
//	c, err := orientation.NewCSD(table, r)
//	maps, err := orientation.Estimate(ctx, draws, table, c, orientation.Options{Samples: 32})
//
// # Units and conventions
//
// Directions are in the frame of the table given: for files that MRtrix opens,
// the scanner's. Fibre orientation distributions are coefficients of the real,
// orthonormal, even spherical harmonics in MRtrix's order, see gradients.SH.
// Diffusivities are in mm²/s, angles in degrees.
//
// # Why not bootstrap
//
// Bootstrapping the residuals of a denoised scan understates its uncertainty:
// residuals were made small by the denoiser, which does not make its estimate
// right. Draws have the error that the estimate has, see package posterior.
package orientation
