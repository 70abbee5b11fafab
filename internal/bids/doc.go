// Package bids finds the diffusion series of a BIDS data set, with the gradient tables and metadata that apply to each,
// and names what is derived from them.
//
// [Open] reads the data set's description, [Dataset.Scans] crawls it. Of the files of a dwi folder only those with the
// suffix dwi are series; sbref, ADC, FA and other maps are passed over, and so are phase, real and imaginary parts. The
// inheritance principle decides which .bval, .bvec and .json belong to a series. A series whose files cannot be used is
// still listed, with the reason in [Scan.Problem], so that one broken subject does not hide the others.
//
// [NewDerivative] and the functions beside it follow the rules for derivatives: a source's name with desc-denoised, maps
// named dwimap, the root's dataset_description.json.
package bids
