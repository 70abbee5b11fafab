package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// SlurmOptions are kept in the plan, so that a resumed batch is submitted as it was.
type SlurmOptions struct {
	Program   []string `json:"program"`              // how this program is started on the nodes
	Extra     []string `json:"extra,omitempty"`      // more options of sbatch; they win over ours
	Throttle  int      `json:"throttle,omitempty"`   // most elements of an array at once, 0 = no limit
	Minutes   int      `json:"minutes,omitempty"`    // time limit, 0 = estimated
	Memory    int64    `json:"memory,omitempty"`     // bytes a scan, 0 = estimated
	ArraySize int      `json:"array_size,omitempty"` // most elements of an array, 0 = what the cluster allows
}

// Slurm runs a plan as job arrays.
type Slurm struct {
	Plan *Plan
	// Command runs a client program (sbatch, squeue, scancel, scontrol) and returns its standard output; see [Client].
	Command func(ctx context.Context, name string, args ...string) (string, error)
	// Observe is told how many elements the cluster still has. May be nil.
	Observe func(left int)
	// Warn is told of passing trouble, such as a controller that does not answer. May be nil.
	Warn func(text string)
	Poll time.Duration // first wait between looks at the queue, 0 = 2 s; it grows to fifteen times that
}

// SlurmJob is one submitted job.
type SlurmJob struct {
	ID    string `json:"id"`
	Tasks []int  `json:"tasks,omitempty"` // element i of the array (from 1) works on Tasks[i-1]; none for the group job
}

// ErrSlurm is wrapped by errors of the Slurm client programs.
var ErrSlurm = errors.New("slurm")

// Client runs a Slurm client program.
func Client(ctx context.Context, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("%s is not installed here: is this a login node of the cluster?: %w", name, ErrSlurm)
	case err != nil:
		return stdout.String(), fmt.Errorf("%s: %s (%w): %w", name, strings.Join(strings.Fields(stderr.String()), " "), err, ErrSlurm)
	}
	return stdout.String(), nil
}

// jobName is the name of all jobs of a plan, by which they are found in the queue.
func (s *Slurm) jobName() string { return "dmri-denoise-" + s.Plan.ID }

func (s *Slurm) jobsFile() string {
	return filepath.Join(s.Plan.OutDir, logFolder, "plan-"+s.Plan.ID+".jobs.json")
}

// Jobs lists what was submitted for the plan so far.
func (s *Slurm) Jobs() []SlurmJob {
	var jobs []SlurmJob
	if readJSON(s.jobsFile(), &jobs) != nil {
		return nil
	}
	return jobs
}

// Queue asks the cluster what it has of the plan: the state of each task (PENDING, RUNNING, …) and how many jobs there are
// in all, that of the group step included.
func (s *Slurm) Queue(ctx context.Context) (map[int]string, int, error) {
	out, err := s.Command(ctx, "squeue", "--noheader", "--array", "--name="+s.jobName(), "--format=%F %K %T")
	if err != nil {
		return nil, 0, err
	}
	jobs := map[string][]int{}
	for _, j := range s.Jobs() {
		jobs[j.ID] = j.Tasks
	}
	queue, left := map[int]string{}, 0
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		left++
		element, err := strconv.Atoi(fields[1])
		if tasks := jobs[fields[0]]; err == nil && element >= 1 && element <= len(tasks) {
			queue[tasks[element-1]] = fields[2]
		}
	}
	return queue, left, nil
}

// Wait returns when the cluster has nothing more of the plan, or with the context's error. A controller that does not answer
// is asked again: jobs go on without it.
func (s *Slurm) Wait(ctx context.Context) error {
	first := s.Poll
	if first <= 0 {
		first = 2 * time.Second
	}
	for pause := first; ; pause = min(pause*5/4, 15*first) {
		_, left, err := s.Queue(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && s.Warn != nil:
			s.Warn(err.Error())
		case err == nil:
			if s.Observe != nil {
				s.Observe(left)
			}
			if left == 0 {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// Cancel takes all jobs of the plan off the cluster.
func (s *Slurm) Cancel(ctx context.Context) error {
	_, err := s.Command(ctx, "scancel", "--name="+s.jobName())
	return err
}

// Statuses tells what became of every task of a plan: from its record, and from the cluster's queue if there is one (nil
// for a local plan).
func (p *Plan) Statuses(queue map[int]string) []Outcome {
	outcomes := make([]Outcome, len(p.Tasks))
	for i, t := range p.Tasks {
		s := p.readState(t.ID())
		ours := s.Plan == p.ID || s.Status == Done && !p.Force && s.Version == p.Version && s.Settings == settingsDigest(p.Version, t)
		if !ours {
			s = State{Task: t.ID(), Status: Waiting}
		}
		state, known := queue[t.Index]
		switch {
		case known && state == "RUNNING", known && state == "COMPLETING" && s.Status == Running:
			s.Status = Running
		case known && state != "COMPLETING" && s.Status != Done:
			s.Status = Queued
		case s.Status == Running && p.Slurm == nil && isLocked(p.Header, t):
			// a local batch is at it now
		case s.Status == Running:
			s.Status, s.Reason = Interrupted, "killed, or its machine was lost"
		}
		outcomes[i] = Outcome{Task: t.ID(), Status: s.Status, Seconds: s.Seconds, State: s}
	}
	return outcomes
}

// isLocked tells whether a process holds the lock of a task.
func isLocked(h Header, t Task) bool {
	e := &Executor{Header: h}
	unlock, err := e.lock(t)
	if err != nil {
		return errors.Is(err, ErrBusy)
	}
	unlock()
	return false
}

// Remaining lists the indexes of the tasks that are neither done nor with the cluster.
func Remaining(outcomes []Outcome) []int {
	var left []int
	for i, o := range outcomes {
		if !slices.Contains([]Status{Done, Skipped, Queued, Running}, o.Status) {
			left = append(left, i)
		}
	}
	return left
}
