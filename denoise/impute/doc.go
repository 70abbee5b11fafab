// Package impute estimates what a diffusion scan did not measure: slices and
// volumes that were lost, and gradient directions that were never acquired.
//
// Lost slices are found by [Detect], or named by hand ([ParseList]), and kept in
// a [Lost]. What stands there is used nowhere: the Gaussian over directions is
// learned from the rest ([FitGaussian]) and gives the conditional of the lost
// directions of a voxel given its measured ones.
//
// # Units and conventions
//
// Images are volume-major float32 in NIfTI order, x fastest; volumes and slices
// (along the third axis of the file) are counted from 0. Covariances are of the
// measurements, noise included, in the unit of the image squared.
//
// # Concurrency
//
// Functions are safe for concurrent use and give the same bytes for any number
// of threads.
package impute
