package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/internal/batch"
)

func newBatchStatusCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "status",
		Usage:     "tell how far a batch is",
		ArgsUsage: "PLAN",
		Description: `Reads the records of a plan's scans and, for a Slurm batch, asks the cluster's queue. Prints a table of the scans, the failed ones with their reasons. The exit status is 4 if any failed.

EXAMPLES
   dmri-denoise batch status out/logs/plan-20260101T120000-1a2b.jsonl
`,
		Flags: []cli.Flag{jsonFlag("what became of each scan"), quietFlag(), verboseFlag()},
		Action: func(c *cli.Context) error {
			plan, err := planArgument(c, 1)
			if err != nil {
				return err
			}
			outcomes, err := statuses(c.Context, u, plan)
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return reportOutcomes(u, plan.Header, outcomes, 0, true)
			}
			u.print("%s", statusTable(outcomes))
			return concludeOutcomes(u, outcomes)
		},
	}
}

func newBatchResumeCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "resume",
		Usage:     "take up a batch that was stopped",
		ArgsUsage: "PLAN",
		Description: `Runs again the scans of a plan that are not done: never started, failed, killed, timed out, lost with their node. A Slurm batch is submitted again, with more memory and time for scans that were killed; jobs that the cluster still has are left alone. Flags and filters are those of the plan.

EXAMPLES
   dmri-denoise batch resume out/logs/plan-20260101T120000-1a2b.jsonl
`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "detach", Usage: "Slurm: submit and return"},
			&cli.IntFlag{Name: "nthreads", Aliases: []string{"threads", "n-cpus", "n_cpus", "nprocs"}, Usage: "threads in all on this machine, `N`; default as for run"},
			&cli.IntFlag{Name: "jobs", Aliases: []string{"j"}, Usage: "scans at once on this machine, `N`"},
			&cli.StringFlag{Name: "mem", Usage: "memory in all on this machine, `SIZE`; default what it has to give"},
			jsonFlag("what became of each scan"), quietFlag(), verboseFlag(),
		},
		Action: func(c *cli.Context) error {
			plan, err := planArgument(c, 1)
			if err != nil {
				return err
			}
			return resume(c, u, plan)
		},
	}
}

func resume(c *cli.Context, u *ui, plan *batch.Plan) error {
	if err := sameVersion(plan); err != nil {
		return err
	}
	o := batchOptions{engine: engineLocal, jobs: c.Int("jobs"), json: c.Bool("json"), perScan: plan.Threads}
	if err := o.takeBudget(c); err != nil {
		return err
	}
	outcomes, err := statuses(c.Context, u, plan)
	if err != nil {
		return err
	}
	left := batch.Remaining(outcomes)
	u.say("%d of %d scans are left", len(left), len(outcomes))
	if plan.Slurm != nil {
		return submitAndWait(c.Context, u, plan, left, c.Bool("detach"), o.json)
	}
	executor, err := newExecutor(plan.Header)
	if err != nil {
		return err
	}
	tasks := make([]batch.Task, 0, len(left))
	for _, i := range left {
		tasks = append(tasks, plan.Tasks[i])
	}
	return o.local(c.Context, u, tasks, executor)
}

func newBatchWorkerCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "worker",
		Usage:     "do one task of a plan, for job arrays of any scheduler",
		ArgsUsage: "PLAN INDEX",
		Description: `Denoises the scan number INDEX, from 0, of a plan, and does nothing if that is done already. This is what the array jobs of --engine slurm call; --engine plan writes a plan for other schedulers. Threads and memory are those the job was granted (SLURM_CPUS_PER_TASK, NSLOTS, PBS_NCPUS; SLURM_MEM_PER_NODE, SLURM_MEM_PER_CPU).

EXAMPLES
   dmri-denoise batch worker out/logs/plan-20260101T120000-1a2b.jsonl 0
   dmri-denoise batch worker $PLAN $((SGE_TASK_ID - 1)) --nthreads $NSLOTS    # Grid Engine
`,
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "nthreads", Aliases: []string{"threads"}, Usage: "threads, `N`; default what the batch system grants, else the plan's"},
			&cli.StringFlag{Name: "mem", Usage: "memory, `SIZE`; default what the batch system grants"},
			quietFlag(), verboseFlag(),
		},
		Action: func(c *cli.Context) error {
			plan, err := planArgument(c, 2)
			if err != nil {
				return err
			}
			return work(c, u, plan)
		},
	}
}

