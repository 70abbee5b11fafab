package qc

import (
	"errors"
	"fmt"
	"math"
)

func (r *reporter) noise() (Section, error) {
	s := Section{ID: "noise", Title: "Noise",
		Lead: "The standard deviation σ of the thermal noise, voxel by voxel. It should be smooth, follow the coils and not the anatomy."}
	o := &r.in.Outcome
	if o.Sigma == nil {
		s.Blocks = append(s.Blocks, Note{"info", "No noise map was given."})
		return s, nil
	}
	options := MontageOptions{Radiological: r.in.Radiological}
	img, err := NoiseMap(o.Sigma, o.Mask, o.Grid, options)
	if errors.Is(err, ErrInput) {
		s.Blocks = append(s.Blocks, Note{"check", "The noise map cannot be drawn: " + err.Error()})
		return s, nil
	}
	if err != nil {
		return s, err
	}
	s.Blocks = append(s.Blocks, Figure{Alt: "Noise map in five axial slices", PNG: img, File: "noise_map.png"})
	if curves := sigmaCurve(o.Sigma, o.Mask); curves != nil {
		svg, err := densityPlot("σ over the mask, in units of the signal", curves)
		if err != nil {
			return s, err
		}
		s.Blocks = append(s.Blocks, Figure{Alt: "Distribution of the noise map over the mask", SVG: svg, Caption: "Distribution of σ over the mask.", File: "noise_distribution.svg"})
	}
	m := r.m.Metrics
	rows := [][2]string{{"Median", shown(m.Value("sigma_median"))}, {"Interquartile range", shown(m.Value("sigma_iqr"))}}
	if v := m.Value("sigma_b0_repeats"); !math.IsNaN(v) {
		rows = append(rows, [2]string{"Median by repeated b0 volumes", shown(v) + " (motion and pulsation raise it)"})
	}
	s.Blocks = append(s.Blocks, Facts{Rows: rows})
	return s, nil
}

func (r *reporter) residual() (Section, error) {
	s := Section{ID: "residual", Title: "Residual",
		Lead: "What was removed, before − after. Good denoising removes noise only: no anatomy in the pictures, neighbours uncorrelated, distributed like noise, and no more of it than the noise map explains."}
	o := &r.in.Outcome
	for _, shell := range ends(r.pictured()) {
		before, after := o.volume(shell.Volumes[0])
		options := r.montageOptions(shell)
		img, err := Montage(before, after, o.Sigma, o.Mask, o.Grid, options)
		if err != nil {
			return s, err
		}
		s.Blocks = append(s.Blocks, Figure{Alt: volumeTitle(options) + ": before, after and residual in five axial slices", PNG: img,
			File: "before_after_residual_" + nameOf(shell) + ".png"})
	}
	if o.Sigma != nil {
		if curves := residualCurves(r.m.Histogram); curves != nil {
			svg, err := densityPlot("(before − after) / σ", curves)
			if err != nil {
				return s, err
			}
			s.Blocks = append(s.Blocks, Figure{Alt: "Distribution of what was removed beside a normal distribution of the same spread", SVG: svg,
				Caption: "Distribution of what was removed, all volumes.", File: "residual_distribution.svg"})
		}
	}
	label, level := "rms removed / σ", 1.0
	if o.Sigma == nil {
		label, level = "rms removed", math.NaN()
	}
	svg, err := volumePlot(r.m.VolumeRMS, o.reportedShells(), label, level)
	if err != nil {
		return s, err
	}
	s.Blocks = append(s.Blocks, Figure{Alt: "Root mean square of what was removed, volume by volume", SVG: svg,
		Caption: "What was removed from each volume. A volume that stands out has motion, dropout or an artefact.", File: "residual_by_volume.svg"})
	v := r.m.Metrics.Value
	s.Blocks = append(s.Blocks, Facts{Caption: "Figures of the residual", Rows: [][2]string{
		{"Variance", shown(v("variance_removed")) + " σ²"},
		{"Mean", shown(v("residual_mean"))},
		{"Correlation of neighbours in x, y, z", hundredths(v("residual_lag1_x")) + ", " + hundredths(v("residual_lag1_y")) + ", " + hundredths(v("residual_lag1_z"))},
		{"Correlation of its power with the edges of the anatomy", hundredths(v("residual_edge_correlation"))},
		{"Skewness", hundredths(v("residual_skew"))},
		{"Excess kurtosis", hundredths(v("residual_excess_kurtosis"))},
	}})
	return s, nil
}

