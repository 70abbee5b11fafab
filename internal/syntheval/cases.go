package main

import (
	"path/filepath"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// voxels are the clean signals of a scan, split into blocks: what is learned from
// and what is held out.
type voxels struct {
	name        string
	table       *gradients.Table
	train, test []float32
	groups      []int32 // of the training voxels
}

// blockEdge is the edge of the blocks that are held out whole: neighbouring voxels
// are alike, and single ones held out would be seen in their neighbours.
const blockEdge = 5

// split deals the voxels of the mask: every fourth block, diagonally, is held out.
func split(name string, im *nifti.Image, table *gradients.Table, inside func(v int) bool) *voxels {
	nx, ny, nz, nt := im.Dims()
	out := &voxels{name: name, table: table}
	for v := range nx * ny * nz {
		if !inside(v) {
			continue
		}
		x, y, z := v%nx/blockEdge, v/nx%ny/blockEdge, v/(nx*ny)/blockEdge
		into := &out.train
		if (x+2*y+z)%4 == 3 {
			into = &out.test
		} else {
			out.groups = append(out.groups, int32(x+7*(y+7*z)))
		}
		for n := range nt {
			*into = append(*into, im.Volume(n)[v])
		}
	}
	return out
}

// simulated are the noise-free signals of a phantom.
func (e *evaluation) simulated(name string, o phantom.Options) (*voxels, error) {
	p, err := phantom.Make(e.ctx, o)
	if err != nil {
		return nil, err
	}
	mask := p.Mask.Voxels()
	return split(name, p.Truth, p.Table, func(v int) bool { return mask[v] > 0 }), nil
}

// denoised are the signals of a noisy phantom after a run.
func (e *evaluation) denoised(name string, o phantom.Options) (*voxels, error) {
	p, err := phantom.Make(e.ctx, o)
	if err != nil {
		return nil, err
	}
	mask := p.Mask.Voxels()
	inside := func(v int) bool { return mask[v] > 0 }
	return e.run(name, p.Noisy, p.Table, inside)
}

func (e *evaluation) run(name string, im *nifti.Image, table *gradients.Table, inside func(v int) bool) (*voxels, error) {
	mask := make([]bool, len(im.Volume(0)))
	for v := range mask {
		mask[v] = inside(v)
	}
	r, err := denoise.Run(e.ctx, im, table, denoise.Options{Mask: mask, Threads: e.threads})
	if err != nil {
		return nil, err
	}
	return split(name, r.Denoised, table, inside), nil
}

// real are the signals of a measured scan after a run.
func (e *evaluation) real(name, folder, image, stem string) (*voxels, error) {
	at := func(f string) string { return filepath.Join(e.data, folder, f) }
	im, err := nifti.ReadImage(e.ctx, at(image), nifti.ReadOptions{})
	if err != nil {
		return nil, err
	}
	table, err := gradients.Read(gradients.Files{BVal: at(stem + ".bval"), BVec: at(stem + ".bvec")}, gradients.Options{})
	if err != nil {
		return nil, err
	}
	b0 := table.Shells(gradients.DefaultB0Threshold).All[0].Volumes[0]
	values := make([]float64, 0, len(im.Volume(b0)))
	for _, x := range im.Volume(b0) {
		values = append(values, float64(x))
	}
	least := 0.1 * quantile(values, 0.95)
	return e.run(name, im, table, func(v int) bool { return float64(im.Volume(b0)[v]) > least })
}
