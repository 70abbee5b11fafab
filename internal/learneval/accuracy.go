package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// accuracyCase is a kind of scan with known truth, made anew for every seed.
type accuracyCase struct {
	name   string
	make   func(ctx context.Context, seed uint64) (*known, error)
	tensor bool
}

func (e *evaluation) accuracyCases() []accuracyCase {
	var out []accuracyCase
	for _, snr := range []float64{5, 10, 20, 40} {
		out = append(out, accuracyCase{fmt.Sprintf("phantom clinical, SNR %.0f", snr), func(ctx context.Context, seed uint64) (*known, error) {
			return phantomCase(ctx, "clinical", snr, 310+seed, [3]int{48, 48, 10})
		}, true})
	}
	out = append(out, accuracyCase{"phantom multishell, SNR 15", func(ctx context.Context, seed uint64) (*known, error) {
		return phantomCase(ctx, "multishell", 15, 320+seed, [3]int{36, 36, 10})
	}, false})
	for _, snr := range []float64{8, 15, 30} {
		out = append(out, accuracyCase{fmt.Sprintf("tissue-msmt + noise, SNR %.0f", snr), func(ctx context.Context, seed uint64) (*known, error) {
			return realCase(ctx, filepath.Join(e.data, "tissue-msmt"), "dwi.nii.gz", "dwi", snr, 330+seed)
		}, false})
	}
	for _, snr := range []float64{8, 15, 30} {
		out = append(out, accuracyCase{fmt.Sprintf("structured-field + noise, SNR %.0f", snr), func(ctx context.Context, seed uint64) (*known, error) {
			return realCase(ctx, filepath.Join(e.data, "structured-field"), "groundtruth.nii", "dwi", snr, 340+seed)
		}, false})
	}
	return out
}

// spread collects values of seeds.
type spread []float64

func (s spread) mean() float64 {
	sum := 0.0
	for _, v := range s {
		sum += v
	}
	return sum / float64(len(s))
}

func (s spread) stdErr() float64 {
	if len(s) < 2 {
		return 0
	}
	square := 0.0
	for _, v := range s {
		square += (v - s.mean()) * (v - s.mean())
	}
	return math.Sqrt(square / float64(len(s)*(len(s)-1)))
}

// measured is what one kind of scan gave over the seeds.
type measured struct {
	gaussian, best, auto, change spread // RMSE in σ; change of auto against gaussian in per cent
	promised, kept               spread // gain in mean squared error, estimated and true
	angle, angleAuto, fa, faAuto spread
	shells                       []string
	shellChange                  []spread
	chosen                       map[string]int
}

// accuracy holds the learned prior against the Gaussian one where the truth is
// known.
func (e *evaluation) accuracy() (string, error) {
	var table, shells, tensors strings.Builder
	fmt.Fprintln(&table, "| scan | gaussian | best of gaussian, soft | auto | auto / gaussian | gain in MSE, estimated | true | chosen |\n|---|---|---|---|---|---|---|---|")
	fmt.Fprintln(&shells, "| scan | change of RMSE by shell |\n|---|---|")
	fmt.Fprintln(&tensors, "| scan | angular error, gaussian | auto | FA error, gaussian | auto |\n|---|---|---|---|---|")
	var low, worst spread
	for _, c := range e.accuracyCases() {
		m, err := e.measure(c)
		if errors.Is(err, fs.ErrNotExist) {
			e.missing = append(e.missing, c.name)
			continue
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", c.name, err)
		}
		fmt.Fprintf(&table, "| %s | %.4f | %.4f | **%.4f** | %+.2f ± %.2f %% | %.4f | %.4f | %v |\n", c.name, m.gaussian.mean(), m.best.mean(), m.auto.mean(),
			m.change.mean(), m.change.stdErr(), m.promised.mean(), m.kept.mean(), m.chosen)
		var parts []string
		for i, name := range m.shells {
			parts = append(parts, fmt.Sprintf("%s %+.1f ± %.1f %%", name, m.shellChange[i].mean(), m.shellChange[i].stdErr()))
		}
		fmt.Fprintf(&shells, "| %s | %s |\n", c.name, strings.Join(parts, ", "))
		if c.tensor {
			fmt.Fprintf(&tensors, "| %s | %.2f° | **%.2f°** | %.4f | **%.4f** |\n", c.name, m.angle.mean(), m.angleAuto.mean(), m.fa.mean(), m.faAuto.mean())
		}
		if snr := snrOf(c.name); snr <= 15 {
			low = append(low, m.change.mean())
		}
		worst = append(worst, m.change...)
	}
	most := math.Inf(-1)
	for _, w := range worst {
		most = max(most, w)
	}
	return fmt.Sprintf("%s\nMean over the scans of SNR ≤ 15: %+.2f %%. Worst single scan: %+.2f %%.\n\n%s\n%s", table.String(), low.mean(), most, shells.String(), tensors.String()), nil
}

