package batch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmri-denoise/dmri-denoise/internal/bids"
)

// TestLocal runs eight scans of which one is broken, and looks at everything that was written.
func TestLocal(t *testing.T) {
	e, f, p := setup(t, 8, 3)
	var ended int
	outcomes := e.Local(context.Background(), p.Tasks, LocalOptions{Threads: 3, Memory: 250 << 20, Observe: func(_ Task, o *Outcome) {
		if o != nil {
			ended++
		}
	}})
	if count(outcomes, Done) != 7 || count(outcomes, Failed) != 1 || ended != 8 {
		t.Fatalf("outcomes %+v, %d ended", outcomes, ended)
	}
	if f.peak.running > 2 || f.peak.memory > 250<<20 {
		t.Errorf("%d at once with %d MiB; 250 MiB hold two of 110", f.peak.running, f.peak.memory>>20)
	}
	if o := outcomes[3]; o.State.ExitCode != 3 || o.State.Remedy != "mend it" || !strings.Contains(o.State.Reason, "broken") {
		t.Errorf("failed scan: %+v", o.State)
	}
	if _, err := e.Group(context.Background()); err != nil {
		t.Fatal(err)
	}
	found := files(t, e.OutDir)
	for name, content := range found {
		if strings.HasPrefix(name, "sub-") && strings.Contains(name, "/") {
			if err := bids.CheckDerivativeName(name); err != nil {
				t.Error(err)
			}
		}
		if strings.Contains(name, ".work") || strings.Contains(name, temporaryPrefix) || content == "" {
			t.Errorf("left over: %s", name)
		}
	}
	for _, name := range []string{"sub-00/dwi/sub-00_desc-denoised_dwi.nii.gz", "sub-00/dwi/sub-00_desc-denoised_dwi.bval", "sub-00/dwi/sub-00_stat-sigma_dwimap.nii.gz",
		"sub-00/dwi/sub-00_stat-sigma_dwimap.json", "sub-00/dwi/sub-00_stat-secondMap_dwimap.nii.gz", "sub-00/figures/sub-00_desc-noiseMap_dwi.png",
		"sub-00/figures/sub-00_desc-report_dwi.html", "sub-00/figures/sub-00_desc-outlierSlices_dwi.tsv", "sub-03.html", "group_dwi.html", "dataset_description.json", ".bidsignore"} {
		if found[name] == "" {
			t.Errorf("%s is missing", name)
		}
	}
	if found["sub-03/dwi/sub-03_desc-denoised_dwi.nii.gz"] != "" || !strings.Contains(found["sub-03.html"], "mend it") {
		t.Error("the broken scan has an image, or its page no reason")
	}
	if table := strings.Split(found["group_dwi.tsv"], "\n"); len(table) != 9 || !strings.HasPrefix(table[1], "sub-00_dwi\t7\t0:7\t0\t2.5\t") || !strings.Contains(table[1], "\tn/a\t") {
		t.Errorf("group table:\n%s", found["group_dwi.tsv"])
	}
	sidecar := readMap(t, filepath.Join(e.OutDir, "sub-00/dwi/sub-00_desc-denoised_dwi.json"))
	if sidecar["RepetitionTime"] != 3.0 || sidecar["EchoTime"] != 1.0 || sidecar["SkullStripped"] != true || sidecar["Sources"].([]any)[0] != "bids:raw:sub-00/dwi/sub-00_dwi.nii.gz" {
		t.Errorf("sidecar %v", sidecar)
	}
	if log, err := os.ReadFile(e.LogFile(p.Tasks[0])); err != nil || !strings.Contains(string(log), "working") {
		t.Errorf("log %q, %v", log, err)
	}
}

