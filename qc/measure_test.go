package qc

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// knownOutcome is a scan whose every figure is known: σ = 4 (8 in the half x ≥ 5), a clean signal of b0 100σ and of b1000
// 20σ ± 6σ over two directions, and a residual of ±σ in the pattern of a checkerboard.
func knownOutcome() Outcome {
	g := Grid{NX: 10, NY: 8, NZ: 6, VoxelSize: [3]float64{2, 2, 2}}
	n := g.Voxels()
	o := Outcome{Grid: g, Sigma: make([]float32, n), Mask: make([]bool, n),
		Table: &gradients.Table{BVals: []float64{0, 1000, 1000}, BVecs: [][3]float64{{}, {1, 0, 0}, {0, 1, 0}}}}
	for v := range 3 {
		for i := range n {
			x, y, z := i%10, i/10%8, i/80
			o.Sigma[i] = 4
			if x >= 5 {
				o.Sigma[i] = 8
			}
			o.Mask[i] = y < 6
			clean := []float32{100, 26, 14}[v] * o.Sigma[i]
			sign := float32(1 - 2*((x+y+z)%2))
			o.After = append(o.After, clean)
			o.Before = append(o.Before, clean+sign*o.Sigma[i])
		}
	}
	o.Sigma[3] = 0 // a voxel without a noise level is left out of figures in σ
	return o
}

