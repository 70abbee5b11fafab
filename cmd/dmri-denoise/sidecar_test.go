package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
)

// FuzzSidecar carries arbitrary bytes over as the sidecar of a scan: what comes out is a JSON object with our own words
// in our own fields, and every other field of an input that is one.
func FuzzSidecar(f *testing.F) {
	for _, text := range []string{`{"EchoTime": 0.089, "PhaseEncodingDirection": "j-"}`, `{"SoftwareName": "other", "RandomSeed": "x"}`, `[]`, `null`, `{`, "",
		`{"SkullStripped": 3}`, "\ufeff{}", `{"a": 1e999, "b": "\ud800"}`, `{"</script>": "<script>"}`, `{"a":1,"a":2}`, `{"DenoiseParameters": {"Seed": 5}}`} {
		f.Add([]byte(text))
	}
	cosine, err := diffusion.Cosine(defaultTimesteps)
	if err != nil {
		f.Fatal(err)
	}
	file := filepath.Join(f.TempDir(), "in.json")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(file, data, 0o666); err != nil {
			t.Fatal(err)
		}
		plan := &runPlan{options: runOptions{input: "dwi.nii.gz", sampler: "mean", schedule: cosine, seed: 7}, sidecarIn: file}
		out, warnings, err := plan.sidecarJSON(&denoise.Result{}, nil)
		if err != nil {
			t.Fatalf("sidecar %q: %v", data, err)
		}
		var got map[string]json.RawMessage
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("sidecar %q makes %q, which is no JSON: %v", data, out, err)
		}
		if string(got["SoftwareName"]) != `"dmri-denoise"` || string(got["RandomSeed"]) != "7" {
			t.Errorf("sidecar %q speaks for us: %s, %s", data, got["SoftwareName"], got["RandomSeed"])
		}
		var in map[string]json.RawMessage
		if json.Unmarshal(data, &in) != nil {
			if len(warnings) == 0 {
				t.Errorf("sidecar %q was not carried over, and no warning says so", data)
			}
			return
		}
		for key := range in {
			if _, ok := got[key]; !ok {
				t.Errorf("sidecar %q: field %q is lost", data, key)
			}
		}
	})
}
