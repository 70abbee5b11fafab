package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/learned"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// real tells what auto decides on real scans.
func (e *evaluation) real() (string, error) {
	var b strings.Builder
	fmt.Fprintln(&b, "| scan | corrects | shell | gaussian, MSE / σ² | learned | ± | used |\n|---|---|---|---|---|---|---|")
	for _, scan := range []struct{ image, table string }{
		{"head-raw/10_DWI_dir80_PA.nii.gz", ""}, {"tissue-msmt/dwi.nii.gz", ""}, {"small-64dir/small_64D.nii", ""},
		{"uint16/dti_tra_dir16_AP_9_134431.nii.gz", ""}, {"tissue-tiny/dwi.nii.gz", ""}, {"noise-phantom/dwi.nii.gz", ""},
	} {
		name := filepath.Dir(scan.image)
		path := filepath.Join(e.data, scan.image)
		if _, err := os.Stat(path); err != nil {
			e.missing = append(e.missing, name)
			continue
		}
		files, err := gradients.Find(path)
		if err != nil {
			return "", err
		}
		table, err := gradients.Read(files, gradients.Options{})
		if err != nil {
			return "", err
		}
		im, err := nifti.ReadImage(e.ctx, path, nifti.ReadOptions{})
		if err != nil {
			return "", err
		}
		r, err := denoise.Run(e.ctx, im, table, denoise.Options{Threads: e.threads, Imputing: denoise.Imputing{Mode: denoise.ImputeOff}})
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		l := r.Summary.Prior.Learned
		if l == nil {
			fmt.Fprintf(&b, "| %s | not considered | | | | | |\n", name)
			continue
		}
		for _, s := range l.Shells {
			fmt.Fprintf(&b, "| %s | %s | b %.0f | %.4f | %.4f | %.4f | %t |\n", name, l.Corrects, s.BValue, s.Gaussian, s.Learned, s.StdErr, s.Used)
		}
	}
	return b.String(), nil
}

// loss is the loss curve of the model that comes with the program.
func (e *evaluation) loss() (string, error) {
	m := learned.Embedded()
	var b strings.Builder
	fmt.Fprintf(&b, "%d weights, %d features in, %d gates out; origin: %s, seed %d.\n\n| step | train | held-out scans |\n|---|---|---|\n", len(m.Net.Weights()), learned.FeatureCount, learned.SignedCount, m.Origin.Kind, m.Origin.Seed)
	for i, p := range m.Loss {
		if i%4 == 0 || i == len(m.Loss)-1 {
			fmt.Fprintf(&b, "| %d | %.4f | %.4f |\n", p.Step, p.Train, p.HeldOut)
		}
	}
	return b.String(), nil
}
