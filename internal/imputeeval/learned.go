package main

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/unseen"
)

// learned compares the learned prior of directions that were not measured with
// the Gaussian prediction, from series denoised by either.
func (e *evaluation) learned() (string, error) {
	scans, err := e.all()
	if err != nil {
		return "", err
	}
	zero, err := unseen.NewModel(make([]float32, unseen.StaticCount), 4, 0, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintln(&b, "| scan | held out | gaussian, from gaussian | gaussian, from auto | learned, from auto | learned / gaussian, from auto | estimated by the run | used on shells |")
	fmt.Fprintln(&b, "|---|---|---|---|---|---|---|---|")
	var rows []heldCase
	for _, s := range scans {
		kept, held := s.every(8)
		rows = append(rows, heldCase{s, kept, held, "1 in 8"})
	}
	for _, snr := range []float64{20, 12} {
		s, err := e.phantomScan(fmt.Sprintf("phantom clinical, SNR %.0f", snr), "clinical", [3]int{48, 48, 16}, snr, false, 14)
		if err != nil {
			return "", err
		}
		kept, held := s.every(2)
		rows = append(rows, heldCase{s, kept, held, "1 in 2"})
	}
	for _, c := range rows {
		if err := e.learnedRow(&b, c, zero); err != nil {
			return "", fmt.Errorf("%s: %w", c.s.name, err)
		}
	}
	return b.String(), nil
}

type heldCase struct {
	s          *scan
	kept, held []int
	what       string
}

func (e *evaluation) learnedRow(b *strings.Builder, c heldCase, zero *unseen.Model) error {
	var errors [3]float64
	var found *denoise.UnseenSummary
	for i := range errors {
		o := e.options(c.s, denoise.Imputing{Mode: denoise.ImputeOff, Target: c.s.table.Select(c.held)})
		if i > 0 {
			o.Prior = denoise.PriorAuto
		}
		if i == 1 {
			o.Unseen = zero
		}
		r, err := denoise.Run(e.ctx, c.s.noisy.Select(c.kept), c.s.table.Select(c.kept), o)
		if err != nil {
			return err
		}
		noise, unit := 0.0, c.s.sigma
		if c.s.truthNoisy {
			noise, unit = r.Summary.Sigma.Median, r.Summary.Sigma.Median
		}
		q := &squares{}
		for t, n := range c.held {
			for v, in := range r.Mask {
				if in {
					q.add(float64(r.Imputed.Target.Volume(t)[v]-c.s.truth.Volume(n)[v]), noise)
				}
			}
		}
		errors[i], found = q.rmse()/unit, r.Summary.Imputation.Unseen
	}
	var used []string
	estimate := "–"
	if found != nil {
		estimate = fmt.Sprintf("%.4f → %.4f ± %.4f", found.All.Gaussian, found.All.Learned, found.All.StdErr)
		for _, s := range found.Shells {
			if s.Used {
				used = append(used, fmt.Sprintf("%.0f", s.BValue))
			}
		}
	}
	fmt.Fprintf(b, "| %s | %s | %.3f | %.3f | **%.3f** | %+.1f %% | %s | %s |\n", c.s.name, c.what, errors[0], errors[1], errors[2],
		100*(errors[2]/errors[1]-1), estimate, strings.Join(used, ", "))
	return nil
}
