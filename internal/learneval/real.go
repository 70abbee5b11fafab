package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

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

// times measures a whole run and the network's part of it.
func (e *evaluation) times() (string, error) {
	k, err := phantomCase(e.ctx, "clinical", 15, 361, [3]int{64, 64, 24})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "64×64×24×70, %d voxels, %d threads, %d cores; wall and processor time of `denoise.Run`, noise level given.\n\n", k.truth.Len(), e.threads, runtime.NumCPU())
	fmt.Fprintln(&b, "| prior | wall, s | user, s |\n|---|---|---|")
	for _, p := range []denoise.PriorMode{denoise.PriorGaussian, denoise.PriorLearned, denoise.PriorAuto} {
		user, start := userTime(), time.Now()
		if _, err := e.run(k, p); err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "| %s | %.1f | %.1f |\n", p, time.Since(start).Seconds(), userTime()-user)
	}
	scan, err := scanOf(e.ctx, k, k.noisy.Values, e.threads, false)
	if err != nil {
		return "", err
	}
	out := make([]float32, len(scan.Gaussian))
	user, start := userTime(), time.Now()
	if err := learned.Embedded().Estimate(e.ctx, scan, out, nil, nil, e.threads, nil); err != nil {
		return "", err
	}
	n := float64(len(out))
	fmt.Fprintf(&b, "\nFeatures and network: %.0f voxel-directions a second (%.0f a second of processor time). ", n/time.Since(start).Seconds(), n/(userTime()-user))
	m := learned.Embedded()
	pass := m.Net.NewPass(512)
	const rounds = 200
	user = userTime()
	for range rounds {
		pass.Forward(512)
	}
	operations := 2 * float64(len(m.Net.Weights())) * 512 * rounds
	fmt.Fprintf(&b, "The network alone: %.1f GFLOP/s on one thread, of processor time; `go test -bench Gemm ./internal/fastblas` gives the machine's own.", operations/(userTime()-user)/1e9)
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