func (r *reporter) gradients() (Section, error) {
	s := Section{ID: "shells", Title: "Shells and gradients"}
	o := &r.in.Outcome
	if o.Table == nil {
		s.Blocks = append(s.Blocks, Note{"info", "No gradient table was given: shells are not known."})
		return s, nil
	}
	svg, drawn, err := spherePlot(o.Table, o.Shells.All)
	if err != nil {
		return s, err
	}
	if drawn > 0 {
		s.Blocks = append(s.Blocks, Figure{Alt: fmt.Sprintf("%d gradient directions on the half sphere, coloured by shell", drawn), SVG: svg, File: "directions.svg",
			Caption: "Gradient directions as seen from above (equal-area projection; g and −g are one place, rings point down in the table; circles at 30°, 60° and 90°). They should cover the disc evenly."})
	}
	if o.Shells.Gridded {
		s.Blocks = append(s.Blocks, Note{"info", "The b-values form a q-space grid or a ladder, no shells; neighbouring b-values are grouped in the table for display."})
	}
	t := Table{Caption: "Shells, figures over the mask", Header: []string{"shell", "b (s/mm²)", "volumes", "signal before", "after", "SNR", "CNR", "variance removed (σ²)", "bias removed (σ)", "t*"}}
	for _, m := range r.m.Shells {
		b := fmt.Sprintf("%.0f", m.Shell.B)
		if m.Shell.SD >= 0.5 {
			b += fmt.Sprintf(" ± %.0f", m.Shell.SD)
		}
		t.Rows = append(t.Rows, []string{m.Label, b, fmt.Sprint(len(m.Shell.Volumes)), shown(m.Before), shown(m.After), shown(m.SNR), shown(m.CNR), shown(m.Variance), signed(m.Mean), shown(m.Timestep)})
	}
	s.Blocks = append(s.Blocks, t)
	return s, nil
}

// hundredths formats correlations and the like.
func hundredths(v float64) string {
	if nullable(v) == nil {
		return "n/a"
	}
	return decimals(v, 2)
}

func signed(v float64) string {
	if nullable(v) == nil {
		return "n/a"
	}
	return minus(fmt.Sprintf("%+.3f", v))
}

func (r *reporter) prior() (Section, error) {
	s := Section{ID: "prior", Title: "Diffusion prior",
		Lead: "The scan is read as a sample of the forward diffusion at the timestep t* whose noise is its own; denoising is the reverse process from there."}
	k := r.in.Known
	var marks []mark
	if !math.IsNaN(r.m.Timestep) {
		marks = append(marks, mark{"whole scan", r.m.Timestep, shellColours[2]})
	}
	if len(r.in.Outcome.reportedShells()) > 0 {
		weighted := 0
		for _, m := range r.m.Shells {
			ink := shellColour(weighted+2, m.Shell.IsB0)
			if !m.Shell.IsB0 {
				weighted++
			}
			if !math.IsNaN(m.Timestep) && len(marks) < 6 {
				marks = append(marks, mark{m.Label, m.Timestep, ink})
			}
		}
	}
	svg, err := schedulePlot(k.Schedule, marks)
	if err != nil {
		return s, err
	}
	s.Blocks = append(s.Blocks, Figure{Alt: "Signal and noise over the timesteps of the schedule, with the matched timesteps", SVG: svg, File: "schedule.svg",
		Caption: fmt.Sprintf("The %s schedule with T = %d, and where the noise of the whole scan and of each shell alone sits on it.", k.Schedule.Name(), k.Schedule.T())})
	matched, err := r.matched()
	if err != nil {
		return s, err
	}
	s.Blocks = append(s.Blocks, matched...)
	for _, f := range append(append([]Figure{}, r.in.Forward...), r.in.Reverse...) {
		s.Blocks = append(s.Blocks, f)
	}
	s.Blocks = append(s.Blocks, r.risks()...)
	if len(k.Loss) > 0 {
		svg, err := lossPlot(k.Loss)
		if err != nil {
			return s, err
		}
		s.Blocks = append(s.Blocks, Figure{Alt: "Loss over the training of the learned prior", SVG: svg, File: "loss.svg",
			Caption: "Training of the learned prior on this scan. Held-out voxels decide when it stops."})
	}
	return s, nil
}

// matched draws the scan's noise on the schedule, in the first volume of the
// lowest and of the highest shell.
func (r *reporter) matched() ([]Block, error) {
	o := &r.in.Outcome
	if o.Sigma == nil || !(r.m.Spread > 0) {
		return nil, nil
	}
	shells := r.pictured()
	shell := shells[len(shells)-1]
	before, after := o.volume(shell.Volumes[0])
	plane := Axial
	k := MiddleSlice(o.Mask, o.Grid, plane)
	box := maskBox(o.Mask, o.Grid, plane, r.in.Radiological)
	slice := func(volume []float32) Slice {
		return CutSlice(volume, o.Grid, plane, k, r.in.Radiological).Crop(box.Min.X, box.Min.Y, box.Max.X, box.Max.Y)
	}
	img, t, err := MatchedStrip(slice(after), slice(before), slice(o.Sigma), MatchedOptions{Schedule: r.in.Known.Schedule, Spread: r.m.Spread,
		Magnitude: r.in.Known.Magnitude, Seed: r.in.Seed, Scale: math.Max(1, math.Round(180/float64(box.Dx())))})
	if errors.Is(err, ErrInput) {
		return []Block{Note{"info", "The noise-matched strip cannot be drawn: " + err.Error()}}, nil
	}
	if err != nil {
		return nil, err
	}
	return []Block{Figure{Alt: fmt.Sprintf("Forward diffusion of a denoised slice with the panel at t* = %.1f framed; below, the slice noised to t* beside the measured slice", t),
		PNG: img, File: "noise_matched.png"}}, nil
}

