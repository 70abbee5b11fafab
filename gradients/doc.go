// Package gradients reads, checks and writes diffusion gradient tables: the b-value and the gradient direction of every
// volume of a diffusion MRI series.
//
// Start with [Find] and [Read]; group the volumes with [Table.Shells]; hand the table on beside an output image with
// [Table.Export]:
//
//	files, err := gradients.Find("sub-01_dwi.nii.gz") // sub-01_dwi.bval, sub-01_dwi.bvec
//	table, err := gradients.Read(files, gradients.Options{})
//	err = table.Check(volumes)                        // one entry for each volume of the image?
//	shells := table.Shells(gradients.DefaultB0Threshold)
//	err = table.Export("out.bval", "out.bvec", affine, false)
//
// # Units and conventions
//
// b-values are in s/mm², directions are unit vectors or zero. A direction lives in one of two frames. [FSLFrame] is that of
// bval/bvec files: components along the image's voxel axes, with the first one negated when the voxel-to-scanner affine has
// a positive determinant. [ScannerFrame] is that of MRtrix tables (.b): scanner axes, x to the patient's right, y to the
// front, z up. [Table.ToScanner] and [Table.ToFSL] convert. Volumes are counted from 0, lines and columns of text from 1.
//
// Denoising leaves the image grid alone, so a table read from files is handed on byte for byte, never rewritten.
//
// # Leniency
//
// Tables come from many converters and many hands. What has only one meaning is accepted and, where it is unusual, noted in
// [Table.Warnings]; what could mean two things is refused with an error that names the file, the place and the remedy.
//
// # Concurrency
//
// A [Table] is plain data: share it between goroutines as long as none of them changes it.
package gradients
