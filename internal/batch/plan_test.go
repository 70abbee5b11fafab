package batch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmri-denoise/dmri-denoise/internal/bids"
)

func TestPlanFile(t *testing.T) {
	_, _, p := setup(t, 3)
	p.Tasks[1].Problem = &Problem{Reason: "r", Remedy: "m", Content: true}
	p.Slurm = &SlurmOptions{Program: []string{"x"}}
	file, err := p.Write()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := ReadPlan(file, -1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, whole); diff != "" {
		t.Error(diff)
	}
	one, err := ReadPlan(file, 2)
	if err != nil || len(one.Tasks) != 1 || one.Tasks[0].ID() != "sub-02_dwi" {
		t.Errorf("one task: %+v, %v", one, err)
	}
	if _, err := ReadPlan(file, 3); !errors.Is(err, ErrPlan) {
		t.Errorf("a task too far: %v", err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"empty": "", "other": `{"a": 1}` + "\n", "cut": string(data[:len(data)-9]), "no name": strings.Replace(string(data), "sub-01_dwi.nii.gz", "x y", 1)} {
		bad := filepath.Join(t.TempDir(), "plan.jsonl")
		rewrite(t, bad, text)
		if _, err := ReadPlan(bad, -1); !errors.Is(err, ErrPlan) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSettingsDigest(t *testing.T) {
	base := Task{Settings: []Setting{{Name: "mask", Value: "/a/m.nii", File: true}}, Maps: []string{"residual"}}
	moved := Task{Settings: []Setting{{Name: "mask", Value: "/b/m.nii", File: true}}, Maps: []string{"residual"}}
	if settingsDigest("1", base) != settingsDigest("1", moved) {
		t.Error("a file's place counts; its content should")
	}
	for name, other := range map[string]string{
		"version": settingsDigest("2", base), "maps": settingsDigest("1", Task{Settings: base.Settings}),
		"text": settingsDigest("1", Task{Settings: []Setting{{Name: "mask", Value: "/a/m.nii"}}, Maps: base.Maps}),
	} {
		if other == settingsDigest("1", base) {
			t.Errorf("%s does not count", name)
		}
	}
}

func TestPlot(t *testing.T) {
	var done []result
	for i, v := range []float64{1, 1.1, 0.9, 1.05, 0.95, 9} {
		r := result{Name: bids.Name{Entities: []bids.Entity{{Key: "sub", Value: string(rune('a' + i))}}, Suffix: "dwi"}}
		r.Sidecar.Summary.Sigma.Median = v
		done = append(done, r)
	}
	for _, c := range columns {
		if c.name != "sigma_median" {
			continue
		}
		p := newPlot(c, done)
		if p.Outliers != 1 || !p.Dots[5].Outlier || p.Low != "0.9" || p.High != "9" {
			t.Errorf("%+v", p)
		}
	}
	if q := quantile([]float64{1, 2, 3, 4}, 0.5); q != 2.5 {
		t.Errorf("median %g", q)
	}
}

func TestQuote(t *testing.T) {
	for word, want := range map[string]string{"a/b-c.d": "a/b-c.d", "": "''", "a b": "'a b'", "it's": `'it'\''s'`} {
		if got := quote(word); got != want {
			t.Errorf("quote(%q) = %s, want %s", word, got, want)
		}
	}
}
