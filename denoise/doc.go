// Package denoise cleans a diffusion MRI scan: noise map, stabilisation,
// prior, reverse process, and back to the intensities of the scan.
//
//	result, err := denoise.Run(ctx, image, table, denoise.Options{})
//	if err != nil { ... }
//	err = result.Denoised.Write(ctx, "sub01_denoised.nii.gz", nifti.WriteOptions{})
//
// [Run] is the one call a library user needs; the rooms behind it can be used
// alone: signals (voxel-major signals and blocks), noise (noise map, Rician
// statistics), prior (Gaussian priors as diffusion denoisers).
//
// # Units and conventions
//
// Images are float32 in the unit of the scanner, shape (N, Z, Y, X). σ is the
// standard deviation of the Gaussian noise in each channel behind the
// magnitude, in the same unit. Masks are nx*ny*nz booleans, x fastest. Timesteps
// are 0-based and real-valued.
//
// # Concurrency
//
// Run uses Options.Threads goroutines; the result is the same to the last byte
// for any number of them. Separate runs may go on at the same time.
package denoise
