package qc

import (
	"fmt"
	"math"
)

// Verdict is the worst of its reasons: "good", "check" or "bad".
type Verdict struct {
	Kind    string
	Reasons []Note // worst first
}

// bound is a rule of the verdict: a figure up to check is good, up to bad is to
// be looked at, above it is bad. docs/qc.md gives the grounds for each.
type bound struct {
	check, bad float64
	value      func(m *Measured) float64
	good, text string // with one %s for the value
	digits     int    // of it
}

// The bounds. On phantoms (docs/accuracy.md) neighbours correlate by at most
// 0.02, edges by at most 0.1; interpolation by the scanner gives 0.4 and more.
var bounds = []bound{
	{0.25, 0.4, func(m *Measured) float64 { return m.Residual.Edges },
		"anatomy does not show in what was removed (correlation with edges %s)",
		"more was removed at the edges of the anatomy (correlation %s): signal may have been lost; look at the residual", 2},
	{1.05, 1.3, func(m *Measured) float64 { return m.Residual.StdOverSigma * m.Residual.StdOverSigma },
		"no more was removed than noise: its variance is %s σ²",
		"more was removed than noise (variance %s σ²): σ is too small, or signal was lost", 2},
	{1, 5, func(m *Measured) float64 { return m.Residual.ExcessKurtosis },
		"what was removed is distributed like noise (excess kurtosis %s)",
		"what was removed has heavy tails (excess kurtosis %s): artefacts, motion or lost signal in places", 2},
	{0.005, 0.05, func(m *Measured) float64 { return m.Metrics.Value("ndc_before") - m.Metrics.Value("ndc_after") },
		"", "volumes that are neighbours in q-space agree less after denoising than before (by %s)", 3},
	{0, 10, func(m *Measured) float64 { return m.Metrics.Value("percent_imputed") },
		"", "%s %% of the slices were lost and are estimated from the other directions", 2},
}

const (
	lowQuality  = 0.4 // neighbouring DWI correlation (Yeh 2019)
	hardlyAny   = 0.3 // variance removed in σ², below which little was gained
	fewForNoise = 7   // volumes below which everything rests on little redundancy
)

// whiteness judges the correlation of neighbours in what was removed. Noise that
// is correlated itself, as interpolation makes it, must come out correlated: then
// only what goes beyond it is bad.
func (m *Measured) whiteness() []Note {
	const check, bad = 0.15, 0.5
	largest, beyond := math.Inf(-1), math.Inf(-1)
	for a, r := range m.Residual.Lag1 {
		if math.IsNaN(r) {
			continue
		}
		largest = max(largest, r)
		if m.NoiseCorrelation != nil {
			r -= max(m.NoiseCorrelation[a], 0)
		}
		beyond = max(beyond, r)
	}
	switch {
	case math.IsInf(largest, -1):
		return nil
	case largest <= check:
		return []Note{{"good", fmt.Sprintf("what was removed is white: neighbours correlate by at most %s", decimals(largest, 2))}}
	case m.NoiseCorrelation != nil && beyond <= check:
		return []Note{{"check", fmt.Sprintf("what was removed is correlated (neighbours by %s) as the noise of this scan is: it was interpolated, zero-filled or filtered; denoise data exported without that if there are any", decimals(largest, 2))}}
	case m.NoiseCorrelation == nil && largest > bad || m.NoiseCorrelation != nil && beyond > bad:
		return []Note{{"bad", fmt.Sprintf("what was removed is not white, neighbours correlate by %s: signal was removed, or the scan was interpolated or filtered before", decimals(largest, 2))}}
	}
	return []Note{{"check", fmt.Sprintf("what was removed is not white, neighbours correlate by %s: the scan was interpolated or filtered before, or signal was removed", decimals(largest, 2))}}
}

// Judge holds the figures against documented bounds. warnings are what the
// denoiser itself said.
func Judge(m *Measured, warnings []string) Verdict {
	v := Verdict{Kind: "good"}
	add := func(kind, text string) { v.Reasons = append(v.Reasons, Note{kind, text}) }
	v.Reasons = append(v.Reasons, m.whiteness()...)
	for _, b := range bounds {
		value := b.value(m)
		switch {
		case math.IsNaN(value):
		case value > b.bad:
			add("bad", fmt.Sprintf(b.text, decimals(value, b.digits)))
		case value > b.check:
			add("check", fmt.Sprintf(b.text, decimals(value, b.digits)))
		case b.good != "":
			add("good", fmt.Sprintf(b.good, decimals(value, b.digits)))
		}
	}
	if r := m.Metrics.Value("ndc_after"); r < lowQuality {
		add("check", fmt.Sprintf("neighbouring DWI correlation is %s even after denoising; below %s the scan is of low quality (Yeh 2019)", figure(r), figure(lowQuality)))
	} else if before := m.Metrics.Value("ndc_before"); r >= before {
		add("good", fmt.Sprintf("volumes that are neighbours in q-space agree better than before: %s, before %s", figure(r), figure(before)))
	}
	if r := m.Metrics.Value("variance_removed"); r < hardlyAny {
		add("check", fmt.Sprintf("only %s σ² was removed: few volumes or hardly any noise, or σ is too large", figure(r)))
	}
	if n := m.Metrics.Value("volumes"); n < fewForNoise {
		add("check", fmt.Sprintf("%s volumes are few: noise map and denoising rest on little redundancy", figure(n)))
	}
	if math.IsNaN(m.Residual.StdOverSigma) {
		add("info", "no noise map was given: nothing is judged in units of the noise")
	}
	for _, w := range warnings {
		add("check", w)
	}
	return v.ordered()
}

// ordered puts the worst reasons first and takes over their kind.
func (v Verdict) ordered() Verdict {
	var sorted []Note
	for _, kind := range []string{"bad", "check", "info", "good"} {
		for _, r := range v.Reasons {
			if r.Kind == kind {
				sorted = append(sorted, r)
			}
		}
	}
	v.Reasons = sorted
	if len(sorted) > 0 && (sorted[0].Kind == "bad" || sorted[0].Kind == "check") {
		v.Kind = sorted[0].Kind
	}
	return v
}
