package qc

import (
	"fmt"
	"math"
)

// list puts the figures in their order.
func (m *Measured) list(o *Outcome, k Known, ndcBefore, ndcAfter float64) Metrics {
	var l Metrics
	add := func(name string, value float64, units, description string) {
		l = append(l, Metric{name, value, units, description})
	}
	b0, weighted, inside := 0, 0, 0
	for _, s := range o.Shells.All {
		if s.IsB0 {
			b0 = len(s.Volumes)
		} else {
			weighted++
		}
	}
	for _, in := range o.Mask {
		if in {
			inside++
		}
	}
	known := func(v float64) float64 {
		if o.Table == nil || o.Shells.Gridded {
			return math.NaN()
		}
		return v
	}
	add("volumes", float64(o.volumes()), "", "Number of volumes")
	add("b0_volumes", known(float64(b0)), "", "Number of volumes without diffusion weighting")
	add("shells", known(float64(weighted)), "", "Number of shells with diffusion weighting")
	add("mask_voxels", float64(inside), "", "Number of voxels that all figures are taken over")
	m.listSigma(o, k, add)
	add("ndc_before", ndcBefore, "", "Neighbouring DWI correlation before denoising: mean over weighted volumes of the correlation with the nearest in q-space (Yeh 2019)")
	add("ndc_after", ndcAfter, "", "Neighbouring DWI correlation after denoising")
	m.listResidual(add)
	m.listModel(k, add)
	m.listShells(o, add)
	if t := k.Timings; t != nil {
		add("seconds", t.Seconds, "s", "Wall time of the run")
		add("threads", float64(t.Threads), "", "Threads of the run")
		peak := math.NaN()
		if t.PeakMemory > 0 {
			peak = float64(t.PeakMemory)
		}
		add("peak_memory", peak, "byte", "Most resident memory of the run")
	}
	return l
}

type adder func(name string, value float64, units, description string)

func (m *Measured) listSigma(o *Outcome, k Known, add adder) {
	w, middle := window{math.NaN(), math.NaN()}, math.NaN()
	if o.Sigma != nil {
		useful := make([]bool, len(o.Mask))
		for i, in := range o.Mask {
			_, ok := inverse(o.Sigma, i)
			useful[i] = in && ok
		}
		if q, _, ok := quantiles(o.Sigma, useful, 0.25, 0.75); ok {
			w = q
			middle, _ = median(o.Sigma, useful)
		}
	}
	add("sigma_median", middle, "arbitrary", "Median over the mask of the noise standard deviation")
	add("sigma_p25", w.lo, "arbitrary", "First quartile of the noise standard deviation")
	add("sigma_p75", w.hi, "arbitrary", "Third quartile of the noise standard deviation")
	add("sigma_iqr", w.hi-w.lo, "arbitrary", "Interquartile range of the noise standard deviation")
	add("sigma_b0_repeats", pointed(k.B0Sigma), "arbitrary", "Median noise standard deviation by the repeated b0 volumes; motion and pulsation raise it")
}

func (m *Measured) listResidual(add adder) {
	r := m.Residual
	add("variance_removed", r.StdOverSigma*r.StdOverSigma, "sigma^2", "Variance of before - after in units of the noise variance; above 1 more was removed than noise")
	add("residual_mean", r.Mean, "arbitrary", "Mean of before - after")
	add("residual_lag1_x", r.Lag1[0], "", "Correlation of before - after between neighbours along the first axis of the file; 0 for white noise")
	add("residual_lag1_y", r.Lag1[1], "", "The same along the second axis")
	add("residual_lag1_z", r.Lag1[2], "", "The same along the third axis")
	add("residual_edge_correlation", r.Edges, "", "Correlation over voxels of the power of before - after with the edges of the mean b0; 0 if anatomy does not show in it")
	add("residual_skew", r.Skew, "", "Skewness of (before - after)/sigma")
	add("residual_excess_kurtosis", r.ExcessKurtosis, "", "Excess kurtosis of (before - after)/sigma; 0 for Gaussian noise")
}

func (m *Measured) listModel(k Known, add adder) {
	slices, percent := math.NaN(), math.NaN()
	if k.Imputed != nil {
		slices, percent = float64(k.Imputed.Slices), k.Imputed.Percent
	}
	add("bad_slices", slices, "", "Slices found or named as lost, which were replaced")
	add("percent_imputed", percent, "%", "Share of all slices of all volumes that was replaced")
	expected := math.NaN()
	for _, r := range k.Risks {
		if r.Accepted {
			expected = r.RMSE
		}
	}
	add("sure_rmse", expected, "sigma", "Error to expect of the prior used, root of Stein's unbiased risk estimate")
	add("timestep_matched", m.Timestep, "", "Timestep t* at which the noise of the whole scan sits on the schedule, counted from 0")
}

func (m *Measured) listShells(o *Outcome, add adder) {
	if len(o.reportedShells()) == 0 {
		return
	}
	for _, s := range m.Shells {
		where := fmt.Sprintf("volumes with b near %.0f s/mm²", s.Shell.B)
		if s.Shell.IsB0 {
			where = "volumes without diffusion weighting"
		}
		add("volumes_"+s.Label, float64(len(s.Shell.Volumes)), "", "Number of "+where)
		add("snr_"+s.Label, s.SNR, "", "Median over the mask of mean denoised signal over sigma, "+where)
		if !s.Shell.IsB0 {
			add("cnr_"+s.Label, s.CNR, "", "Median over the mask of the standard deviation of the denoised signal over directions, over sigma, "+where)
		}
		add("variance_removed_"+s.Label, s.Variance, "sigma^2", "Mean of (before - after)²/sigma², "+where)
		add("bias_removed_"+s.Label, s.Mean, "sigma", "Mean of (before - after)/sigma, "+where+"; for magnitude images the Rician bias that was taken off")
		add("timestep_"+s.Label, s.Timestep, "", "Timestep t* at which the noise of these volumes sits on the schedule, signal spread measured on them alone, "+where)
		add("sure_rmse_"+s.Label, s.Risk, "sigma", "Error to expect of the prior used, "+where)
	}
}

func pointed(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}
