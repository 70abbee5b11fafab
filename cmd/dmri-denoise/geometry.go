package main

import (
	"math"

	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// distance returns how far apart two affines put the same voxel, in mm.
func distance(a, b [4][4]float64, voxel [3]int) float64 {
	sum := 0.0
	for row := range 3 {
		d := a[row][3] - b[row][3]
		for axis, v := range voxel {
			d += (a[row][axis] - b[row][axis]) * float64(v)
		}
		sum += d * d
	}
	return math.Sqrt(sum)
}

// smallestEdge returns the shortest voxel edge in mm.
func smallestEdge(h *nifti.Header) float64 {
	size := h.VoxelSize()
	return min(size[0], size[1], size[2])
}
