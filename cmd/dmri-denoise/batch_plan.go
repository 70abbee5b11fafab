package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/dmri-denoise/dmri-denoise/internal/batch"
	"github.com/dmri-denoise/dmri-denoise/internal/bids"
)

// plan crawls the data set and estimates what each scan needs. notes say, for each task, what its headers or tables will be
// refused for; such tasks are tried all the same, so that the reason ends up with the scan.
func (o batchOptions) plan(ctx context.Context, u *ui) (*batch.Plan, []string, *bids.Dataset, error) {
	data, err := bids.Open(o.bidsDir, bids.OpenOptions{Derivatives: o.derivative})
	if err != nil {
		return nil, nil, nil, bidsError(err)
	}
	crawl, err := data.Scans(ctx, o.filter)
	if err != nil {
		return nil, nil, nil, bidsError(err)
	}
	for _, w := range append(append(data.Warnings, crawl.Warnings...), o.placeWarnings()...) {
		u.warn("%s", w)
	}
	for _, s := range crawl.Skipped {
		u.say("left out: %s", s)
	}
	if len(crawl.Scans) == 0 {
		return nil, nil, nil, badInputHint("are there sub-…/[ses-…/]dwi/…_dwi.nii.gz files, and do the filters fit them?", "%s: no diffusion series found", o.bidsDir)
	}
	if err := bids.CheckOutput(o.outDir, programName); err != nil {
		return nil, nil, nil, bidsError(err)
	}
	if err := o.checkSettings(ctx); err != nil {
		return nil, nil, nil, err
	}
	refuseCollisions(crawl.Scans)
	plan := &batch.Plan{Header: o.header()}
	notes := make([]string, len(crawl.Scans))
	for i, s := range crawl.Scans {
		t := batch.Task{Index: i, Source: s.Name.String(), Image: s.Image, BVal: s.BVal, BVec: s.BVec, Sidecars: s.Sidecars,
			Settings: settingsFor(o.settings, s), Maps: o.maps, Problem: batch.NewProblem(s.Problem)}
		if t.Problem != nil {
			notes[i] = t.Problem.Reason
		} else if notes[i], err = o.estimate(ctx, &t); err != nil {
			return nil, nil, nil, err
		}
		plan.Tasks = append(plan.Tasks, t)
	}
	return plan, notes, data, nil
}

// refuseCollisions marks scans whose output would have the name of another's: those that differ in desc only, in a derived
// data set.
func refuseCollisions(scans []bids.Scan) {
	first := map[string]string{}
	for i := range scans {
		d, err := bids.NewDerivative(scans[i].Name)
		if err != nil {
			scans[i].Problem = err
			continue
		}
		name := d.Series(".nii.gz")
		if other, taken := first[name]; taken && scans[i].Problem == nil {
			scans[i].Problem = &bids.FileError{Path: scans[i].Image, Err: fmt.Errorf("its output would have the same name as that of %s", other),
				Remedy: `choose one with --bids-filter-file: {"dwi": {"desc": "preproc"}}`}
		}
		first[name] = scans[i].Name.String()
	}
}

// placeWarnings says what is odd about where the output goes.
func (o batchOptions) placeWarnings() []string {
	rel, err := filepath.Rel(o.bidsDir, o.outDir)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) || strings.HasPrefix(rel, "derivatives"+string(filepath.Separator)) {
		return nil
	}
	return []string{fmt.Sprintf("OUT_DIR lies inside the raw data set but not below derivatives/: %s", o.outDir)}
}

// checkSettings has run look at the flags that every scan shares, before any scan is looked at.
func (o batchOptions) checkSettings(ctx context.Context) error {
	nowhere := filepath.Join(o.workDir, "no-such-scan")
	t := batch.Task{Image: nowhere + ".nii.gz", BVal: nowhere + ".bval", BVec: nowhere + ".bvec", Settings: o.settings}
	_, err := o.dryRunOf(ctx, t)
	var usage *usageError
	if errors.As(err, &usage) {
		return err
	}
	return ctx.Err()
}

