package denoise

import (
	"fmt"
	"math"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// Summary holds the figures of a run: same input and options, same figures.
// It carries no timings.
type Summary struct {
	Volumes          int            `json:"volumes"`
	VoxelsDenoised   int            `json:"voxels_denoised"`
	VoxelsConstant   int            `json:"voxels_constant"`   // left out: the same in every volume
	VoxelsNonFinite  int            `json:"voxels_non_finite"` // left out: NaN or Inf in some volume
	ForegroundVoxels int            `json:"foreground_voxels"`
	RicianCorrected  bool           `json:"rician_corrected"`
	Sigma            SigmaSummary   `json:"sigma"`
	SignalSpread     float64        `json:"signal_sd_over_sigma"` // over voxels and volumes
	Timestep         float64        `json:"timestep_matched"`     // t*, real-valued, 0-based
	AlphaBar         float64        `json:"alpha_bar_matched"`
	Timesteps        int            `json:"timesteps"`
	Schedule         string         `json:"schedule"`
	Prior            PriorSummary   `json:"prior"`
	Shells           []ShellSummary `json:"shells,omitempty"`
	Gridded          bool           `json:"q_space_grid,omitempty"` // b-values form no shells
	Guard            *GuardSummary  `json:"guard,omitempty"`
	Warnings         []string       `json:"warnings,omitempty"`

	Imputation *ImputationSummary `json:"imputation,omitempty"`
}

// SigmaSummary describes the noise map over the foreground, in the unit of the
// image.
type SigmaSummary struct {
	Source     string   `json:"source"` // measured, map or level
	Median     float64  `json:"median"`
	P25        float64  `json:"p25"`
	P75        float64  `json:"p75"`
	Components int      `json:"components,omitempty"`        // principal components it was measured on
	Signal     int      `json:"signal_components,omitempty"` // principal components above the noise
	B0Repeats  *float64 `json:"median_from_b0_repeats,omitempty"`
	// Of a measured map: noise.Map's Correlation and Inflation.
	Correlation *[3]float64 `json:"noise_correlation_xyz,omitempty"`
	Inflation   float64     `json:"inflation,omitempty"`
}

// ShellSummary describes what was removed from one shell, over the foreground.
type ShellSummary struct {
	BValue       float64 `json:"b_value"` // mean, s/mm²
	Volumes      int     `json:"volumes"`
	MeanBefore   float64 `json:"mean_before"`
	MeanAfter    float64 `json:"mean_after"`
	ResidualRMS  float64 `json:"residual_rms_over_sigma"`
	ResidualMean float64 `json:"residual_mean_over_sigma"`
}

// leastVolumes is the number of volumes below which a local estimate of the
// noise rests on very little.
const leastVolumes = 7

// summarise makes the figures of a run.
func (p *pipeline) summarise(clean *nifti.Image) Summary {
	foreground := rowsOf(p.y.Grid, p.chosen.foreground)
	s := Summary{
		Volumes: p.y.D, VoxelsDenoised: p.y.Len(), VoxelsConstant: p.chosen.constant, VoxelsNonFinite: p.chosen.nonFinite,
		ForegroundVoxels: count(foreground), RicianCorrected: p.magnitude,
		Sigma: p.sigmaSummary(foreground), SignalSpread: p.scale.Scale, Prior: p.prior,
		Timestep: p.scale.T, AlphaBar: p.o.Schedule.AlphaBar(p.scale.T), Timesteps: p.o.Schedule.T(), Schedule: p.o.Schedule.Name(),
	}
	if p.table != nil {
		shells := p.table.Shells(p.o.B0Threshold)
		s.Gridded = shells.Gridded
		for _, shell := range shells.All {
			s.Shells = append(s.Shells, p.shellSummary(clean, foreground, shell.B, shell.Volumes))
			if shell.IsB0 {
				s.Sigma.B0Repeats = p.b0Repeats(foreground, shell.Volumes)
			}
		}
	}
	if p.y.D < leastVolumes {
		p.warn("%d volumes are few: noise map and denoising rest on little redundancy", p.y.D)
	}
	if p.chosen.nonFinite > 0 {
		p.warn("%d voxels hold NaN or Inf in some volume and were left out", p.chosen.nonFinite)
	}
	if p.noise != nil {
		p.warnNoise()
	}
	p.warnOrder(p.im)
	if len(p.chosen.flat) > 0 {
		p.warn("volumes %v (counted from 0) hold one value throughout: lost or zero-filled; take them out of the series", p.chosen.flat)
	}
	return s
}

func (p *pipeline) warn(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	p.warnings = append(p.warnings, message)
	p.o.Logger.Warn(message)
}

// correlatedNoise is the correlation of neighbouring noise above which a run
// warns: above that of partial Fourier (0.21 at 6/8), which costs little.
const correlatedNoise = 0.35

// warnNoise says what the noise map found out about the noise.
func (p *pipeline) warnNoise() {
	c := p.noise.Correlation
	if max(c[0], c[1], c[2]) > correlatedNoise {
		p.warn("the noise of neighbouring voxels is correlated (x %.2f, y %.2f, z %.2f): the scan was interpolated or zero-filled; sigma was "+
			"raised by %.2f to account for it, but data exported without interpolation denoise better", c[0], c[1], c[2], p.noise.Inflation)
	}
	if p.noise.Copies > 0 {
		p.warn("%d volumes are exact copies of an earlier one; take them out of the series", p.noise.Copies)
	}
}

func (p *pipeline) sigmaSummary(foreground []bool) SigmaSummary {
	var values []float32
	for r, s := range p.sigma {
		if foreground[r] {
			values = append(values, s)
		}
	}
	if len(values) == 0 {
		values = slices.Clone(p.sigma)
	}
	slices.Sort(values)
	at := func(q float64) float64 { return float64(values[int(q*float64(len(values)-1))]) }
	s := SigmaSummary{Source: "level", Median: at(0.5), P25: at(0.25), P75: at(0.75)}
	switch {
	case p.noise != nil:
		s.Source, s.Components, s.Signal = "measured", p.noise.Components, p.noise.Signal
		s.Correlation, s.Inflation = &p.noise.Correlation, p.noise.Inflation
	case p.o.NoiseMap != nil:
		s.Source = "map"
	}
	return s
}

// shellSummary compares the shell before and after.
func (p *pipeline) shellSummary(clean *nifti.Image, foreground []bool, b float64, volumes []int) ShellSummary {
	var before, after, residual, square, n float64
	for _, i := range volumes {
		y, x := p.im.Volume(i), clean.Volume(i)
		for r, v := range p.y.Voxel {
			if !foreground[r] {
				continue
			}
			d := float64(y[v]-x[v]) / float64(p.sigma[r])
			before += float64(y[v])
			after += float64(x[v])
			residual += d
			square += d * d
			n++
		}
	}
	n = max(n, 1)
	return ShellSummary{BValue: b, Volumes: len(volumes), MeanBefore: before / n, MeanAfter: after / n,
		ResidualRMS: math.Sqrt(square / n), ResidualMean: residual / n}
}

// b0Repeats returns the median over the foreground of the standard deviation
// of repeated b0 volumes: an independent, if motion-ridden, look at σ. Nil
// with fewer than three.
func (p *pipeline) b0Repeats(foreground []bool, volumes []int) *float64 {
	if len(volumes) < 3 {
		return nil
	}
	var deviations []float64
	for r, voxel := range p.y.Voxel {
		if !foreground[r] {
			continue
		}
		var sum, square float64
		for _, i := range volumes {
			v := float64(p.im.Volume(i)[voxel])
			sum += v
			square += v * v
		}
		n := float64(len(volumes))
		deviations = append(deviations, math.Sqrt(max(square-sum*sum/n, 0)/(n-1)))
	}
	if len(deviations) == 0 {
		return nil
	}
	slices.Sort(deviations)
	// The median of a sample standard deviation is below σ: by χ² median ≈ n(1-2/(9n))³.
	dof := float64(len(volumes) - 1)
	middle := deviations[len(deviations)/2] / math.Pow(1-2/(9*dof), 1.5)
	return &middle
}
