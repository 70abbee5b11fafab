package denoise

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise/learned"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// TestAutoTakesTheLearnedPrior: on a head of the usual kind auto finds that the
// learned prior wins, is right about it, and says so by shell.
func TestAutoTakesTheLearnedPrior(t *testing.T) {
	p, mask := head(t, phantom.Options{Protocol: "small", SNR: 12, Seed: 7, Shape: [3]int{32, 32, 10}})
	auto, err := Run(t.Context(), p.Noisy, p.Table, Options{Mask: mask, Prior: PriorAuto})
	if err != nil {
		t.Fatal(err)
	}
	choice := auto.Summary.Prior
	if choice.Chosen != "learned" || choice.Learned == nil || len(choice.Learned.Shells) != 2 || len(choice.Risks) != 3 {
		t.Fatalf("choice %+v", choice)
	}
	before, _ := figures(p, mask, run(t, p.Noisy, p.Table, Options{Mask: mask}).Denoised)
	after, _ := figures(p, mask, auto.Denoised)
	if after > 0.97*before {
		t.Errorf("RMSE %.4f, gaussian %.4f: want 3 %% less", after, before)
	}
	if l := choice.Learned.All; !(l.Learned < l.Gaussian-l.StdErr) {
		t.Errorf("chosen with risks %+v", l)
	}
}

func TestLearnedPriorNeedsATable(t *testing.T) {
	p, mask := head(t, phantom.Options{Protocol: "small", SNR: 12, Seed: 7, Shape: [3]int{12, 12, 6}})
	if _, err := Run(t.Context(), p.Noisy, nil, Options{Mask: mask, Prior: PriorLearned}); !errors.Is(err, ErrNoTable) {
		t.Errorf("error %v, want ErrNoTable", err)
	}
	r, err := Run(t.Context(), p.Noisy, nil, Options{Mask: mask, Prior: PriorAuto})
	if err != nil || r.Summary.Prior.Learned != nil {
		t.Errorf("auto without a table: %v, %+v", err, r.Summary.Prior)
	}
}

// TestLearnedSamples: the reverse process runs through the learned prior, and its
// samples scatter about the posterior mean.
func TestLearnedSamples(t *testing.T) {
	p, mask := head(t, phantom.Options{Protocol: "small", SNR: 12, Seed: 7, Shape: [3]int{14, 14, 6}})
	mean := run(t, p.Noisy, p.Table, Options{Mask: mask, Prior: PriorLearned})
	draw := run(t, p.Noisy, p.Table, Options{Mask: mask, Prior: PriorLearned, Sampler: SDE, SamplerSteps: 6, Seed: 2})
	m, _ := figures(p, mask, mean.Denoised)
	d, _ := figures(p, mask, draw.Denoised)
	if !(d > m && d < 3*m) {
		t.Errorf("error of a sample %.3f, of the mean %.3f", d, m)
	}
}

