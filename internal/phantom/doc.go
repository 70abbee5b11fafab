// Package phantom simulates diffusion MRI of a head with known truth, for the phantom command, the demonstration and tests.
//
// [Make] draws an anatomy (folded cortex, white matter with up to three crossing fibre populations, deep grey nuclei,
// ventricles, cerebrospinal fluid around the brain), computes the noise-free signal of every volume of a protocol, and adds
// noise; [Phantom.Write] saves all of it:
//
//	p, err := phantom.Make(ctx, phantom.Options{Protocol: "clinical", SNR: 20, Rician: true})
//	err = p.Write(ctx, "phantom", false) // dwi.nii.gz, dwi.bval, dwi.bvec, truth.nii.gz, …
//
// # Units and conventions
//
// Anatomy is defined in head coordinates, scanner axes with the in-plane field of view from -1 to 1, so a finer grid shows
// the same head in more detail. Diffusivities are in mm²/s, b-values in s/mm², times in ms. White matter has an intensity
// of about 1000 at b = 0, and SNR is 1000/σ. Outside the head the truth is 0; noise fills the whole field of view.
//
// # Determinism
//
// Every random number comes from a sub-stream named by the seed and by what it is for (field, slice, volume), so the result
// depends on the options alone, never on the number of threads.
//
// # Limits
//
// There is no skull, no motion, no distortion and no correlation of noise between voxels. Phantoms flatter denoisers: their
// anatomy is smoother than a head.
package phantom