// estimate fills in memory and time of a scan from its header and table, by a dry run of run.
func (o batchOptions) estimate(ctx context.Context, t *batch.Task) (string, error) {
	found, err := o.dryRunOf(ctx, *t)
	var usage *usageError
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.As(err, &usage):
		return "", err
	case err != nil:
		return err.Error(), nil
	}
	t.Memory = found.MemoryBytes
	t.Seconds = estimateSeconds(found.Shape, o.perScan)
	return "", nil
}

// estimateSeconds is cautious: several times what a plain run takes.
func estimateSeconds(shape [4]int, threads int) float64 {
	const secondsPerSample = 20e-6
	return secondsPerSample * float64(shape[0]) * float64(shape[1]) * float64(shape[2]) * float64(shape[3]) / float64(max(threads, 1))
}

// dryRunOf asks run, through the words of its own command line, what it would do.
func (o batchOptions) dryRunOf(ctx context.Context, t batch.Task) (planJSON, error) {
	threads := o.perScan
	if o.engine == engineLocal {
		threads = o.threads // a scan that is left alone gets them all
	}
	words := append([]string{"run", t.Image, filepath.Join(o.workDir, "dry-run", "out.nii.gz"), "--bval=" + t.BVal, "--bvec=" + t.BVec,
		"--dry-run", "--json", "--quiet", "--nthreads=" + strconv.Itoa(threads)}, settingWords(t.Settings)...)
	var out bytes.Buffer
	err := execute(ctx, newUI(&out, io.Discard), words)
	var found planJSON
	if err == nil {
		err = json.Unmarshal(out.Bytes(), &found)
	}
	return found, err
}

// plannedScan is one line of a dry run.
type plannedScan struct {
	Scan   string `json:"scan"`
	Action string `json:"action"` // run, skip, refuse
	Memory int64  `json:"estimated_memory_bytes,omitempty"`
	Image  string `json:"image"`
	BVal   string `json:"bval"`
	BVec   string `json:"bvec"`
	Note   string `json:"note,omitempty"`
}

// printPlan is the dry run. Nothing is written.
func (o batchOptions) printPlan(ctx context.Context, u *ui, executor *batch.Executor, plan *batch.Plan, notes []string) error {
	var lines []plannedScan
	counts := map[string]int{}
	var largest int64
	var indexes []int
	for i, t := range plan.Tasks {
		line := o.foresee(ctx, executor, t, notes[i])
		if err := ctx.Err(); err != nil {
			return err
		}
		if line.Action == "run" {
			indexes = append(indexes, i)
		}
		counts[line.Action]++
		largest = max(largest, t.Memory)
		lines = append(lines, line)
	}
	if o.json {
		return u.printJSON(lines)
	}
	u.print("%s", planTable(lines))
	if o.engine == engineSlurm {
		for _, script := range (&batch.Slurm{Plan: plan}).Scripts(indexes) {
			u.print("\n%s", script)
		}
	}
	u.say("%d scans: %d to run, %d done, %d to be refused; at most %s of memory for one", len(lines), counts["run"], counts["skip"], counts["refuse"], formatBytes(largest))
	return nil
}

// foresee tells what would become of a scan.
func (o batchOptions) foresee(ctx context.Context, executor *batch.Executor, t batch.Task, note string) plannedScan {
	line := plannedScan{Scan: t.ID(), Action: "run", Memory: t.Memory, Image: t.Image, BVal: t.BVal, BVec: t.BVec, Note: note}
	verdict, err := executor.Examine(ctx, t)
	switch {
	case line.Note != "":
		line.Action = "refuse"
	case verdict == batch.Current && !o.force:
		line.Action = "skip"
	case verdict == batch.Stale && !o.force:
		line.Action, line.Note = "refuse", err.Error()
	}
	return line
}

func planTable(lines []plannedScan) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SCAN\tACTION\tMEMORY\tNOTE")
	for _, l := range lines {
		memory := "-"
		if l.Memory > 0 {
			memory = formatBytes(l.Memory)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.Scan, l.Action, memory, l.Note)
	}
	w.Flush()
	return b.String()
}
