package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
	"github.com/dmri-denoise/dmri-denoise/qc"
)

// known loses one in eight directions in every second slice: what a direction
// looks like is known from the slices between.
func (e *evaluation) known() (string, error) {
	scans, err := e.all()
	if err != nil {
		return "", err
	}
	var rows []row
	for _, s := range scans {
		if s.truthNoisy {
			continue
		}
		r, err := e.knownOf(s)
		if err != nil {
			return "", fmt.Errorf("%s: %w", s.name, err)
		}
		rows = append(rows, r)
	}
	return table(rows), nil
}

func (e *evaluation) knownOf(s *scan) (row, error) {
	kept, held := s.every(8)
	nx, ny, nz, _ := s.noisy.Dims()
	var spans []impute.Span
	for _, n := range held {
		for z := 0; z < nz; z += 2 {
			spans = append(spans, impute.Span{First: n, Last: n, FirstSlice: z, LastSlice: z})
		}
	}
	r, err := denoise.Run(e.ctx, s.noisy, s.table, e.options(s, denoise.Imputing{Mode: denoise.ImputeNamed, Lost: spans}))
	if err != nil {
		return row{}, err
	}
	rows, voxels := rowsOf(r.Denoised.Select(kept), func(v int) bool { return r.Mask[v] && v/(nx*ny)%2 == 0 })
	methods, err := baselines(s.table.Select(kept), s.table.Select(held), rows)
	if err != nil {
		return row{}, err
	}
	out := row{name: s.name, names: []string{"ours"}}
	ours := &squares{}
	for _, n := range held {
		for _, v := range voxels {
			ours.add(float64(r.Denoised.Volume(n)[v]-s.truth.Volume(n)[v]), 0)
		}
	}
	out.error = append(out.error, ours.rmse()/s.sigma)
	for _, m := range methods {
		out.names = append(out.names, m.name)
		out.error = append(out.error, s.errorOf(m, rows, voxels, kept, held, 0)/s.sigma)
	}
	return out, nil
}

// attenuate spoils a share of the slices, chosen at random: their signal falls
// to 20-60 %.
func (s *scan) attenuate(share float64, seed uint64) (*scan, map[[2]int]bool) {
	nx, ny, nz, nt := s.noisy.Dims()
	out := *s
	out.noisy = s.noisy.Like(nt)
	copy(out.noisy.Voxels(), s.noisy.Voxels())
	bad := map[[2]int]bool{}
	rng := rand.New(rand.NewPCG(seed, 99))
	for _, at := range rng.Perm(nt * nz)[:int(math.Round(share*float64(nt*nz)))] {
		n, z := at/nz, at%nz
		bad[[2]int{n, z}] = true
		f := float32(0.2 + 0.4*rng.Float64())
		for i := z * nx * ny; i < (z+1)*nx*ny; i++ {
			x := out.noisy.Volume(n)[i] + (f-1)*s.truth.Volume(n)[i] // the noise stays
			if s.rician == denoise.RicianOn {
				x = float32(math.Abs(float64(x)))
			}
			out.noisy.Volume(n)[i] = x
		}
	}
	return &out, bad
}

