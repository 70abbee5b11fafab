package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// memoryScan is one size to measure.
type memoryScan struct {
	shape, protocol string
	limit           string // of --mem for the run in a scratch file
	large           bool
	prior           string // "" for the one that run takes by itself
}

var memoryScans = []memoryScan{
	{shape: "48,48,20", protocol: "small"},
	{shape: "64,64,24", protocol: "clinical", limit: "100M"},
	{shape: "64,64,24", protocol: "clinical", prior: "learned"},
	{shape: "96,96,40", protocol: "clinical", limit: "220M"},
	{shape: "96,96,40", protocol: "clinical", prior: "learned"},
	{shape: "96,96,48", protocol: "multishell", limit: "300M"},
	{shape: "100,100,60", protocol: "hcp", limit: "400M"},
	{shape: "145,174,145", protocol: "hcp", limit: "3G", large: true},
}

// memoryTable holds the peak of a run against what info and run foretell, and that of a run in a scratch file against
// what it was allowed.
func (e *evaluation) memoryTable(ctx context.Context) (string, error) {
	var b strings.Builder
	b.WriteString("| scan | in float32 | mask | foretold | peak | off by | --mem | peak with it | same bytes |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, s := range memoryScans {
		if s.large && !e.large {
			continue
		}
		folder := filepath.Join(e.dir, strings.ReplaceAll(s.shape, ",", "x")+s.protocol)
		if _, err := os.Stat(folder); err != nil {
			if out, err := exec.CommandContext(ctx, e.bin, "phantom", folder, "--shape", s.shape, "--protocol", s.protocol, "--rician", "-q").CombinedOutput(); err != nil {
				return "", fmt.Errorf("phantom: %w: %s", err, out)
			}
		}
		for _, mask := range []bool{false, true} {
			if s.large && !mask {
				continue
			}
			line, err := e.memoryLine(ctx, s, folder, mask)
			if err != nil {
				return "", err
			}
			fmt.Fprint(os.Stderr, line)
			b.WriteString(line)
		}
	}
	return b.String(), nil
}

// memoryRun is what run --json tells of one run.
type memoryRun struct {
	Peak      float64 `json:"peak_memory_bytes"`
	Estimated float64 `json:"estimated_memory_bytes"`
	Shape     [4]int  `json:"shape"`
}

func (e *evaluation) memoryLine(ctx context.Context, s memoryScan, folder string, mask bool) (string, error) {
	words := []string{"run", filepath.Join(folder, "dwi.nii.gz"), filepath.Join(folder, "whole.nii.gz"), "--json", "-q", "--force", "--nthreads", strconv.Itoa(e.threads)}
	name := "no"
	if mask {
		words, name = append(words, "--mask", filepath.Join(folder, "mask.nii.gz")), "yes"
	}
	scan := strings.ReplaceAll(s.shape, ",", "×")
	if s.prior != "" {
		words = append(words, "--prior", s.prior)
	}
	plan, err := e.told(ctx, append(words, "--dry-run")...)
	if err != nil {
		return "", err
	}
	whole, err := e.told(ctx, words...)
	if err != nil {
		return "", err
	}
	size := 4 * float64(plan.Shape[0]) * float64(plan.Shape[1]) * float64(plan.Shape[2]) * float64(plan.Shape[3])
	scan += fmt.Sprintf("×%d", plan.Shape[3])
	if s.prior != "" {
		scan += ", --prior " + s.prior
	}
	line := fmt.Sprintf("| %s | %.0f MiB | %s | %.0f MiB | %.0f MiB | %+.0f %% |", scan, size/(1<<20), name,
		plan.Estimated/(1<<20), whole.Peak/(1<<20), 100*(plan.Estimated/whole.Peak-1))
	if s.limit == "" {
		return line + " – | – | – |\n", nil
	}
	words[2] = filepath.Join(folder, "scratch.nii.gz")
	part, err := e.told(ctx, append(words, "--mem", s.limit)...)
	if err != nil {
		return "", err
	}
	same := "yes"
	for _, suffix := range []string{".nii.gz", "_noise.nii.gz", ".json"} {
		a, errA := os.ReadFile(filepath.Join(folder, "whole"+suffix))
		b, errB := os.ReadFile(filepath.Join(folder, "scratch"+suffix))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			same = "NO: " + suffix
		}
	}
	return line + fmt.Sprintf(" %s | %.0f MiB | %s |\n", s.limit, part.Peak/(1<<20), same), nil
}

// told runs the program and reads what it prints.
func (e *evaluation) told(ctx context.Context, words ...string) (memoryRun, error) {
	var r memoryRun
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, e.bin, words...)
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("%s %s: %w: %s", e.bin, strings.Join(words, " "), err, said.String())
	}
	return r, json.Unmarshal(out, &r)
}
