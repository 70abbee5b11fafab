package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/denoise/learned"
	"github.com/dmri-denoise/dmri-denoise/denoise/unseen"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

const (
	blindOneIn   = 6 // directions held out of a scan at once
	blindSamples = 120_000
	blindSteps   = 1000
)

// blind trains the prior of directions with blind context on noisy scans alone and
// measures it on directions held out for that.
func (e *evaluation) blind() (string, error) {
	var b strings.Builder
	fmt.Fprintln(&b, "| scan | gaussian | shipped | trained on the scan | from scratch on the scan | given the measurement: gaussian | shipped | trained | its error estimated by Stein | all directions, gaussian |")
	fmt.Fprintln(&b, "|---|---|---|---|---|---|---|---|---|---|")
	for _, c := range []struct {
		snr    float64
		tissue string
	}{{10, ""}, {20, ""}, {15, "tissue-msmt"}, {15, "structured-field"}} {
		k, err := e.blindCase(c.tissue, c.snr)
		if err != nil {
			return "", err
		}
		if k == nil {
			continue
		}
		if err := e.blindRow(&b, k); err != nil {
			return "", fmt.Errorf("%s: %w", k.name, err)
		}
	}
	return b.String(), nil
}

// blindRow writes the errors of one case.
func (e *evaluation) blindRow(b *strings.Builder, k *known) error {
	train, held := &unseen.Samples{}, &unseen.Samples{}
	for _, first := range []int{0, blindOneIn / 2} {
		if err := e.blindFold(k, first, train, held, uint64(first)); err != nil {
			return err
		}
	}
	kept, left := everyDirection(k.table, blindOneIn, 1)
	s, err := sceneOf(e.ctx, k, kept, left, e.threads, false)
	if err != nil {
		return err
	}
	measured := measurementsOf(k, left)
	s.ErrorsBeyond(measured, nil)
	// The same samples twice: with their measurement, and with their truth.
	test, exact := &unseen.Samples{}, &unseen.Samples{}
	if err := s.Sample(e.ctx, test, test, blindSamples, unseenPoints, measured, false, 3, e.threads); err != nil {
		return err
	}
	truly := func(row, point int) (float64, float64, bool) { return float64(k.truth.Row(row)[left[point]]), 0, true }
	if err := s.Sample(e.ctx, exact, exact, blindSamples, unseenPoints, truly, true, 3, e.threads); err != nil {
		return err
	}
	zero, err := unseen.NewModel(train.Static, 64, 1, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		return err
	}
	models := map[string]*unseen.Model{"gaussian": zero, "shipped": unseen.Embedded(), "trained": unseen.Embedded().Clone(), "scratch": zero.Clone()}
	for name, rate := range map[string]float64{"trained": 2e-4, "scratch": 1e-3} {
		o := learned.TrainOptions{Steps: blindSteps, Rate: rate, Decay: 0.05, Every: 50, Patience: 8, Threads: e.threads, Rng: rand.New(rand.NewPCG(3, 3))}
		if _, _, err := models[name].Train(e.ctx, train, held, o); err != nil {
			return err
		}
	}
	rmse := func(name string, given bool) float64 {
		sum := 0.0
		for i, x := range models[name].Answers(test, given) {
			d := x - float64(exact.Truth[i])
			sum += d * d
		}
		return math.Sqrt(sum / float64(exact.Len()))
	}
	whole, err := scanOf(e.ctx, k, k.noisy.Values, e.threads, false)
	if err != nil {
		return err
	}
	sum, n := 0.0, 0.0
	for r := range k.truth.Len() {
		for _, v := range left {
			d := float64(whole.Gaussian[r*k.truth.D+v] - k.truth.Row(r)[v])
			sum += d * d
			n++
		}
	}
	fmt.Fprintf(b, "| %s | %.4f | %.4f | %.4f | %.4f | %.4f | %.4f | %.4f | %.4f | %.4f |\n", k.name, rmse("gaussian", false), rmse("shipped", false), rmse("trained", false), rmse("scratch", false),
		rmse("gaussian", true), rmse("shipped", true), rmse("trained", true), math.Sqrt(max(models["trained"].Risk(test), 0)), math.Sqrt(sum/n))
	return nil
}

// blindFold adds samples of the directions held out of a case.
func (e *evaluation) blindFold(k *known, first int, train, held *unseen.Samples, seed uint64) error {
	kept, left := everyDirection(k.table, blindOneIn, first)
	s, err := sceneOf(e.ctx, k, kept, left, e.threads, false)
	if err != nil {
		return err
	}
	measured := measurementsOf(k, left)
	s.ErrorsBeyond(measured, nil)
	return s.Sample(e.ctx, train, held, blindSamples, unseenPoints, measured, false, seed, e.threads)
}

func measurementsOf(k *known, left []int) unseen.Known {
	return func(row, point int) (float64, float64, bool) { return float64(k.noisy.Row(row)[left[point]]), 1, true }
}

// everyDirection splits the volumes of a table: one in so many of each shell is
// left out, from the first-th.
func everyDirection(t *gradients.Table, oneIn, first int) (kept, left []int) {
	for _, s := range t.Shells(gradients.DefaultB0Threshold).All {
		for i, v := range s.Volumes {
			if !s.IsB0 && i%oneIn == first {
				left = append(left, v)
			}
		}
	}
	slices.Sort(left)
	for v := range t.Len() {
		if !slices.Contains(left, v) {
			kept = append(kept, v)
		}
	}
	return kept, left
}

// blindCase makes a phantom, or noise on tissue; nil where there is none.
func (e *evaluation) blindCase(tissue string, snr float64) (*known, error) {
	if tissue == "" {
		return phantomCase(e.ctx, "clinical", snr, 360, [3]int{48, 48, 10})
	}
	image := map[string]string{"tissue-msmt": "dwi.nii.gz", "structured-field": "groundtruth.nii"}[tissue]
	k, err := realCase(e.ctx, filepath.Join(e.data, tissue), image, "dwi", snr, 370)
	if errors.Is(err, fs.ErrNotExist) {
		e.missing = append(e.missing, fmt.Sprintf("blind context: %s", tissue))
		return nil, nil
	}
	return k, err
}
