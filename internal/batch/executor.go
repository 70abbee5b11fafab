package batch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/dmri-denoise/dmri-denoise/internal/bids"
)

// Job is what a [Runner] is asked to do for one scan. Every output goes below Dir, under the names given.
type Job struct {
	Task     Task
	Dir      string            // a private folder, empty
	Output   string            // the denoised series; its tables and its .json stand beside it
	Noise    string            // the noise map
	Maps     map[string]string // extra maps asked for, by name
	Pictures string            // folder of pictures
	Threads  int
	Memory   int64     // limit in bytes, 0 = none
	Log      io.Writer // what the program has to say
}

// Report is what a [Runner] tells of a finished job.
type Report struct {
	Warnings   []string
	PeakMemory int64 // bytes, 0 if not known
}

// Runner denoises one scan. It obeys the context, and a failure is a [RunError] where more than its text is known.
type Runner func(ctx context.Context, job Job) (Report, error)

// RunError is a failed run.
type RunError struct {
	ExitCode int
	Reason   string
	Remedy   string
}

// Error is the reason.
func (e *RunError) Error() string { return e.Reason }

// Executor carries out tasks of one plan.
type Executor struct {
	Header
	Runner    Runner
	Generator bids.Generator // this program, for the data set's description and pages
	JobID     string         // of the batch system, for the record
}

// Outcome is what became of one task.
type Outcome struct {
	Task    string  `json:"task"`
	Status  Status  `json:"status"`
	Seconds float64 `json:"seconds"`
	State   State   `json:"state"`
	Err     error   `json:"-"`
}

// Resources are what a task may use.
type Resources struct {
	Threads int
	Memory  int64 // bytes, 0 = no limit
}

// Run carries out one task. It never fails itself: what went wrong is in the outcome and in the record.
func (e *Executor) Run(ctx context.Context, t Task, r Resources) Outcome {
	started := time.Now()
	before := e.readState(t.ID())
	s := State{Task: t.ID(), Plan: e.ID, Version: e.Version, Settings: settingsDigest(e.Version, t), Attempt: 1, PID: os.Getpid(), Job: e.JobID,
		Threads: r.Threads, Started: started, Inputs: before.Inputs}
	if before.Plan == e.ID {
		s.Attempt = before.Attempt + 1
	}
	s.Host, _ = os.Hostname()
	err := e.attempt(ctx, t, r, &s)
	s.Seconds = time.Since(started).Seconds()
	return e.record(ctx, t, s, err)
}

// record saves how an attempt ended and refreshes the subject's page.
func (e *Executor) record(ctx context.Context, t Task, s State, err error) Outcome {
	switch {
	case err == nil:
	case ctx.Err() != nil:
		s.Status, s.Reason = Interrupted, "stopped before it was done"
	default:
		s.Status, s.Reason, s.ExitCode = Failed, err.Error(), 1
		var run *RunError
		var file *bids.FileError
		switch {
		case errors.As(err, &run):
			s.Remedy, s.ExitCode = run.Remedy, run.ExitCode
		case errors.As(err, &file):
			s.Remedy, s.ExitCode = file.Remedy, exitBadInput
		case errors.Is(err, ErrStale):
			s.Remedy = "use --force to make it again, or another output folder"
		}
	}
	if s.Status == Skipped { // nothing is written now, so nothing would take away what a killed attempt left
		sweep(e.stateFile(t.ID()))
		sweep(e.pageFile(t.subject()))
	} else if !errors.Is(err, ErrBusy) {
		if writeErr := e.writeState(s); writeErr != nil && err == nil {
			s.Status, s.Reason, err = Failed, writeErr.Error(), writeErr
		}
		if s.Status != Interrupted {
			if pageErr := e.WriteSubjectPage(t.subject()); pageErr != nil && err == nil {
				s.Status, s.Reason, err = Failed, pageErr.Error(), pageErr
			}
		}
	}
	return Outcome{Task: t.ID(), Status: s.Status, Seconds: s.Seconds, State: s, Err: err}
}

// exitBadInput is the status of a task whose files are at fault, as on the command line.
const exitBadInput = 3

// attempt does the work of one task between taking its lock and publishing its outputs.
func (e *Executor) attempt(ctx context.Context, t Task, r Resources, s *State) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	unlock, err := e.lock(t)
	if err != nil {
		return err
	}
	defer unlock()
	verdict, err := e.Examine(ctx, t)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case e.Force:
	case verdict == Current:
		s.Status = Skipped
		return nil
	case verdict == Stale:
		return err
	}
	if err := t.recheck(); err != nil {
		return err
	}
	s.Status = Running
	if err := e.writeState(*s); err != nil {
		return err
	}
	if s.Inputs, err = stampInputs(ctx, t); err != nil {
		return err
	}
	return e.produce(ctx, t, r, s)
}

// recheck looks again at a scan that could not be used when the plan was made.
func (t Task) recheck() error {
	if t.Problem == nil {
		return nil
	}
	if t.Problem.Content && t.BVal != "" && t.BVec != "" {
		for _, file := range append([]string{t.Image, t.BVal, t.BVec}, t.Sidecars...) {
			if err := bids.CheckContent(file); err != nil {
				return err
			}
		}
		return nil
	}
	return &RunError{ExitCode: exitBadInput, Reason: t.Problem.Reason, Remedy: t.Problem.Remedy}
}

// produce runs the job in a private folder and publishes what it made.
func (e *Executor) produce(ctx context.Context, t Task, r Resources, s *State) error {
	dir := filepath.Join(e.WorkDir, t.ID())
	if err := os.RemoveAll(dir); err != nil { // left by an attempt that was killed
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	defer os.Remove(e.WorkDir) // succeeds when the last task is gone
	defer os.RemoveAll(dir)
	log, err := e.openLog(t, s)
	if err != nil {
		return err
	}
	defer log.Close()
	d, err := bids.NewDerivative(t.name())
	if err != nil {
		return err
	}
	job := newJob(t, d, dir, r)
	job.Log = log
	report, err := e.Runner(ctx, job)
	s.Warnings, s.PeakMemory = report.Warnings, report.PeakMemory
	if err == nil {
		err = e.publish(ctx, t, d, job, s.Inputs)
	}
	if err != nil {
		fmt.Fprintf(log, "-- failed: %v\n", err)
		return err
	}
	s.Status = Done
	fmt.Fprintf(log, "-- done\n")
	return nil
}

// newJob names the outputs of a task inside its private folder: their final names, without the folders.
func newJob(t Task, d bids.Derivative, dir string, r Resources) Job {
	inside := func(name string) string { return filepath.Join(dir, filepath.Base(filepath.FromSlash(name))) }
	job := Job{Task: t, Dir: dir, Output: inside(d.Series(".nii.gz")), Noise: inside(d.Map("sigma", ".nii.gz")), Maps: map[string]string{},
		Pictures: filepath.Join(dir, "figures"), Threads: r.Threads, Memory: r.Memory}
	for _, m := range t.Maps {
		job.Maps[m] = inside(d.Map(m, ".nii.gz"))
	}
	return job
}

// openLog opens the task's log, where each attempt adds a part.
func (e *Executor) openLog(t Task, s *State) (*os.File, error) {
	path := e.LogFile(t)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(log, "-- %s %s, plan %s, attempt %d on %s at %s\n", e.Generator.Name, e.Version, e.ID, s.Attempt, s.Host, s.Started.UTC().Format(time.RFC3339))
	if e.JobID != "" {
		fmt.Fprintf(log, "-- job %s\n", e.JobID)
	}
	return log, nil
}