// work does the only task of a plan read for a worker.
func work(c *cli.Context, u *ui, plan *batch.Plan) error {
	if err := sameVersion(plan); err != nil {
		return err
	}
	granted := os.Getenv
	r := batch.Resources{Threads: plan.Threads}
	var err error
	for _, name := range append([]string{"nthreads"}, threadVariables...) {
		if name == "nthreads" && c.IsSet(name) || granted(name) != "" {
			if r.Threads, err = threadCount(c.Int("nthreads"), c.IsSet("nthreads"), granted); err != nil {
				return err
			}
			break
		}
	}
	if r.Memory, err = parseSize("mem", c.String("mem")); err != nil {
		return err
	}
	if r.Memory == 0 {
		r.Memory = grantedMemory(r.Threads, granted)
	}
	executor, err := newExecutor(plan.Header)
	if err != nil {
		return err
	}
	outcome := executor.Run(c.Context, plan.Tasks[0], r)
	if outcome.Status != batch.Failed { // else the error says it
		u.say("%s: %s in %.1f s", outcome.Task, outcome.Status, outcome.Seconds)
	}
	if outcome.Status == batch.Interrupted {
		return c.Context.Err()
	}
	return outcomeError(outcome)
}

// grantedMemory is what Slurm allows this job, in bytes; 0 if it does not say. A tenth is left to this process.
func grantedMemory(cpus int, getenv func(string) string) int64 {
	mib, err := strconv.ParseInt(getenv("SLURM_MEM_PER_NODE"), 10, 64)
	if err != nil || mib <= 0 {
		if mib, err = strconv.ParseInt(getenv("SLURM_MEM_PER_CPU"), 10, 64); err != nil || mib <= 0 {
			return 0
		}
		mib *= int64(cpus)
	}
	return (mib << 20) / 10 * 9
}

// planArgument reads the plan named first, the whole or, with a second word, one task of it.
func planArgument(c *cli.Context, words int) (*batch.Plan, error) {
	if c.NArg() != words {
		return nil, usageHint("plans are in OUT_DIR/logs", "%s takes %s", c.Command.Name, c.Command.ArgsUsage)
	}
	index := -1
	if words == 2 {
		var err error
		if index, err = strconv.Atoi(c.Args().Get(1)); err != nil || index < 0 {
			return nil, usagef("INDEX %q: a whole number from 0 is needed", c.Args().Get(1))
		}
	}
	plan, err := batch.ReadPlan(c.Args().First(), index)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, batch.ErrPlan):
		return nil, badInputHint("plans are OUT_DIR/logs/plan-….jsonl", "%w", err)
	case err != nil:
		return nil, badInput(err)
	}
	return plan, nil
}

func sameVersion(plan *batch.Plan) error {
	if plan.Version == programVersion() {
		return nil
	}
	return badInputHint("run batch again to make a new one; what is done and unchanged is skipped only by the same version",
		"the plan was made by version %s, this is %s", plan.Version, programVersion())
}

// statuses gathers what became of the scans of a plan.
func statuses(ctx context.Context, u *ui, plan *batch.Plan) ([]batch.Outcome, error) {
	if plan.Slurm == nil {
		return plan.Statuses(nil), nil
	}
	s := &batch.Slurm{Plan: plan, Command: batch.Client}
	queue, _, err := s.Queue(ctx)
	if err != nil {
		return nil, err
	}
	return plan.Statuses(queue), nil
}

func statusTable(outcomes []batch.Outcome) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SCAN\tSTATUS\tATTEMPT\tSECONDS\tREASON")
	for _, o := range outcomes {
		fmt.Fprintf(w, "%s\t%s\t%d\t%.1f\t%s\n", o.Task, o.Status, o.State.Attempt, o.Seconds, o.State.Reason)
	}
	w.Flush()
	return b.String()
}
