package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/dmri-denoise/dmri-denoise/nifti"
)

const (
	hugeX, hugeY, hugeZ = 145, 174, 145
	slab                = 8 // slices that dwidenoise is timed on
)

// hcp denoises a scan of the size that the Human Connectome Project has, made of
// copies of a phantom with noise of their own.
func (e *evaluation) hcp() (string, error) {
	if !e.huge {
		return "(not measured: `make eval-hcp` does)", nil
	}
	dir := filepath.Join(e.work, "huge")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	scan, mask := filepath.Join(dir, "dwi.nii"), filepath.Join(dir, "mask.nii")
	inside, total, err := e.tile(scan, mask)
	if err != nil {
		return "", err
	}
	threads := fmt.Sprint(e.threads)
	ours, err := e.timed(e.bin, "run", scan, filepath.Join(dir, "out.nii"), "--mask", mask, "--no-qc", "--force", "-q", "--nthreads", threads)
	if err != nil {
		return "", err
	}
	size := float64(total) * 4
	text := fmt.Sprintf("%d×%d×%d×288, float32, %.2f GB, %d voxels in the mask: **%.0f s** wall, peak %.2f GB, %.2f × the scan (must ≤ 2.5, aim ≤ 1.5).",
		hugeX, hugeY, hugeZ, size/1e9, inside, ours.seconds, float64(ours.peak)/1e9, float64(ours.peak)/size)
	if _, err := exec.LookPath("dwidenoise"); err != nil {
		return text, nil
	}
	share, err := e.cutSlab(scan, mask, inside)
	if err != nil {
		return "", err
	}
	theirs, err := e.timed("dwidenoise", "-quiet", "-force", "-nthreads", threads, "-mask", filepath.Join(dir, "slab_mask.nii"),
		filepath.Join(dir, "slab.nii"), filepath.Join(dir, "slab_out.nii"))
	if err != nil {
		return "", err
	}
	return text + fmt.Sprintf(" dwidenoise took %.0f s for a slab with %.3f of the mask's voxels: about %.1f hours for the whole, ratio %.4f.",
		theirs.seconds, share, theirs.seconds/share/3600, ours.seconds/(theirs.seconds/share)), nil
}

// tile writes the scan and its mask, uncompressed, volume by volume.
func (e *evaluation) tile(scan, mask string) (inside, total int, err error) {
	dir, err := e.phantom("huge-part", "--protocol", "hcp", "--snr", "1000", "--seed", "81", "--shape", "73,87,73")
	if err != nil {
		return 0, 0, err
	}
	truth, err := nifti.ReadImage(e.ctx, filepath.Join(dir, "truth.nii.gz"), nifti.ReadOptions{})
	if err != nil {
		return 0, 0, err
	}
	part, err := nifti.ReadImage(e.ctx, filepath.Join(dir, "mask.nii.gz"), nifti.ReadOptions{})
	if err != nil {
		return 0, 0, err
	}
	for _, table := range []string{"bval", "bvec"} {
		data, err := os.ReadFile(filepath.Join(dir, "dwi."+table))
		if err == nil {
			err = os.WriteFile(scan[:len(scan)-3]+table, data, 0o644)
		}
		if err != nil {
			return 0, 0, err
		}
	}
	_, _, _, nt := truth.Dims()
	shape := nifti.New(hugeX, hugeY, hugeZ, 1, [3]float64{1.25, 1.25, 1.25})
	header := shape.Header.Like(nt)
	out, err := nifti.Create(e.ctx, scan, &header, nifti.WriteOptions{Force: true})
	if err != nil {
		return 0, 0, err
	}
	defer out.Abort()
	volume := make([]float32, hugeX*hugeY*hugeZ)
	rng := rand.New(rand.NewPCG(81, 82))
	for n := range nt {
		fill(volume, truth.Volume(n))
		for i := range volume {
			volume[i] += float32(50 * rng.NormFloat64())
		}
		if err := out.WriteVolume(volume); err != nil {
			return 0, 0, err
		}
	}
	if err := out.Close(); err != nil {
		return 0, 0, err
	}
	fill(shape.Volume(0), part.Volume(0))
	for _, v := range shape.Volume(0) {
		if v > 0 {
			inside++
		}
	}
	return inside, len(volume) * nt, shape.Write(e.ctx, mask, nifti.WriteOptions{Force: true})
}

// fill covers a large volume with copies of one of 73×87×73 voxels.
func fill(volume, part []float32) {
	for i := range volume {
		x, y, z := i%hugeX, i/hugeX%hugeY, i/(hugeX*hugeY)
		volume[i] = part[x%73+73*(y%87+87*(z%73))]
	}
}

// cutSlab writes some slices of scan and mask and returns the slab's share of the
// mask.
func (e *evaluation) cutSlab(scan, mask string, inside int) (float64, error) {
	share := 0.0
	for _, c := range []struct{ from, to string }{{scan, "slab.nii"}, {mask, "slab_mask.nii"}} {
		im, err := nifti.ReadImage(e.ctx, c.from, nifti.ReadOptions{})
		if err != nil {
			return 0, err
		}
		_, _, _, nt := im.Dims()
		out := nifti.New(hugeX, hugeY, slab, nt, [3]float64{1.25, 1.25, 1.25})
		const plane = hugeX * hugeY
		for n := range nt {
			copy(out.Volume(n), im.Volume(n)[30*plane:(30+slab)*plane])
		}
		if err := out.Write(e.ctx, filepath.Join(filepath.Dir(scan), c.to), nifti.WriteOptions{Force: true}); err != nil {
			return 0, err
		}
		if nt == 1 {
			for _, v := range out.Volume(0) {
				if v > 0 {
					share += 1 / float64(inside)
				}
			}
		}
	}
	return share, nil
}
