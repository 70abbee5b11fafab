package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

// seeds counts intervals on small phantoms, none of which the method was tuned
// on: 1 in 12 directions of each shell on a target table, and 1 in 23 slices lost.
func (e *evaluation) seeds() (string, error) {
	var b strings.Builder
	fmt.Fprintln(&b, "| phantom 32×32×10 | directions: error | claimed | truth inside | lost slices: error | claimed | truth inside |")
	fmt.Fprintln(&b, "|---|---|---|---|---|---|---|")
	var directions, lost, n, good float64
	seed := uint64(200)
	for _, protocol := range []string{"small", "clinical", "multishell"} {
		for _, snr := range []float64{12, 20, 30} {
			for _, rician := range []bool{false, true} {
				seed++
				kind := "Gaussian"
				if rician {
					kind = "Rician"
				}
				s, err := e.simulate(fmt.Sprintf("%s, SNR %.0f, %s", protocol, snr, kind),
					phantom.Options{Protocol: protocol, Shape: [3]int{32, 32, 10}, SNR: snr, Rician: rician, Seed: seed})
				if err != nil {
					return "", err
				}
				t, err := e.targetIntervals(s)
				if err != nil {
					return "", err
				}
				l, err := e.sliceIntervals(s)
				if err != nil {
					return "", err
				}
				fmt.Fprintf(&b, "| %s | %v | %v |\n", s.name, t, l)
				for _, c := range []float64{t.coverage(), l.coverage()} {
					if c > 0.87 && c < 0.93 {
						good++
					}
				}
				directions += t.coverage()
				lost += l.coverage()
				n++
			}
		}
	}
	fmt.Fprintf(&b, "| mean | | | %.1f %% | | | %.1f %% |\n", 100*directions/n, 100*lost/n)
	fmt.Fprintf(&b, "\n%.0f of %.0f are between 87 and 93 %%.\n", good, 2*n)
	return b.String(), nil
}

// intervals holds errors and claimed standard deviations.
type intervals struct{ square, claimed, inside, n float64 }

func (i *intervals) add(d, sd float64) {
	i.square += d * d
	i.claimed += sd * sd
	if math.Abs(d) <= ninety*sd {
		i.inside++
	}
	i.n++
}

func (i *intervals) coverage() float64 { return i.inside / i.n }

// String returns three cells of a table.
func (i *intervals) String() string {
	return fmt.Sprintf("%.3f | %.3f | %.1f %%", math.Sqrt(i.square/i.n), math.Sqrt(i.claimed/i.n), 100*i.coverage())
}

func (e *evaluation) options(s *scan, im denoise.Imputing) denoise.Options {
	return denoise.Options{Mask: s.mask, Rician: s.rician, Prior: denoise.PriorGaussian, Threads: e.threads, Imputing: im}
}

func (e *evaluation) targetIntervals(s *scan) (*intervals, error) {
	kept, held := s.every(12)
	r, err := denoise.Run(e.ctx, s.noisy.Select(kept), s.table.Select(kept),
		e.options(s, denoise.Imputing{Mode: denoise.ImputeOff, Target: s.table.Select(held), Std: true}))
	if err != nil {
		return nil, err
	}
	out := &intervals{}
	for t, n := range held {
		for v, in := range s.mask {
			if in {
				out.add(float64(r.Imputed.Target.Volume(t)[v]-s.truth.Volume(n)[v])/s.sigma, float64(r.Imputed.TargetStd.Volume(t)[v])/s.sigma)
			}
		}
	}
	return out, nil
}

func (e *evaluation) sliceIntervals(s *scan) (*intervals, error) {
	nx, ny, nz, nt := s.noisy.Dims()
	var spans []impute.Span
	for i := 0; i < nt*nz; i += 23 {
		n, z := (i/nz*7+3)%nt, i%nz
		spans = append(spans, impute.Span{First: n, Last: n, FirstSlice: z, LastSlice: z})
	}
	r, err := denoise.Run(e.ctx, s.noisy, s.table, e.options(s, denoise.Imputing{Mode: denoise.ImputeNamed, Lost: spans, Std: true}))
	if err != nil {
		return nil, err
	}
	out := &intervals{}
	for _, l := range spans {
		for v := l.FirstSlice * nx * ny; v < (l.FirstSlice+1)*nx*ny; v++ {
			if s.mask[v] {
				out.add(float64(r.Denoised.Volume(l.First)[v]-s.truth.Volume(l.First)[v])/s.sigma, float64(r.Imputed.Std.Volume(l.First)[v])/s.sigma)
			}
		}
	}
	return out, nil
}
