package denoise

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise/learned"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
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
	model, state, report, err := Train(t.Context(), 1, scan(p.Table), o)
	if err != nil {
		t.Fatal(err)
	}
	if report.After > report.Before || state.Steps == 0 || len(model.Weights) != learned.FamilyCount || len(model.Origin.BVals) != 2 {
		t.Errorf("report %+v, %d steps, model of %+v", report, state.Steps, model.Origin)
	}
	o.Threads = 1
	again, _, _, err := Train(t.Context(), 1, scan(p.Table), o)
	if err != nil {
		t.Fatal(err)
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
	if _, _, _, err := Train(t.Context(), 1, scan(nil), o); !errors.Is(err, ErrNoTable) {
		t.Errorf("error %v, want ErrNoTable", err)
	}
}
