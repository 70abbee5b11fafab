// Package posterior draws from what is left open about a denoised scan: joint
// samples of the clean signal over all directions of a voxel, with an error
// covariance that is calibrated without truth.
//
// It looks at the denoiser from outside only: the measurement y, the estimate
// h(y), and the estimate of y moved by a small known probe. By Stein's lemma, for
// noise of covariance N and J the estimator's Jacobian,
//
//	E[(h-x)(h-x)ᵀ] = E[(h-y)(h-y)ᵀ] - N + JN + (JN)ᵀ
//
// (Stein 1981; the matrix form follows componentwise), and JN is the mean of
// (h(y+εb)-h(y))·bᵀ/ε over random signs b scaled to the noise (Ramani, Blu and
// Unser 2008). So whatever the prior, and whatever averaging over overlaps came
// after it, draws have the error that the estimate has.
//
//	moved := posterior.Perturbed(scan) // denoise it as the scan was denoised
//	p, err := posterior.Calibrate(ctx, scan, posterior.Options{})
//	d := p.NewDrawer()
//	d.Draw(signal, row, 0) // one draw of one voxel
//
// # Units and conventions
//
// Images are volume-major, voxel (x, y, z) of volume n at x + nx*(y + ny*(z +
// nz*n)), in the unit of the scan. Inside, everything is divided by σ.
//
// # Limits
//
// Errors are Gaussian given a voxel's error scale. What the noise map and the
// model of the noise get wrong is not in the draws, nor is a bias common to the
// estimates of both scans beyond what Stein's formula sees.
package posterior
