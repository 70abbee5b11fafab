package main

import (
	"context"
	"math"
	"runtime"
	"runtime/debug"

	"github.com/dmri-denoise/dmri-denoise/internal/scratch"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// scan is everything that run reads.
type scan struct {
	image *nifti.Image
	mask  []bool         // nil without --mask
	sigma *nifti.Image   // the map of --noise-in, nil without one
	space *scratch.Space // where the large arrays are, nil for the heap
}

// close gives back what is not on the heap. The images must not be used afterwards.
func (s *scan) close() {
	if s != nil && s.space != nil {
		s.space.Close()
	}
}

// limitMachine keeps the process within what it was given.
func limitMachine(threads int, plan *runPlan) {
	limitThreads(threads)
	if plan.size().image() >= reloadFrom {
		debug.SetGCPercent(heapGrowthLarge)
	}
	if limit := plan.options.memory; limit > 0 {
		debug.SetMemoryLimit(limit - plan.window())
	}
}

func limitThreads(threads int) {
	if threads < runtime.GOMAXPROCS(0) {
		runtime.GOMAXPROCS(threads)
	}
}

// loadScan reads the voxels of the scan, the mask and the noise map. scratchDir is where the arrays of a scan are kept
// that does not fit into memory. The scan must be closed, also after an error.
func loadScan(ctx context.Context, u *ui, o runOptions, plan *runPlan, scratchDir string) (*scan, error) {
	s := &scan{}
	options := nifti.ReadOptions{}
	var err error
	if plan.scratch {
		if s.space, err = scratch.New(scratchDir, plan.window()); err != nil {
			return s, err
		}
		options.Voxels = s.space.Floats
	}
	image, err := nifti.ReadImage(ctx, o.input, options)
	if err != nil {
		return s, err
	}
	// What the header said was told by the plan; reading the voxels can add to it.
	for _, w := range image.Warnings[min(len(image.Warnings), plan.headerWarnings):] {
		plan.warnings = append(plan.warnings, w)
		u.warn("%s", w)
	}
	s.image = image
	if o.mask != "" {
		if s.mask, err = loadMask(ctx, o.mask); err != nil {
			return s, err
		}
	}
	if o.noiseFile != "" {
		if s.sigma, err = readWithin(ctx, o.noiseFile, arraysShown); err != nil {
			return s, err
		}
	}
	return s, nil
}

// loadMask reads a mask: voxels above zero are inside.
func loadMask(ctx context.Context, path string) ([]bool, error) {
	image, err := readWithin(ctx, path, arraysShown)
	if err != nil {
		return nil, err
	}
	values := image.Volume(0)
	mask := make([]bool, len(values))
	inside := 0
	for i, v := range values {
		if mask[i] = v > 0 && !math.IsInf(float64(v), 0); mask[i] {
			inside++
		}
	}
	if inside == 0 {
		return nil, badInputHint("voxels above zero count as inside", "mask %s: no voxel is above zero", path)
	}
	return mask, nil
}