func TestMeasureByDefinition(t *testing.T) {
	seven := 7.5
	m, err := Measure(context.Background(), knownOutcome(), Known{
		Risks:   []Risk{{Prior: "a", RMSE: 0.6, ByShell: []float64{0.7, 0.5}}, {Prior: "b", RMSE: 0.5, ByShell: []float64{0.6, 0.4}, Accepted: true}},
		Imputed: &Imputation{Percent: 2.5, Slices: 3}, Timings: &Timings{Seconds: 3, Threads: 2}, B0Sigma: &seven}, 3)
	if err != nil {
		t.Fatal(err)
	}
	schedule, _ := diffusion.Cosine(1000)
	// The spread of ±1 about 26 and 14 is √(36 + 1 - 1): the variance of noise is taken off.
	step, _ := schedule.TimestepFor(1.0 / 6)
	for name, want := range map[string]float64{
		"volumes": 3, "b0_volumes": 1, "shells": 1, "mask_voxels": 360,
		"sigma_p25": 4, "sigma_p75": 8, "sigma_iqr": 4, "sigma_b0_repeats": 7.5,
		"snr_b0": 100, "snr_b1000": 20, "cnr_b1000": 6,
		"variance_removed_b0": 1, "variance_removed_b1000": 1, "timestep_b1000": step,
		"residual_lag1_x": -1, "residual_lag1_y": -1, "residual_lag1_z": -1, "residual_mean": 0,
		"bad_slices": 3, "percent_imputed": 2.5, "sure_rmse": 0.5, "sure_rmse_b0": 0.6, "sure_rmse_b1000": 0.4,
		"ndc_after": 1, "seconds": 3, "threads": 2,
	} {
		got := m.Metrics.Value(name)
		// One voxel of 360 lacks σ, and the residual weighs the pairs across the step of σ differently.
		tolerance := 0.01 * math.Max(1, math.Abs(want))
		if strings.HasPrefix(name, "residual_lag1") {
			tolerance = 0.1
		}
		if !(math.Abs(got-want) <= tolerance) {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	if v := m.Metrics.Value("cnr_b0"); !math.IsNaN(v) {
		t.Errorf("cnr_b0 = %v, want none", v)
	}
	if v := m.VolumeRMS[1]; math.Abs(v-1) > 1e-6 {
		t.Errorf("rms of volume 1 is %v σ, want 1", v)
	}
	if n := m.Histogram[int((1+histogramSpan)*10)] + m.Histogram[int((-1+histogramSpan)*10)]; n < 1000 {
		t.Errorf("%v of 1077 residuals of ±1 σ in their bins", n)
	}
}

// TestMeasureSpread draws noise and wants the spread and t* of the clean signal back.
func TestMeasureSpread(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	o := knownOutcome()
	o.Table, o.Mask, o.Sigma = nil, nil, constant(o.Grid.Voxels(), 4)
	for i := range o.Before {
		o.After[i] = float32(200 + 40*math.Sin(float64(i)))
		o.Before[i] = o.After[i] + float32(4*rng.NormFloat64())
	}
	o.Mask = make([]bool, o.Grid.Voxels())
	for i := range o.Mask {
		o.Mask[i] = true
	}
	m, err := Measure(context.Background(), o, Known{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	// 40/√2 over 4 is 7.07; 1440 values know it to a few per cent.
	if math.Abs(m.Spread-10/math.Sqrt2) > 0.2 {
		t.Errorf("spread %v, want %v", m.Spread, 10/math.Sqrt2)
	}
	schedule, _ := diffusion.Cosine(1000)
	if want := 1 / m.Spread; math.Abs(schedule.Sigma(m.Timestep)-want) > 1e-9 {
		t.Errorf("t* = %v has noise %v, want %v", m.Timestep, schedule.Sigma(m.Timestep), want)
	}
	if v := m.Metrics.Value("snr_b0"); !math.IsNaN(v) {
		t.Errorf("a shell without a table: snr_b0 = %v", v)
	}
}

func TestMetricsForms(t *testing.T) {
	o := knownOutcome()
	o.Sigma = nil // much is not defined now
	m, err := Measure(context.Background(), o, Known{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(m.Metrics)
	if err != nil || strings.Contains(string(data), "NaN") {
		t.Fatalf("%s, %v", data, err)
	}
	var object map[string]*float64
	if err := json.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	if v, ok := object["sigma_median"]; !ok || v != nil {
		t.Errorf("sigma_median is %v, want null", v)
	}
	lines := strings.Split(m.Metrics.TSV("sub-01\tx"), "\n")
	head, row := strings.Split(lines[0], "\t"), strings.Split(lines[1], "\t")
	if len(lines) != 3 || len(head) != len(row) || len(head) != len(m.Metrics)+1 || row[0] != "sub-01 x" || head[0] != "bids_name" {
		t.Errorf("table %q", lines)
	}
	dictionary, err := m.Metrics.Dictionary()
	if err != nil {
		t.Fatal(err)
	}
	var entries map[string]struct{ Description string }
	if err := json.Unmarshal(dictionary, &entries); err != nil {
		t.Fatal(err)
	}
	for i, name := range head {
		if entries[name].Description == "" {
			t.Errorf("%s is not explained", name)
		}
		if name == "sigma_median" && row[i] != "n/a" {
			t.Errorf("sigma_median is %s in the table", row[i])
		}
	}
	if again, _ := json.Marshal(m.Metrics); string(again) != string(data) {
		t.Error("the order of metrics varies")
	}
}

func TestMeasureRefuses(t *testing.T) {
	for name, spoil := range map[string]func(o *Outcome){
		"after":  func(o *Outcome) { o.After = o.After[1:] },
		"sigma":  func(o *Outcome) { o.Sigma = o.Sigma[1:] },
		"mask":   func(o *Outcome) { o.Mask = o.Mask[1:] },
		"empty":  func(o *Outcome) { o.Mask = make([]bool, o.Grid.Voxels()) },
		"table":  func(o *Outcome) { o.Table.BVals = o.Table.BVals[1:] },
		"finite": func(o *Outcome) { o.After[7] = float32(math.NaN()) },
		"shells": func(o *Outcome) { o.Shells.All = []gradients.Shell{{Volumes: []int{5}}} },
	} {
		t.Run(name, func(t *testing.T) {
			o := knownOutcome()
			spoil(&o)
			if _, err := Measure(context.Background(), o, Known{}, 1); !errors.Is(err, ErrInput) {
				t.Errorf("error %v, want ErrInput", err)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	nan := math.NaN()
	measured := func(change func(m *Measured)) *Measured {
		m := &Measured{Residual: Residual{StdOverSigma: 0.8, Lag1: [3]float64{0.01, 0.02, -0.3}, Edges: 0.05, ExcessKurtosis: 0.1},
			Metrics: Metrics{{Name: "ndc_before", Value: 0.7}, {Name: "ndc_after", Value: 0.8}, {Name: "variance_removed", Value: 0.64}, {Name: "volumes", Value: 33}, {Name: "percent_imputed", Value: 0}}}
		change(m)
		return m
	}
	set := func(name string, v float64) func(m *Measured) {
		return func(m *Measured) {
			for i := range m.Metrics {
				if m.Metrics[i].Name == name {
					m.Metrics[i].Value = v
				}
			}
		}
	}
	for name, c := range map[string]struct {
		change   func(m *Measured)
		warnings []string
		want     string
		reason   string
	}{
		"clean":                  {func(*Measured) {}, nil, "good", "what was removed is white: neighbours correlate by at most 0.02"},
		"interpolated":           {func(m *Measured) { m.Residual.Lag1[1] = 0.3 }, nil, "check", "neighbours correlate by 0.30"},
		"very":                   {func(m *Measured) { m.Residual.Lag1[1] = 0.6 }, nil, "bad", "neighbours correlate by 0.60"},
		"interpolated and known": {func(m *Measured) { m.Residual.Lag1[1], m.NoiseCorrelation = 0.6, &[3]float64{0, 0.55, 0} }, nil, "check", "as the noise of this scan is"},
		"beyond the noise":       {func(m *Measured) { m.Residual.Lag1[1], m.NoiseCorrelation = 0.9, &[3]float64{0.5, 0.2, 0} }, nil, "bad", "neighbours correlate by 0.90"},
		"edges":                  {func(m *Measured) { m.Residual.Edges = 0.45 }, nil, "bad", "edges of the anatomy (correlation 0.45)"},
		"strong":                 {func(m *Measured) { m.Residual.StdOverSigma = 1.1 }, nil, "check", "variance 1.21 σ²"},
		"tails":                  {func(m *Measured) { m.Residual.ExcessKurtosis = 7 }, nil, "bad", "excess kurtosis 7.00"},
		"less coherent":          {set("ndc_after", 0.6), nil, "bad", "agree less after denoising than before (by 0.100)"},
		"low quality":            {func(m *Measured) { set("ndc_before", 0.2)(m); set("ndc_after", 0.3)(m) }, nil, "check", "below 0.4"},
		"imputed":                {set("percent_imputed", 0.5), nil, "check", "0.50 % of the slices"},
		"much imputed":           {set("percent_imputed", 12), nil, "bad", "12.00 % of the slices"},
		"little":                 {set("variance_removed", 0.1), nil, "check", "only 0.1 σ² was removed"},
		"few volumes":            {set("volumes", 5), nil, "check", "5 volumes are few"},
		"warned":                 {func(*Measured) {}, []string{"look here"}, "check", "look here"},
		"no sigma": {func(m *Measured) {
			m.Residual.StdOverSigma = nan
			set("variance_removed", nan)(m)
		}, nil, "good", "no noise map was given"},
	} {
		t.Run(name, func(t *testing.T) {
			v := Judge(measured(c.change), c.warnings)
			text := ""
			for _, r := range v.Reasons {
				text += r.Kind + ": " + r.Text + "\n"
			}
			if v.Kind != c.want || !strings.Contains(text, c.reason) {
				t.Errorf("%s, want %s with %q:\n%s", v.Kind, c.want, c.reason, text)
			}
			if v.Reasons[0].Kind != v.Kind && v.Kind != "good" {
				t.Errorf("the first reason is %s", v.Reasons[0].Kind)
			}
		})
	}
}
