// Package nifti reads and writes NIfTI-1 and NIfTI-2 images.
//
// [ReadImage] reads a whole image as float32, [Open] reads it volume by
// volume, [ReadHeader] reads only the header. [New] and [Image.Like] make
// images and [Image.Write] writes them, [Create] volume by volume:
//
//	im, err := nifti.ReadImage(ctx, "dwi.nii.gz", nifti.ReadOptions{})
//	if err != nil {
//		return err
//	}
//	out := im.Like(1) // one volume on the same grid
//	copy(out.Voxels(), im.Volume(0))
//	err = out.Write(ctx, "b0.nii.gz", nifti.WriteOptions{})
//
// # What is read
//
// Single files (.nii) and header/voxel pairs (.hdr with .img, named by either
// one), each plain or gzip-compressed. The content decides, never the name: a
// plain image called x.nii.gz and a compressed one called x.nii are both read.
// Both byte orders; int8 to int64, uint8 to uint64, float32 and float64.
// Complex, RGB, RGBA, binary and float128 images are refused by name, and so
// are Analyze 7.5 headers (no NIfTI magic), because Analyze leaves left and
// right undefined: convert them with a tool that lets you say which is which.
//
// Everything in a header is checked before memory is allocated, sizes in
// 64-bit arithmetic against the size of the file, so a damaged file gives an
// error and not a crash. What is unusual but can be read is read, and said in
// [Image.Warnings].
//
// # Units and conventions
//
// Voxels are kept in the file's own order, x fastest: the voxel (x, y, z) of
// volume n is at index x + nx*(y + ny*(z + nz*n)), a tensor of shape
// (N, Z, Y, X) in C order. Positions are millimetres in the scanner's RAS
// frame (x to the right, y to the front, z to the top). Intensity scaling
// (scl_slope, scl_inter) is computed in float64, applied on reading, and
// written as slope 1, intercept 0.
//
// # What is written
//
// Little-endian float32, in the header version of the input. Every other
// header field, extension and unused byte is carried over. Files appear under
// their final name only when complete, and the bytes are the same for any
// number of threads.
//
// # Concurrency
//
// A [Reader] or [Writer] belongs to one goroutine. An [Image] may be read by many
// goroutines at once; writing to its voxels needs the caller's own care.
//
// # Limits
//
// Integers beyond ±2²⁴ and float64 values are rounded to float32. Only one
// dimension after z may be longer than one.
package nifti