// TestResume runs a batch again after one thing or another has changed.
func TestResume(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(t *testing.T, e *Executor, p *Plan)
		want   Status
		calls  int
		reason string
	}{
		{"nothing", func(*testing.T, *Executor, *Plan) {}, Skipped, 1, ""},
		{"only the time of the input", func(t *testing.T, e *Executor, p *Plan) { touch(t, p.Tasks[0].Image) }, Skipped, 1, ""},
		{"the record is gone", func(t *testing.T, e *Executor, p *Plan) { os.RemoveAll(filepath.Join(e.OutDir, logFolder)) }, Skipped, 1, ""},
		{"force", func(t *testing.T, e *Executor, p *Plan) { e.Force = true }, Done, 2, ""},
		{"the input", func(t *testing.T, e *Executor, p *Plan) { rewrite(t, p.Tasks[0].Image, "scan X") }, Failed, 1, "made from other input files"},
		{"metadata above", func(t *testing.T, e *Executor, p *Plan) { rewrite(t, p.Tasks[0].Sidecars[0], `{"x": 1}`) }, Failed, 1, "made from other input files"},
		{"a setting", func(t *testing.T, e *Executor, p *Plan) { p.Tasks[0].Settings[0].Value = "2" }, Failed, 1, "made with other settings"},
		{"the version", func(t *testing.T, e *Executor, p *Plan) { e.Version = "2.0" }, Failed, 1, "made by version 1.0, this is 2.0"},
		{"the image is gone", func(t *testing.T, e *Executor, p *Plan) { os.Remove(imageOf(e, 0)) }, Done, 2, ""},
		{"somebody else's image", func(t *testing.T, e *Executor, p *Plan) {
			rewrite(t, strings.TrimSuffix(imageOf(e, 0), ".nii.gz")+".json", "{}")
		}, Failed, 1, "not made by batch"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, f, p := setup(t, 1)
			if got := e.Local(context.Background(), p.Tasks, LocalOptions{Threads: 1}); got[0].Status != Done {
				t.Fatalf("first run: %+v", got[0])
			}
			first := files(t, e.OutDir)
			test.change(t, e, p)
			var killed []string // what an attempt left that was killed while it wrote the record and the page
			for _, name := range []string{e.stateFile(p.Tasks[0].ID()), e.pageFile("00")} {
				left := filepath.Join(filepath.Dir(name), strings.TrimSuffix(temporaryName(name), "*")+"123")
				if os.WriteFile(left, nil, 0o666) == nil { // one case has no folder for it
					killed = append(killed, left)
					if err := os.Chtimes(left, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
						t.Fatal(err)
					}
				}
			}
			got := e.Local(context.Background(), p.Tasks, LocalOptions{Threads: 1})
			if got[0].Status != test.want || f.calls != test.calls || !strings.Contains(got[0].State.Reason, test.reason) {
				t.Errorf("%s (%q), %d runs; want %s, %d", got[0].Status, got[0].State.Reason, f.calls, test.want, test.calls)
			}
			for _, name := range killed {
				if _, err := os.Lstat(name); err == nil {
					t.Errorf("%s is still there", name)
				}
			}
			if test.want == Done {
				second := files(t, e.OutDir)
				for name := range first {
					if first[name] != second[name] {
						t.Errorf("%s differs after the second run", name)
					}
				}
			}
		})
	}
}

// TestOldMapsGo: what other settings made is taken away; other scans of the subject keep theirs.
func TestOldMapsGo(t *testing.T) {
	e, _, p := setup(t, 1)
	p.Tasks[0].Maps = []string{"residual"}
	other := p.Tasks[0]
	other.Index, other.Source = 1, "sub-00_run-2_dwi.nii.gz"
	e.Local(context.Background(), append(p.Tasks, other), LocalOptions{Threads: 1})
	e.Force = true
	p.Tasks[0].Maps = nil
	e.Local(context.Background(), p.Tasks, LocalOptions{Threads: 1})
	found := files(t, e.OutDir)
	for name, want := range map[string]bool{"sub-00/dwi/sub-00_stat-residual_dwimap.nii.gz": false, "sub-00/dwi/sub-00_stat-residual_dwimap.json": false,
		"sub-00/dwi/sub-00_stat-sigma_dwimap.nii.gz": true, "sub-00/figures/sub-00_desc-noiseMap_dwi.png": true,
		"sub-00/dwi/sub-00_run-2_stat-residual_dwimap.nii.gz": true, "sub-00/figures/sub-00_run-2_desc-noiseMap_dwi.png": true} {
		if got := found[name] != ""; got != want {
			t.Errorf("%s: there %v, want %v", name, got, want)
		}
	}
}

func imageOf(e *Executor, i int) string {
	return filepath.Join(e.OutDir, "sub-0"+string(rune('0'+i)), "dwi", "sub-0"+string(rune('0'+i))+"_desc-denoised_dwi.nii.gz")
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
}

