package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/internal/batch"
	"github.com/dmri-denoise/dmri-denoise/internal/bids"
)

// The analysis levels of a BIDS app.
const (
	levelParticipant = "participant"
	levelGroup       = "group"
)

const batchDescription = `Denoises every diffusion series of a BIDS data set, or summarises what was denoised. The call is that of a BIDS app, so the name of the command can be left out: dmri-denoise BIDS_DIR OUT_DIR participant.

participant finds the series (suffix dwi; not sbref, maps, or phase) with the tables and metadata that apply by inheritance, and runs the command run on each. Into OUT_DIR, a derived BIDS data set, it writes sub-…_desc-denoised_dwi.nii.gz with .bval, .bvec and .json, the noise map …_stat-sigma_dwimap.nii.gz, pictures in figures/, a page sub-….html for each subject, and logs/. group reads OUT_DIR and writes group_dwi.tsv and group_dwi.html; participant for a whole data set ends with it.

One scan that fails does not stop the others: the exit status is 4 and a table tells the reasons. A scan is skipped if its output is there and was made from the same input files, flags and version; if it was made from others it counts as failed unless --force is given. So a batch that was stopped or killed is taken up by the same command. Its outputs are, byte for byte, those of any other way to run it.

--engine local runs scans side by side within --nthreads and --mem. --engine slurm submits them as job arrays, then waits (Ctrl-C cancels the jobs; SIGTERM and SIGHUP leave them) or, with --detach, returns; batch status PLAN and batch resume PLAN look after them. --engine plan only writes the plan, for other schedulers: batch worker PLAN N does task N.

Flags of run apply to every scan. Values may hold {sub}, {ses}, {stem} (the series' name without _dwi.nii.gz) and {dir} (the folder of its image): --mask '/data/masks/{stem}_mask.nii.gz'.

EXAMPLES
   dmri-denoise batch /data/study /data/study/derivatives/dmri-denoise participant
   dmri-denoise batch /data/study out participant --participant-label 01 02 --nthreads 8 --mem 32G
   dmri-denoise batch /data/study out participant --engine slurm --slurm-opts '--partition=long --account=mri' --detach
   dmri-denoise batch status out/logs/plan-20260101T120000-1a2b.jsonl
   dmri-denoise batch /data/study out group
`

func newBatchCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:        "batch",
		Usage:       "denoise a BIDS data set, on this machine or on a Slurm cluster",
		ArgsUsage:   "BIDS_DIR OUT_DIR participant|group",
		Description: batchDescription,
		Flags:       batchFlags(),
		Subcommands: []*cli.Command{newBatchStatusCommand(u), newBatchResumeCommand(u), newBatchWorkerCommand(u)},
		Action: func(c *cli.Context) error {
			o, err := batchOptionsFrom(c)
			if err != nil {
				return err
			}
			if o.level == levelGroup {
				return o.group(c.Context, u)
			}
			return o.participant(c.Context, u)
		},
	}
}

// participant denoises the data set.
func (o batchOptions) participant(ctx context.Context, u *ui) error {
	plan, notes, data, err := o.plan(ctx, u)
	if err != nil {
		return err
	}
	executor, err := newExecutor(plan.Header)
	if err != nil {
		return err
	}
	if o.dryRun {
		return o.printPlan(ctx, u, executor, plan, notes)
	}
	if err := executor.Prepare(data); err != nil {
		return bidsError(err)
	}
	file, err := plan.Write()
	if err != nil {
		return err
	}
	u.detail("plan %s", file)
	switch o.engine {
	case enginePlan:
		u.say("%d tasks; do task N, from 0, with: %s batch worker %s N", len(plan.Tasks), programName, file)
		u.print("%s\n", file)
		return nil
	case engineSlurm:
		return o.slurm(ctx, u, plan, executor)
	}
	return o.local(ctx, u, plan.Tasks, executor)
}

// group summarises the output folder.
func (o batchOptions) group(ctx context.Context, u *ui) error {
	if _, err := os.Stat(o.outDir); err != nil {
		return badInputHint("run the level participant first", "%s: no such output folder", o.outDir)
	}
	if err := bids.CheckOutput(o.outDir, programName); err != nil {
		return bidsError(err)
	}
	executor, err := newExecutor(o.header())
	if err != nil {
		return err
	}
	if o.dryRun {
		u.say("would write group_dwi.tsv, .json and .html and the pages of all subjects in %s", o.outDir)
		return nil
	}
	return writeGroup(ctx, u, executor)
}

func writeGroup(ctx context.Context, u *ui, executor *batch.Executor) error {
	summary, err := executor.Group(ctx)
	if errors.Is(err, batch.ErrNothing) {
		return badInputHint("run the level participant first", "%w", err)
	}
	if err != nil {
		return err
	}
	u.say("group: %d scans of %d subjects, %d failed; wrote %s", summary.Scans, summary.Subjects, summary.Failed, filepath.Join(executor.OutDir, "group_dwi.html"))
	return nil
}

// newExecutor joins the engine to this program.
func newExecutor(h batch.Header) (*batch.Executor, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("this program does not know its own path: %w", err)
	}
	job := ""
	if id := os.Getenv("SLURM_JOB_ID"); id != "" {
		job = id
		if array := os.Getenv("SLURM_ARRAY_JOB_ID"); array != "" {
			job = array + "_" + os.Getenv("SLURM_ARRAY_TASK_ID")
		}
		if n := os.Getenv("SLURM_RESTART_COUNT"); n != "" {
			job += ", restart " + n
		}
	}
	return &batch.Executor{Header: h, Runner: childRunner(self), JobID: job, Generator: bids.Generator{
		Name: programName, Version: programVersion(), Description: "removes thermal noise from diffusion MRI", CodeURL: codeURL,
	}}, nil
}

const codeURL = "https://github.com/dmri-denoise/dmri-denoise"

// header is what the plan of this command line starts with.
func (o batchOptions) header() batch.Header {
	now := time.Now()
	h := batch.Header{Format: 1, ID: now.UTC().Format("20060102T150405") + fmt.Sprintf("-%04x", (now.Nanosecond()/1000+os.Getpid())&0xffff), Version: programVersion(),
		BIDSDir: o.bidsDir, OutDir: o.outDir, WorkDir: o.workDir, Force: o.force, Threads: o.perScan,
		Group: len(o.filter.Subjects) == 0 && len(o.filter.Sessions) == 0 && len(o.filter.Entities) == 0}
	if o.engine == engineSlurm {
		h.Slurm = &o.cluster
	}
	return h
}

// bidsError turns what the packages below say into this program's kinds of error.
func bidsError(err error) error {
	var file *bids.FileError
	switch {
	case errors.Is(err, bids.ErrDerived):
		return badInputHint("give the raw data set, or use --allow-derivative if this is what you want", "%w", err)
	case errors.Is(err, bids.ErrForeign) && errors.As(err, &file):
		return withHint(err, file.Remedy)
	case errors.As(err, &file):
		return badInputHint(file.Remedy, "%w", err)
	case errors.Is(err, bids.ErrDataset):
		return badInputHint("give the root of a BIDS data set, the folder with dataset_description.json and sub-… folders", "%w", err)
	}
	return err
}
