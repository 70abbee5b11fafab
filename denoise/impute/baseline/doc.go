// Package baseline holds the established ways to predict diffusion-weighted
// signals of directions that were not measured. They are here to be compared
// with, under the same conditions; package impute does not use them.
//
// All predict from the measured volumes of one table the volumes of another,
// voxel by voxel, and only within shells of the measured table. Signals may have
// any unit. Functions are safe for concurrent use.
package baseline
