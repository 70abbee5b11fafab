// Package qc draws pictures and computes figures from scans and denoising
// results. It reads results and does no denoising of its own.
//
// Pictures are [ForwardStrip] (structure fading into noise under the forward
// diffusion), [Montage] (before, after and residual) and [NoiseMap]; they are
// stored by [WritePNG]. Figures are [Compare] (error against a known truth) and
// [ResidualStats] (what was removed).
//
//	g := qc.GridOf(&im.Header)
//	z := qc.MiddleSlice(mask, g, qc.Axial)
//	s := qc.CutSlice(im.Volume(0), g, qc.Axial, z, false)
//	strip, _, err := qc.ForwardStrip(s, qc.StripOptions{})
//	if err != nil {
//		return err
//	}
//	err = qc.WritePNG(ctx, "strip.png", strip, 300, false)
//
// # Units and conventions
//
// A volume is a []float32 in NIfTI voxel order, index x + nx*(y + ny*z); a
// series is its volumes one after another. Lengths are millimetres, signals
// are in the arbitrary units of the scan, b-values in s/mm². Pictures show the
// patient's left on the left of the image (neurological) unless told
// otherwise, and say so by letters; letters are "?" where the file does not
// tell its orientation. Slices are counted from 0 along the voxel axis nearest
// to the plane's normal.
//
// # Concurrency
//
// Every function may be called from several goroutines at once. Pictures and
// figures are the same, bit for bit, for any number of processors.
package qc
