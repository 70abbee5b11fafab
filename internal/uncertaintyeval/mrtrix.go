package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/orientation"
	"github.com/dmri-denoise/dmri-denoise/denoise/posterior"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

const (
	mrtrixSamples  = 8
	anisotropicFA  = 0.3
	mrtrixSeed     = 78
	mrtrixNotThere = "MRtrix was not there.\n"
)

// againstMRtrix compares main peaks with those that MRtrix finds in the same
// denoised scan.
func againstMRtrix(ctx context.Context, w io.Writer) error {
	fmt.Fprintf(w, "\n## Main peaks against MRtrix\n\nClinical, SNR 20, 64×64×24: `dwi2response tournier`, `dwi2fod csd`, `sh2peaks` on the denoised scan, and `uncertainty`'s peaks of the mean of %d draws, where FA is above %g.\n\n", mrtrixSamples, anisotropicFA)
	for _, tool := range []string{"dwi2response", "dwi2fod", "sh2peaks"} {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Fprint(w, mrtrixNotThere)
			return nil
		}
	}
	dir, err := os.MkdirTemp("", "uncertaintyeval-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := phantom.Make(ctx, phantom.Options{Protocol: "clinical", Shape: [3]int{64, 64, 24}, SNR: 20, Seed: mrtrixSeed})
	if err != nil {
		return err
	}
	mask := make([]bool, len(p.Mask.Voxels()))
	for i, v := range p.Mask.Voxels() {
		mask[i] = v > 0
	}
	f := &fibres{phantom: p}
	r, post, err := denoise.Draws(ctx, p.Noisy, p.Table, denoise.Options{Mask: mask, Seed: 1, Calibrated: func(r *denoise.Result, post *posterior.Posterior) error {
		return f.prepare(ctx, r, post)
	}})
	if err != nil {
		return err
	}
	m, err := orientation.Estimate(ctx, func() orientation.Source { return post.NewDrawer() }, post.Grid.Len(), f.table, f.csd, orientation.Options{Samples: mrtrixSamples})
	if err != nil {
		return err
	}
	theirs, ours, err := mrtrixPeaks(ctx, dir, p, r, post, m)
	if err != nil {
		return err
	}
	between, own := apart(post, m, theirs), apart(post, m, ours)
	fmt.Fprintf(w, "| peaks of | voxels | mean | median | 90 %% |\n|---|---|---|---|---|\n| MRtrix from the denoised scan | %s |\n| `sh2peaks` from our distributions | %s |\n", row(between), row(own))
	return nil
}

// mrtrixPeaks returns the main peaks that MRtrix finds in the denoised scan and in
// our distributions.
func mrtrixPeaks(ctx context.Context, dir string, p *phantom.Phantom, r *denoise.Result, post *posterior.Posterior, m *orientation.Maps) (theirs, ours *nifti.Image, err error) {
	at := func(name string) string { return filepath.Join(dir, name) }
	fod := p.Noisy.Like(gradients.SHCount(m.Order))
	for i := range gradients.SHCount(m.Order) {
		volume := fod.Volume(i)
		for row, v := range post.Grid.Voxel {
			volume[v] = m.FOD[row*gradients.SHCount(m.Order)+i]
		}
	}
	for name, im := range map[string]*nifti.Image{"dwi.nii": r.Denoised, "mask.nii": p.Mask, "ours.nii": fod} {
		if err := im.Write(ctx, at(name), nifti.WriteOptions{}); err != nil {
			return nil, nil, err
		}
	}
	affine, _ := p.Noisy.Header.Affine()
	if err := gradients.WriteFSL(p.Table.ToFSL(affine), at("dwi.bval"), at("dwi.bvec"), false); err != nil {
		return nil, nil, err
	}
	common := []string{"-mask", at("mask.nii"), "-quiet", "-force"}
	grad := append([]string{"-fslgrad", at("dwi.bvec"), at("dwi.bval")}, common...)
	for _, c := range [][]string{
		append([]string{"dwi2response", "tournier", at("dwi.nii"), at("response.txt"), "-scratch", dir}, grad...),
		append([]string{"dwi2fod", "csd", at("dwi.nii"), at("response.txt"), at("theirs.nii")}, grad...),
		append([]string{"sh2peaks", at("theirs.nii"), at("theirs-peaks.nii"), "-num", "1"}, common...),
		append([]string{"sh2peaks", at("ours.nii"), at("ours-peaks.nii"), "-num", "1"}, common...),
	} {
		if out, err := exec.CommandContext(ctx, c[0], c[1:]...).CombinedOutput(); err != nil {
			return nil, nil, fmt.Errorf("%s: %w: %s", c[0], err, strings.TrimSpace(string(out)))
		}
	}
	if theirs, err = nifti.ReadImage(ctx, at("theirs-peaks.nii"), nifti.ReadOptions{}); err != nil {
		return nil, nil, err
	}
	ours, err = nifti.ReadImage(ctx, at("ours-peaks.nii"), nifti.ReadOptions{})
	return theirs, ours, err
}

// apart returns the angles between our main peaks and others', sorted, in degrees.
func apart(post *posterior.Posterior, m *orientation.Maps, peaks *nifti.Image) []float64 {
	var out []float64
	for row, v := range post.Grid.Voxel {
		var a, b [3]float64
		for i := range 3 {
			a[i], b[i] = float64(m.Peaks[row*3*orientation.MostPeaks+i]), float64(peaks.Volume(i)[v])
		}
		if angle := orientation.Angle(a, b); m.FA[row] > anisotropicFA && angle == angle {
			out = append(out, angle)
		}
	}
	slices.Sort(out)
	return out
}

func row(angles []float64) string {
	sum := 0.0
	for _, a := range angles {
		sum += a
	}
	n := len(angles)
	return fmt.Sprintf("%d | %.2f° | %.2f° | %.2f°", n, sum/float64(max(n, 1)), angles[n/2], angles[n*9/10])
}
