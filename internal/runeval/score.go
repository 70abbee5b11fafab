package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// scoreRow is one case of score.py.
type scoreRow struct {
	Case       string
	Noisy      figures
	P2S        figures `json:"p2s"`
	Dwidenoise figures
	Ours       figures
	Ratio      float64
	Ratio2     *float64
	TimeRatio  float64 `json:"time_ratio"`
	Recorded   struct{ Dwidenoise2, Prototype float64 }
}

type figures struct {
	RMSE, Bias, Seconds float64
	SigmaError          float64 `json:"sigma_error"`
}

// scores is the table of score.py in the page's words.
func (e *evaluation) scores() (string, error) {
	if e.score == "" {
		return "(not measured: no figures of score.py were given)", nil
	}
	data, err := os.ReadFile(e.score)
	if err != nil {
		return "", err
	}
	var rows []scoreRow
	if err := json.Unmarshal(data, &rows); err != nil {
		return "", fmt.Errorf("%s: %w", e.score, err)
	}
	var b strings.Builder
	fmt.Fprintln(&b, "| case | noisy | P2S | dwidenoise | dwidenoise2 | prototype | ours | ours / dwidenoise | ours / dwidenoise2 | bias | σ map | time / dwidenoise |")
	fmt.Fprintln(&b, "|---|---|---|---|---|---|---|---|---|---|---|---|")
	var simulated, real, second []float64
	worst := 0.0
	for _, r := range rows {
		two := "–"
		if r.Ratio2 != nil {
			second = append(second, *r.Ratio2)
			two = fmt.Sprintf("%.3f", *r.Ratio2)
		}
		fmt.Fprintf(&b, "| %s | %.3f | %.3f | %.3f | %.3f | %.3f | **%.3f** | %.3f | %s | %+.3f | %.1f %% | %.3f |\n", r.Case, r.Noisy.RMSE, r.P2S.RMSE, r.Dwidenoise.RMSE,
			r.Recorded.Dwidenoise2, r.Recorded.Prototype, r.Ours.RMSE, r.Ratio, two, r.Ours.Bias, 100*r.Ours.SigmaError, r.TimeRatio)
		if strings.HasPrefix(r.Case, "tissue") {
			real = append(real, r.Ratio)
		} else {
			simulated = append(simulated, r.Ratio)
		}
		worst = max(worst, r.Ratio)
	}
	fmt.Fprintln(&b, "\n| | must | aim | measured |\n|---|---|---|---|")
	fmt.Fprintf(&b, "| RMSE / dwidenoise, simulated, mean | ≤ 0.60 | ≤ 0.50 | %.3f |\n", mean(simulated))
	fmt.Fprintf(&b, "| RMSE / dwidenoise, real tissue + noise, mean | ≤ 0.80 | ≤ 0.70 | %.3f |\n", mean(real))
	fmt.Fprintf(&b, "| worst case | ≤ 0.88 | | %.3f |\n", worst)
	fmt.Fprintf(&b, "| RMSE / dwidenoise2, mean | ≤ 0.85 | ≤ 0.70 | %.3f |\n", mean(second))
	return b.String(), nil
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x / float64(len(v))
	}
	return sum
}
