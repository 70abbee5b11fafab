// Package synthesis makes diffusion signals that were never measured: a learned
// prior of single voxels, from which the reverse process draws new ones, for any
// gradient table. [Learn] first, from the clean (denoised or simulated) signals of
// many voxels:
//
//	m, err := synthesis.Learn(ctx, synthesis.Source{Rows: rows, Table: table}, synthesis.Options{})
//	v, err := m.Draw(ctx, 1000, synthesis.DrawOptions{Seed: 1})
//	signals, err := v.Signals(ctx, target, 0) // 1000 × target.Len()
//
// # What a voxel is
//
// A voxel is its b = 0 intensity and, for every shell, the real spherical harmonic
// coefficients of a link of S/S₀ ([Link]) that keeps signals between 0 and S₀. It
// is turned into a frame of its own, the axes of the coefficients of order 2 with
// the strongest attenuation along z, and the distribution is learned there; every
// drawn voxel is turned by a random rotation. The distribution over orientations is
// so exactly uniform and nothing is spent on learning it. Which of the four frames
// that differ by half turns is taken is arbitrary: training sees all of them.
//
// # The model
//
// Voxels fall into up to eight classes of tissue, found by k-means on what does not
// depend on the frame. Each class has principal components of its own over all
// coefficients of all shells, which couples the shells: fluid, which has no angular
// part, is described without one. The strongest, scaled, are the clean signals of a
// denoising diffusion model (Ho 2020) whose denoiser is a residual perceptron for all
// classes, preconditioned so that an answer of 0 is the posterior mean of the class's
// Gaussian (Karras 2022, "Elucidating the design space", table 1). The others, which
// carry what noise was left, are independent normal: the diffusion model of those is
// known in closed form. A class is drawn by its share first.
//
// # Units and concurrency
//
// Rows have the unit of the scan; b-values are s/mm². Directions are those of the
// table's frame. Everything depends on seeds and options only, not on the number of
// threads. A Model may be used by several goroutines.
//
// # Limits
//
// Single voxels: neighbours are independent. Shells only, no q-space grids. Between
// shells log S is linear in b; beyond the outermost shell is an error.
package synthesis
