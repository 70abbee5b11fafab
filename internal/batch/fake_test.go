package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/internal/bids"
)

// fake is a Runner that copies its input, and remembers what ran at the same time.
type fake struct {
	mu      sync.Mutex
	calls   int
	running int
	memory  int64
	peak    struct {
		running int
		memory  int64
	}
	gate chan struct{} // if set, every run waits for it
}

func (f *fake) run(ctx context.Context, job Job) (Report, error) {
	f.mu.Lock()
	f.calls++
	f.running++
	f.memory += job.Memory
	f.peak.running, f.peak.memory = max(f.peak.running, f.running), max(f.peak.memory, f.memory)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.running--
		f.memory -= job.Memory
		f.mu.Unlock()
	}()
	if f.gate != nil {
		select {
		case <-f.gate:
		case <-ctx.Done():
			return Report{}, ctx.Err()
		}
	}
	data, err := os.ReadFile(job.Task.Image)
	if err != nil {
		return Report{}, err
	}
	if strings.HasPrefix(string(data), "broken") {
		return Report{}, &RunError{ExitCode: 3, Reason: job.Task.Image + ": broken", Remedy: "mend it"}
	}
	fmt.Fprintln(job.Log, "working")
	stem := strings.TrimSuffix(job.Output, ".nii.gz")
	files := map[string]string{
		job.Output: string(data), stem + ".bval": "0", stem + ".bvec": "0", job.Noise: "sigma",
		stem + ".json": `{"DenoiseMethod": "copy", "SkullStripped": false, "EchoTime": 1, "DenoiseSummary": {"volumes": 7, "sigma": {"source": "measured", "median": 2.5}, "shells": [{"b_value": 0, "volumes": 7}]}}`,
		filepath.Join(job.Pictures, "noise_map.png"):     "png",
		stem + "_outlier_slices.tsv":                     "volume\tslice\n",
		stem + "_second_map.nii.gz":                      "map",
		filepath.Join(job.Dir, "figures", "report.html"): "<html>",
	}
	for _, m := range job.Maps {
		files[m] = "map"
	}
	for name, content := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return Report{}, err
		}
		if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
			return Report{}, err
		}
	}
	return Report{Warnings: []string{"look"}, PeakMemory: 1 << 20}, nil
}

// setup makes a data set of n subjects with one scan each and the plan for it. Subjects listed in broken fail.
func setup(t *testing.T, n int, broken ...int) (*Executor, *fake, *Plan) {
	t.Helper()
	root := t.TempDir()
	raw, out := filepath.Join(root, "raw"), filepath.Join(root, "out [1]") // no pattern
	write := func(name, content string) string {
		path := filepath.Join(raw, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	bval, bvec := write("dwi.bval", "0"), write("dwi.bvec", "0")
	sidecar := write("dwi.json", `{"RepetitionTime": 3, "EchoTime": 2, "SkullStripped": true}`)
	p := &Plan{Header: Header{Format: planFormat, ID: "p1", Version: "1.0", BIDSDir: raw, OutDir: out, WorkDir: filepath.Join(out, ".work"), Threads: 1, Group: true}}
	for i := range n {
		content := fmt.Sprintf("scan %d", i)
		for _, b := range broken {
			if b == i {
				content = "broken"
			}
		}
		name := fmt.Sprintf("sub-%02d_dwi.nii.gz", i)
		p.Tasks = append(p.Tasks, Task{Index: i, Source: name, Image: write(fmt.Sprintf("sub-%02d/dwi/%s", i, name), content), BVal: bval, BVec: bvec,
			Sidecars: []string{sidecar}, Settings: []Setting{{Name: "seed", Value: "1"}}, Memory: 100 << 20, Seconds: 60})
	}
	f := &fake{}
	e := &Executor{Header: p.Header, Runner: f.run, Generator: bids.Generator{Name: "dmri-denoise", Version: "1.0"}}
	if err := e.Prepare(&bids.Dataset{Root: raw}); err != nil {
		t.Fatal(err)
	}
	return e, f, p
}

func count(outcomes []Outcome, s Status) int {
	n := 0
	for _, o := range outcomes {
		if o.Status == s {
			n++
		}
	}
	return n
}

// files lists what lies below a folder, logs left out.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if entry.Name() == logFolder {
				return filepath.SkipDir
			}
			return nil
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		found[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func readMap(t *testing.T, path string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(path)
	var m map[string]any
	if err = errors.Join(err, json.Unmarshal(data, &m)); err != nil {
		t.Fatal(err)
	}
	return m
}