// risks shows the candidates for the prior and which one was taken.
func (r *reporter) risks() []Block {
	k := r.in.Known
	if len(k.Risks) == 0 {
		text := "The prior was given, not chosen by its risk"
		if k.Prior == "" {
			return nil
		}
		return []Block{Note{"info", text + ": " + k.Prior + "."}}
	}
	t := Table{Caption: "Error to expect of each candidate in units of σ, by Stein's unbiased risk estimate. The lowest is used.",
		Header: []string{"prior", "used", "whole scan"}}
	for _, s := range r.m.Shells {
		t.Header = append(t.Header, s.Label)
	}
	for _, risk := range k.Risks {
		used := ""
		if risk.Accepted {
			used = "yes"
		}
		row := []string{risk.Prior, used, fmt.Sprintf("%.3f", risk.RMSE)}
		for i := range r.m.Shells {
			cell := "n/a"
			if i < len(risk.ByShell) {
				cell = fmt.Sprintf("%.3f", risk.ByShell[i])
			}
			row = append(row, cell)
		}
		t.Rows = append(t.Rows, row)
	}
	return []Block{t}
}

// replacedShown is the most pictures of replaced slices in a report.
const replacedShown = 6

func (r *reporter) imputation() (Section, error) {
	s := Section{ID: "imputation", Title: "Imputation",
		Lead: "Slices that the other directions contradict, or that hold no data, are not denoised but replaced by what the other directions predict."}
	i := r.in.Known.Imputed
	switch {
	case i == nil:
		s.Blocks = append(s.Blocks, Note{"info", "Whether slices were lost is not known for this result."})
		return s, nil
	case i.Slices == 0:
		s.Blocks = append(s.Blocks, Note{"good", "No slice was found lost; every value rests on its own measurement."})
	default:
		s.Blocks = append(s.Blocks, Note{"check", fmt.Sprintf("%d slices, %.2f %% of the scan, were replaced.", i.Slices, i.Percent)})
		t := Table{Caption: "What was replaced", Header: []string{"volume", "b (s/mm²)", "first slice", "last slice", "reason", "z"}}
		for _, l := range i.Lost {
			b, z := "n/a", "n/a"
			if table := r.in.Outcome.Table; table != nil && l.Volume < len(table.BVals) {
				b = fmt.Sprintf("%.0f", table.BVals[l.Volume])
			}
			if l.Z != 0 {
				z = minus(fmt.Sprintf("%.1f", l.Z))
			}
			t.Rows = append(t.Rows, []string{fmt.Sprint(l.Volume), b, fmt.Sprint(l.First), fmt.Sprint(l.Last), l.Reason, z})
		}
		s.Blocks = append(s.Blocks, t)
	}
	for _, n := range i.Notes {
		s.Blocks = append(s.Blocks, Note{"info", n})
	}
	for n, f := range r.in.Replaced {
		if n == replacedShown {
			s.Blocks = append(s.Blocks, Note{"info", fmt.Sprintf("%d more pictures of replaced slices are in the folder beside this page.", len(r.in.Replaced)-n)})
			break
		}
		s.Blocks = append(s.Blocks, f)
	}
	return s, nil
}

func (r *reporter) uncertainty() (Section, error) {
	s := Section{ID: "uncertainty", Title: "Uncertainty"}
	for _, f := range r.in.Uncertainty {
		s.Blocks = append(s.Blocks, f)
	}
	for _, f := range r.in.UncertaintyFacts {
		s.Blocks = append(s.Blocks, f)
	}
	return s, nil
}

func (r *reporter) provenance() (Section, error) {
	s := Section{ID: "provenance", Title: "Provenance"}
	rows := append([][2]string{}, r.in.Provenance...)
	if t := r.in.Known.Timings; t != nil {
		rows = append(rows, [2]string{"Wall time", fmt.Sprintf("%.1f s on %d threads", t.Seconds, t.Threads)})
		if t.PeakMemory > 0 {
			rows = append(rows, [2]string{"Peak memory", fmt.Sprintf("%.0f MB", float64(t.PeakMemory)/1e6)})
		}
	}
	if !r.in.NoViewer {
		rows = append(rows, [2]string{"Viewer in this page", "NiiVue " + NiiVueVersion + " (BSD-2-Clause), sha256 " + NiiVueSHA256})
	}
	if len(rows) > 0 {
		s.Blocks = append(s.Blocks, Facts{Rows: rows})
	}
	t := Table{Caption: "All figures, as in metrics.tsv", Header: []string{"name", "value", "units", "meaning"}}
	for _, x := range r.m.Metrics {
		t.Rows = append(t.Rows, []string{x.Name, shown(x.Value), x.Units, x.Description})
	}
	s.Blocks = append(s.Blocks, t)
	return s, nil
}
