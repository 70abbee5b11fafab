package main

import (
	"context"
	"fmt"

	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// Arrays of an image's size that are in use once it is read, itself among them.
const (
	arraysShown    = 1 // pictures and figures
	arraysDenoised = 3
	arraysDrawn    = 5 // sample --like
	arraysTrained  = 4
)

// readWithin reads an image if there is room for that many arrays of its size.
func readWithin(ctx context.Context, path string, arrays int) (*nifti.Image, error) {
	reader, err := nifti.Open(path)
	if err != nil {
		return nil, err
	}
	nx, ny, nz, nt := reader.Header().Shape()
	reader.Close()
	if err := fitAddressSpace(path, int64(arrays)*array(nx*ny*nz, nt)*(100+heapGrowth)/100+programBytes); err != nil {
		return nil, err
	}
	return nifti.ReadImage(ctx, path, nifti.ReadOptions{})
}

// fitAddressSpace refuses what the limit on the address space has no room for: the runtime cannot go on when the system
// refuses memory.
func fitAddressSpace(path string, need int64) error {
	left := addressSpaceLeft()
	if left <= 0 || need <= left {
		return nil
	}
	return withHint(fmt.Errorf("%w: %s needs about %s, the limit on the address space (ulimit -v) leaves %s", errOutOfMemory, path,
		formatBytes(need), formatBytes(left)), "raise the limit, or crop the scan")
}