func snrOf(name string) float64 {
	var snr float64
	if _, err := fmt.Sscanf(name[strings.LastIndex(name, "SNR"):], "SNR %f", &snr); err != nil {
		return math.Inf(1)
	}
	return snr
}

func (e *evaluation) measure(c accuracyCase) (*measured, error) {
	m := &measured{chosen: map[string]int{}}
	for seed := range e.seeds {
		k, err := c.make(e.ctx, uint64(seed))
		if err != nil {
			return nil, err
		}
		if err := e.add(m, k, c.tensor); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// add measures one scan.
func (e *evaluation) add(m *measured, k *known, tensor bool) error {
	results := map[denoise.PriorMode]*denoise.Result{}
	for _, p := range []denoise.PriorMode{denoise.PriorGaussian, denoise.PriorSoft, denoise.PriorAuto} {
		r, err := e.run(k, p)
		if err != nil {
			return err
		}
		results[p] = r
	}
	g, a := results[denoise.PriorGaussian].Denoised, results[denoise.PriorAuto].Denoised
	rg, rs, ra := k.rmse(g, nil), k.rmse(results[denoise.PriorSoft].Denoised, nil), k.rmse(a, nil)
	m.gaussian, m.best, m.auto = append(m.gaussian, rg), append(m.best, min(rg, rs)), append(m.auto, ra)
	m.change = append(m.change, 100*(ra/rg-1))
	chosen := results[denoise.PriorAuto].Summary.Prior
	m.chosen[chosen.Chosen]++
	base := rg
	if chosen.Learned != nil {
		if chosen.Learned.Corrects == "soft" {
			base = rs
		}
		m.promised = append(m.promised, chosen.Learned.All.Gaussian-chosen.Learned.All.Learned)
	}
	m.kept = append(m.kept, base*base-ra*ra)
	for i, s := range k.table.Shells(gradients.DefaultB0Threshold).All {
		if len(m.shells) <= i {
			m.shells, m.shellChange = append(m.shells, fmt.Sprintf("b %.0f", s.B)), append(m.shellChange, nil)
		}
		m.shellChange[i] = append(m.shellChange[i], 100*(k.rmse(a, s.Volumes)/k.rmse(g, s.Volumes)-1))
	}
	if tensor {
		return e.addTensors(m, k, g, a)
	}
	return nil
}

func (e *evaluation) addTensors(m *measured, k *known, g, a *nifti.Image) error {
	truth, _, err := k.image(e.ctx, k.truth)
	if err != nil {
		return err
	}
	angle, fa := tensorErrors(k, truth, g)
	m.angle, m.fa = append(m.angle, angle), append(m.fa, fa)
	angle, fa = tensorErrors(k, truth, a)
	m.angleAuto, m.faAuto = append(m.angleAuto, angle), append(m.faAuto, fa)
	return nil
}