func rewrite(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestStop ends the context while scans run: nothing may be left but records, and the next run does the rest.
func TestStop(t *testing.T) {
	e, f, p := setup(t, 5)
	f.gate = make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	started := 0
	outcomes := e.Local(ctx, p.Tasks, LocalOptions{Threads: 2, Observe: func(_ Task, o *Outcome) {
		if o == nil {
			if started++; started == 2 {
				cancel()
			}
		}
	}})
	if count(outcomes, Interrupted) != 2 || count(outcomes, Waiting) != 3 {
		t.Fatalf("outcomes %+v", outcomes)
	}
	for name := range files(t, e.OutDir) {
		if strings.HasPrefix(name, "sub-") || strings.HasPrefix(name, ".work") {
			t.Errorf("left over: %s", name)
		}
	}
	close(f.gate)
	if again := e.Local(context.Background(), p.Tasks, LocalOptions{Threads: 2}); count(again, Done) != 5 {
		t.Errorf("second run: %+v", again)
	}
}

// TestAfterKill finds what a killed process leaves: its work folder, sidecars without an image, a record that says running.
func TestAfterKill(t *testing.T) {
	e, f, p := setup(t, 1)
	rewriteAt := func(path, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		rewrite(t, path, content)
	}
	rewriteAt(filepath.Join(e.WorkDir, "sub-00_dwi", "half.nii.gz"), "half")
	rewriteAt(filepath.Join(e.OutDir, "sub-00", "dwi", "sub-00_desc-denoised_dwi.bval"), "old")
	if err := e.writeState(State{Task: "sub-00_dwi", Plan: p.ID, Status: Running, Attempt: 1}); err != nil {
		t.Fatal(err)
	}
	if got := p.Statuses(nil); got[0].Status != Interrupted || len(Remaining(got)) != 1 {
		t.Errorf("status before: %+v", got[0])
	}
	got := e.Local(context.Background(), p.Tasks, LocalOptions{Threads: 1})
	if got[0].Status != Done || got[0].State.Attempt != 2 || f.calls != 1 {
		t.Errorf("%+v", got[0])
	}
	if found := files(t, e.OutDir); found["sub-00/dwi/sub-00_desc-denoised_dwi.bval"] != "0" {
		t.Error("the old table is still there")
	}
	if got := p.Statuses(nil); got[0].Status != Done || len(Remaining(got)) != 0 {
		t.Errorf("status after: %+v", got[0])
	}
}

func TestOneAtATime(t *testing.T) {
	e, _, p := setup(t, 1)
	unlock, err := e.lock(p.Tasks[0])
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	got := e.Run(context.Background(), p.Tasks[0], Resources{Threads: 1})
	if got.Status != Failed || !errors.Is(got.Err, ErrBusy) {
		t.Errorf("%+v", got)
	}
}

func TestTooLarge(t *testing.T) {
	e, f, p := setup(t, 2)
	p.Tasks[0].Memory = 1 << 40
	got := e.Local(context.Background(), p.Tasks, LocalOptions{Threads: 2, Memory: 1 << 30})
	if got[0].Status != Failed || got[0].State.ExitCode != exitNoResources || got[1].Status != Done || f.calls != 1 {
		t.Errorf("%+v", got)
	}
}

// TestProblem: a scan that could not be used when planned is looked at again if only its content was missing.
func TestProblem(t *testing.T) {
	e, _, p := setup(t, 3)
	p.Tasks[0].Problem = NewProblem(&bids.FileError{Path: "x", Err: bids.ErrNotFetched, Remedy: "datalad get x"})
	p.Tasks[1].Problem = NewProblem(&bids.FileError{Path: "x", Err: bids.ErrEmpty})
	rewrite(t, p.Tasks[1].Image, "")
	p.Tasks[2].Problem = NewProblem(&bids.FileError{Path: "x", Err: bids.ErrAmbiguous, Remedy: "rename"})
	got := e.Local(context.Background(), p.Tasks, LocalOptions{Threads: 1})
	if got[0].Status != Done || got[1].Status != Failed || got[2].Status != Failed || got[2].State.Remedy != "rename" || got[2].State.ExitCode != 3 {
		t.Errorf("%+v", got)
	}
}

func TestLastScanGetsTheRest(t *testing.T) {
	e, _, p := setup(t, 1)
	var threads int
	e.Runner = func(_ context.Context, job Job) (Report, error) {
		threads = job.Threads
		return Report{}, errors.New("stop here")
	}
	e.Local(context.Background(), p.Tasks, LocalOptions{Threads: 8, Jobs: 4})
	if threads != 8 {
		t.Errorf("a single scan got %d of 8 threads", threads)
	}
}
