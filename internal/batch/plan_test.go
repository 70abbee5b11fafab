package batch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// TestPlanLeftovers: what a program killed while it wrote another plan left is taken
// away, but not what may still be written, nor what is no plan.
func TestPlanLeftovers(t *testing.T) {
	_, _, p := setup(t, 1)
	folder := filepath.Dir(p.File())
	if err := os.MkdirAll(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, gone := range map[string]bool{temporaryPrefix + "plan-1-a.jsonl.7": true, temporaryPrefix + "plan-2-b.jsonl.8": false, "plan-3-c.jsonl": false, temporaryPrefix + "x.9": false} {
		file := filepath.Join(folder, name)
		rewrite(t, file, "{")
		if !strings.Contains(name, "-2-") {
			long := time.Now().Add(-time.Hour)
			if err := os.Chtimes(file, long, long); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := p.Write(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) != gone {
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

// TestTabulate wants the metrics of every scan as columns behind those of the sidecars, n/a where a scan has none, rows in
// the order of names.
func TestTabulate(t *testing.T) {
	scan := func(sub string, metrics ...metric) result {
		r := result{Name: bids.Name{Entities: []bids.Entity{{Key: "sub", Value: sub}, {Key: "desc", Value: "denoised"}}, Suffix: "dwi"}, Metrics: metrics,
			meanings: map[string]meaning{"snr_b0": {"signal over noise", "ratio"}}}
		r.Sidecar.Summary.Sigma.Median = 2
		return r
	}
	value := func(v float64) *float64 { return &v }
	all, rows := tabulate([]result{
		scan("b", metric{"sigma_median", value(7)}, metric{"snr_b0", value(30)}),
		scan("a", metric{"snr_b0", nil}, metric{"snr_b1000", value(9)}),
		scan("c"),
	})
	var names []string
	for _, c := range all[len(columns):] {
		names = append(names, c.name)
	}
	if got := strings.Join(names, " "); got != "snr_b0 snr_b1000" {
		t.Errorf("columns behind those of the sidecars: %s", got)
	}
	if c := all[len(columns)]; c.description != "signal over noise" || c.units != "ratio" {
		t.Errorf("%+v", c)
	}
	for i, want := range []struct{ name, cells string }{{"sub-a_dwi", "n/a 9"}, {"sub-b_dwi", "30 n/a"}, {"sub-c_dwi", "n/a n/a"}} {
		if got := strings.Join(rows[i].Cells[len(columns):], " "); rows[i].Name != want.name || got != want.cells {
			t.Errorf("row %d: %s %q, want %v", i, rows[i].Name, got, want)
		}
		if rows[i].Cells[3] != "2" { // sigma_median stays the sidecar's
			t.Errorf("%s: cells %v", rows[i].Name, rows[i].Cells)
		}
	}
}

func TestReadMetrics(t *testing.T) {
	for text, want := range map[string]string{
		`{"b": 1.5, "a": null, "c": -2}`: "b=1.5 a=n/a c=-2", `{}`: "", `[1]`: "error", `{"a": "x"}`: "error", `{"a": 1`: "error", ``: "error",
	} {
		path := filepath.Join(t.TempDir(), "m.json")
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		list, err := readMetrics(path)
		var got []string
		for _, m := range list {
			got = append(got, m.name+"="+figure(m.value))
		}
		if shown := strings.Join(got, " "); err == nil && shown != want || (err != nil) != (want == "error") {
			t.Errorf("%s: %s, %v; want %s", text, shown, err, want)
		}
	}
}

func TestQuote(t *testing.T) {
	for word, want := range map[string]string{"a/b-c.d": "a/b-c.d", "": "''", "a b": "'a b'", "it's": `'it'\''s'`} {
		if got := quote(word); got != want {
			t.Errorf("quote(%q) = %s, want %s", word, got, want)
		}
	}
}
