package batch

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// column is one figure of the group table.
type column struct {
	name, description, units string
	metric                   bool // of the metrics of a scan; value is then not set
	value                    func(s *sidecar) string
}

// columns are the figures of a scan in the group table, in order, after its name.
var columns = []column{
	{"volumes", "Volumes of the series", "", false, func(s *sidecar) string { return strconv.Itoa(s.Summary.Volumes) }},
	{"shells", "b-values in s/mm2 with the number of volumes at each", "", false, func(s *sidecar) string { return shellText(s.Summary.Shells) }},
	{"voxels_denoised", "Voxels that were denoised", "", false, func(s *sidecar) string { return strconv.Itoa(s.Summary.VoxelsDenoised) }},
	{"sigma_median", "Median over the foreground of the noise standard deviation", "arbitrary", false, func(s *sidecar) string { return figure(&s.Summary.Sigma.Median) }},
	{"sigma_p25", "Lower quartile of the noise standard deviation", "arbitrary", false, func(s *sidecar) string { return figure(&s.Summary.Sigma.P25) }},
	{"sigma_p75", "Upper quartile of the noise standard deviation", "arbitrary", false, func(s *sidecar) string { return figure(&s.Summary.Sigma.P75) }},
	{"sigma_source", "Where the noise level is from: measured, map or level", "", false, func(s *sidecar) string { return orMissing(s.Summary.Sigma.Source) }},
	{"signal_sd_over_sigma", "Standard deviation of the signal over voxels and volumes, in units of the noise", "", false, func(s *sidecar) string { return figure(&s.Summary.SignalSpread) }},
	{"timestep", "Timestep of the diffusion model that matches the noise", "", false, func(s *sidecar) string { return figure(&s.Summary.Timestep) }},
	{"rician_corrected", "Whether the Rician bias was removed", "", false, func(s *sidecar) string { return strconv.FormatBool(s.Summary.Rician) }},
	{"residual_std_over_sigma", "Standard deviation of what was removed, in units of the noise; near 1 if all noise and nothing else", "", false, func(s *sidecar) string { return figure(s.Residual.StdOverSigma) }},
	{"residual_lag1_x", "Correlation along x of neighbouring voxels of what was removed; near 0 for white noise", "", false, func(s *sidecar) string { return s.lag1(0) }},
	{"residual_lag1_y", "The same along y", "", false, func(s *sidecar) string { return s.lag1(1) }},
	{"residual_lag1_z", "The same along z", "", false, func(s *sidecar) string { return s.lag1(2) }},
	{"residual_skew", "Skewness of what was removed", "", false, func(s *sidecar) string { return figure(s.Residual.Skew) }},
	{"residual_excess_kurtosis", "Excess kurtosis of what was removed", "", false, func(s *sidecar) string { return figure(s.Residual.ExcessKurtosis) }},
	{"warnings", "Warnings of the run", "", false, func(s *sidecar) string { return strconv.Itoa(len(s.Summary.Warnings)) }},
}

const missing = "n/a" // as BIDS writes it

func orMissing(text string) string {
	if text == "" {
		return missing
	}
	return text
}

func figure(v *float64) string {
	if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
		return missing
	}
	return strconv.FormatFloat(*v, 'g', 6, 64)
}

func (s *sidecar) lag1(axis int) string {
	if axis >= len(s.Residual.Lag1) {
		return missing
	}
	return figure(s.Residual.Lag1[axis])
}

func shellText(shells []shell) string {
	var parts []string
	for _, s := range shells {
		parts = append(parts, fmt.Sprintf("%.0f:%d", s.BValue, s.Volumes))
	}
	return orMissing(strings.Join(parts, " "))
}