// TestUnseenDirections: directions that were not measured are foretold with less
// error by the learned prior where it says so, its spread is smaller in proportion,
// draws vary about it, and threads do not matter.
func TestUnseenDirections(t *testing.T) {
	p, mask := head(t, phantom.Options{Protocol: "small", SNR: 20, Seed: 9, Shape: [3]int{24, 24, 8}})
	var kept, held []int
	for v, b := range p.Table.BVals {
		if b > 0 && v%6 == 3 {
			held = append(held, v)
		} else {
			kept = append(kept, v)
		}
	}
	predict := func(prior PriorMode, threads int) (*Result, float64) {
		r, err := Run(t.Context(), p.Noisy.Select(kept), p.Table.Select(kept), Options{Mask: mask, Prior: prior, Threads: threads, Seed: 3,
			Imputing: Imputing{Mode: ImputeOff, Target: p.Table.Select(held), Std: true, Samples: 2}})
		if err != nil {
			t.Fatal(err)
		}
		sum, n := 0.0, 0.0
		for i, v := range held {
			for at, in := range r.Mask {
				if in {
					d := float64(r.Imputed.Target.Volume(i)[at] - p.Truth.Volume(v)[at])
					sum += d * d
					n++
				}
			}
		}
		return r, math.Sqrt(sum / n)
	}
	plain, gaussian := predict(PriorGaussian, 2)
	r, learned := predict(PriorLearned, 2)
	u := r.Summary.Imputation.Unseen
	if plain.Summary.Imputation.Unseen != nil || u == nil || !u.Used || !(u.All.Learned < u.All.Gaussian) || len(u.Shells) != 1 || !u.Shells[0].Used {
		t.Fatalf("summary %+v", u)
	}
	if learned > 0.97*gaussian {
		t.Errorf("error %.2f, of the Gaussian prediction %.2f", learned, gaussian)
	}
	again, _ := predict(PriorLearned, 1)
	for _, pair := range [][2]*nifti.Image{{r.Imputed.Target, again.Imputed.Target}, {r.Imputed.TargetStd, again.Imputed.TargetStd}, {r.Imputed.TargetSamples[1], again.Imputed.TargetSamples[1]}} {
		if !slices.Equal(pair[0].Voxels(), pair[1].Voxels()) {
			t.Error("the result depends on the number of threads")
		}
	}
	inside, n := 0.0, 0.0
	for at, in := range r.Mask {
		if !in {
			continue
		}
		for i := range held {
			n++
			// Two draws lie on either side of the mean or not, each within 1.64 sd nine times in ten.
			if d := r.Imputed.TargetSamples[0].Volume(i)[at] - r.Imputed.Target.Volume(i)[at]; math.Abs(float64(d)) < 1.645*float64(r.Imputed.TargetStd.Volume(i)[at]) {
				inside++
			}
		}
	}
	if share := inside / n; share < 0.85 || share > 0.95 {
		t.Errorf("%.1f %% of draws lie within 90 %% of their spread", 100*share)
	}
}

// TestTrainAndUse: training on a scan gives a model that is used as it is, gives the
// same bytes every time, and is refused for another protocol.
func TestTrainAndUse(t *testing.T) {
	p, mask := head(t, phantom.Options{Protocol: "small", SNR: 12, Seed: 8, Shape: [3]int{16, 16, 6}})
	scan := func(table *gradients.Table) func(context.Context, int) (*TrainScan, error) {
		return func(context.Context, int) (*TrainScan, error) {
			return &TrainScan{Name: "head", Image: p.Noisy, Table: table, Mask: mask}, nil
		}
	}
	o := TrainOptions{Steps: 20, Samples: 4000, Threads: 2, Seed: 5}
	models, report, err := Train(t.Context(), 1, scan(p.Table), o)
	if err != nil {
		t.Fatal(err)
	}
	model, state := models.Learned, models.LearnedState
	if report.After > report.Before || state.Steps == 0 || len(model.Weights) != learned.FamilyCount || len(model.Origin.BVals) != 2 {
		t.Errorf("report %+v, %d steps, model of %+v", report, state.Steps, model.Origin)
	}
	o.Threads = 1
	both, _, err := Train(t.Context(), 1, scan(p.Table), o)
	if err != nil {
		t.Fatal(err)
	}
	again := both.Learned
	if u := report.Unseen; u == nil || u.After > u.Before || models.UnseenState.Steps == 0 || !slices.Equal(models.Unseen.Net.Weights(), both.Unseen.Net.Weights()) {
		t.Errorf("directions not measured: report %+v", u)
	}
	if !slices.Equal(model.Net.Weights(), again.Net.Weights()) || !slices.Equal(model.Weights, again.Weights) {
		t.Error("the model depends on the number of threads")
	}
	r := run(t, p.Noisy, p.Table, Options{Mask: mask, Prior: PriorLearned, Model: model})
	if l := r.Summary.Prior.Learned; l == nil || l.Model != "scans" || l.Weights != nil {
		t.Errorf("summary %+v", l)
	}
	other := *p.Table
	other.BVals = slices.Clone(p.Table.BVals)
	for i := range other.BVals {
		other.BVals[i] *= 2
	}
	if _, err := Run(t.Context(), p.Noisy, &other, Options{Mask: mask, Model: model}); !errors.Is(err, ErrModelMismatch) {
		t.Errorf("error %v, want ErrModelMismatch", err)
	}
	if _, _, err := Train(t.Context(), 1, scan(nil), o); !errors.Is(err, ErrNoTable) {
		t.Errorf("error %v, want ErrNoTable", err)
	}
}
