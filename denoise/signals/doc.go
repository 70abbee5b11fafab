// Package signals holds the diffusion signals of a scan the way the priors
// want them: voxel-major float32, masked voxels only, with the grid beside
// them so that overlapping blocks can be cut out.
//
// An image in NIfTI order stores one volume after another; work across
// directions wants the D values of one voxel side by side. [Gather] makes that
// transposition once on the way in and [Signals.Scatter] once on the way out.
//
//	grid := signals.NewGrid(nx, ny, nz, keep)
//	s := signals.Gather(ctx, grid, image.Voxels(), volumes, threads)
//	row := s.Row(grid.RowAt(x, y, z)) // D values, one per volume
//
// # Units and conventions
//
// Values have the unit of the image until the caller divides them by the noise
// map. Linear voxel indices are x + nx*(y + ny*z), x fastest. Rows are numbered
// in the order of the linear voxel index.
//
// # Concurrency
//
// A Grid is immutable and safe for concurrent use. Distinct rows of Signals may
// be written concurrently. Everything here gives the same bytes for any number
// of threads.
package signals