// dropout spoils one slice in twenty.
func (e *evaluation) dropout() (string, error) {
	var b strings.Builder
	fmt.Fprintln(&b, "| scan | slices | spoilt | found | recall | false | error without dropout | error with dropout, imputed | ratio | error in the lost slices | not imputed |")
	fmt.Fprintln(&b, "|---|---|---|---|---|---|---|---|---|---|---|")
	protocols := []struct {
		protocol string
		shape    [3]int
		snr      float64
		rician   bool
	}{{"small", [3]int{48, 48, 24}, 20, false}, {"clinical", [3]int{48, 48, 24}, 20, false}, {"clinical", [3]int{48, 48, 24}, 12, true}, {"multishell", [3]int{40, 40, 16}, 20, false}}
	if e.quick {
		protocols = protocols[:1]
	}
	for i, p := range protocols {
		name := fmt.Sprintf("phantom %s, SNR %.0f", p.protocol, p.snr)
		if p.rician {
			name += ", Rician"
		}
		s, err := e.phantomScan(name, p.protocol, p.shape, p.snr, p.rician, uint64(30+i))
		if err != nil {
			return "", err
		}
		if err := e.dropoutOf(&b, s, uint64(i)); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

func (e *evaluation) dropoutOf(b *strings.Builder, s *scan, seed uint64) error {
	spoilt, bad := s.attenuate(0.05, seed)
	run := func(s *scan, mode denoise.ImputeMode, std bool) (*denoise.Result, error) {
		return denoise.Run(e.ctx, s.noisy, s.table, e.options(s, denoise.Imputing{Mode: mode, Std: std}))
	}
	clean, err := run(s, denoise.ImputeAuto, false)
	if err != nil {
		return err
	}
	ignored, err := run(spoilt, denoise.ImputeOff, false)
	if err != nil {
		return err
	}
	r, err := run(spoilt, denoise.ImputeAuto, true)
	if err != nil {
		return err
	}
	if seed == 1 || e.quick {
		if err := e.draw(spoilt, r); err != nil {
			return err
		}
	}
	nx, ny, nz, nt := s.noisy.Dims()
	found, wrong := 0, clean.Imputed.Lost.Len()
	lost := &squares{}
	inside := 0.0
	for n := range nt {
		for z := range nz {
			is := r.Imputed.Lost.Is(n, z)
			switch {
			case bad[[2]int{n, z}] && is:
				found++
			case is:
				wrong++
			}
			if !bad[[2]int{n, z}] || !is {
				continue
			}
			for v := z * nx * ny; v < (z+1)*nx*ny; v++ {
				if s.mask[v] {
					d := float64(r.Denoised.Volume(n)[v] - s.truth.Volume(n)[v])
					lost.add(d, 0)
					if math.Abs(d) <= ninety*float64(r.Imputed.Std.Volume(n)[v]) {
						inside++
					}
				}
			}
		}
	}
	e.covered = append(e.covered, coverageRow{name: s.name + ", lost slices", truth: inside / lost.n, held: math.NaN(), stated: r.Summary.Imputation.Held[0].Coverage})
	before, after, off := s.rmse(clean.Denoised.Voxels(), s.truth.Voxels())/s.sigma, s.rmse(r.Denoised.Voxels(), s.truth.Voxels())/s.sigma, s.rmse(ignored.Denoised.Voxels(), s.truth.Voxels())/s.sigma
	fmt.Fprintf(b, "| %s | %d | %d | %d | %.1f %% | %d | %.3f | %.3f | %.3f | %.3f | %.3f |\n", s.name, nt*nz, len(bad), found, 100*float64(found)/float64(len(bad)), wrong,
		before, after, after/before, lost.rmse()/s.sigma, off)
	return nil
}

// draw stores the picture of the replaced slices of the volume that lost most.
func (e *evaluation) draw(s *scan, r *denoise.Result) error {
	if e.picture == "" {
		return nil
	}
	lost, worst := r.Imputed.Lost, 0
	for n := range lost.Volumes {
		if len(lost.OfVolume(n)) > len(lost.OfVolume(worst)) {
			worst = n
		}
	}
	slices := lost.OfVolume(worst)
	why, z := lost.Why(worst, slices[0])
	img, err := qc.Replaced(s.noisy.Volume(worst), r.Denoised.Volume(worst), s.mask, qc.GridOf(&s.noisy.Header), qc.ReplacedOptions{
		Volume: worst, BValue: s.table.BVals[worst], Slices: slices[:min(len(slices), 4)], Reason: fmt.Sprintf("%s, z = %.0f", why, z)})
	if err != nil {
		return err
	}
	return qc.WritePNG(e.ctx, e.picture, img, qc.DefaultDPI, true)
}

// clean counts false alarms on scans without dropout.
func (e *evaluation) clean() (string, error) {
	slices, alarms, largest := 0, 0, 0.0
	scans := 0
	for seed := range uint64(6) {
		for _, protocol := range []string{"small", "clinical", "multishell"} {
			s, err := e.simulate(protocol, phantom.Options{Protocol: protocol, Shape: [3]int{40, 40, 20}, SNR: []float64{8, 15, 25}[seed%3], Rician: seed%2 == 1, SigmaRatio: 1 + float64(seed%2), Seed: 40 + seed})
			if err != nil {
				return "", err
			}
			nx, ny, nz, nt := s.noisy.Dims()
			lost := impute.NewLost(nt, nz)
			m, err := impute.NewMoments(e.ctx, s.noisy.Voxels(), nx, ny, s.mask, lost, e.threads)
			if err != nil {
				return "", err
			}
			var groups [][]int
			for _, shell := range s.table.Shells(gradients.DefaultB0Threshold).All {
				groups = append(groups, shell.Volumes)
			}
			z, err := impute.Detect(m, lost, groups, impute.DetectOptions{})
			if err != nil {
				return "", err
			}
			scans++
			slices += nt * nz
			alarms += lost.Len()
			largest = max(largest, z)
		}
	}
	return fmt.Sprintf("%d simulated scans without dropout (SNR 8, 15 and 25, Gaussian and Rician noise, even and uneven): %d false alarms in %d slices.\n", scans, alarms, slices), nil
}
