package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dmri-denoise/dmri-denoise/internal/batch"
)

// local runs tasks on this machine, then the group step if the plan has one.
func (o batchOptions) local(ctx context.Context, u *ui, tasks []batch.Task, executor *batch.Executor) error {
	started := time.Now()
	bar := newProgress(u)
	done := 0
	outcomes := executor.Local(ctx, tasks, batch.LocalOptions{Threads: o.threads, Jobs: o.jobs, Memory: o.memory,
		Observe: func(t batch.Task, outcome *batch.Outcome) {
			if outcome == nil {
				u.detail("%s: started", t.ID())
				return
			}
			done++
			tell(u, done, len(tasks), *outcome)
			if u.terminal {
				bar.report("batch", done, len(tasks))
			}
		}})
	bar.finish()
	if err := ctx.Err(); err != nil {
		u.say("%d scans: %s", len(outcomes), countText(countStatuses(outcomes)))
		return err
	}
	if executor.Header.Group {
		if err := finishGroup(ctx, u, executor, outcomes); err != nil {
			return err
		}
	}
	return reportOutcomes(u, executor.Header, outcomes, time.Since(started), o.json)
}

// finishGroup writes the group report if anything was denoised.
func finishGroup(ctx context.Context, u *ui, executor *batch.Executor, outcomes []batch.Outcome) error {
	for _, outcome := range outcomes {
		if outcome.Status == batch.Done || outcome.Status == batch.Skipped {
			return writeGroup(ctx, u, executor)
		}
	}
	return nil
}

// tell reports the end of one scan.
func tell(u *ui, done, total int, o batch.Outcome) {
	switch o.Status {
	case batch.Done:
		u.say("[%d/%d] %s: done in %.1f s", done, total, o.Task, o.Seconds)
	case batch.Skipped:
		u.say("[%d/%d] %s: done before", done, total, o.Task)
	default:
		u.say("[%d/%d] %s: %s: %s", done, total, o.Task, o.Status, o.State.Reason)
	}
}

// batchReport is what --json prints.
type batchReport struct {
	Plan     string               `json:"plan"`
	Counts   map[batch.Status]int `json:"counts"`
	Seconds  float64              `json:"seconds"`
	Outcomes []batch.Outcome      `json:"outcomes"`
}

// reportOutcomes prints what became of the scans, as JSON or as a table of what did not go well.
func reportOutcomes(u *ui, h batch.Header, outcomes []batch.Outcome, took time.Duration, asJSON bool) error {
	if asJSON {
		if err := u.printJSON(batchReport{h.File(), countStatuses(outcomes), roundTo(took.Seconds(), 2), outcomes}); err != nil {
			return err
		}
	} else {
		u.print("%s", failureTable(outcomes))
	}
	return concludeOutcomes(u, outcomes)
}

// concludeOutcomes tells the counts and returns errSomeFailed if any scan failed.
func concludeOutcomes(u *ui, outcomes []batch.Outcome) error {
	counts := countStatuses(outcomes)
	u.say("%d scans: %s", len(outcomes), countText(counts))
	if counts[batch.Failed] == 0 {
		return nil
	}
	return withHint(fmt.Errorf("%d of %d: %w", counts[batch.Failed], len(outcomes), errSomeFailed), "the table tells the reasons; logs/SCAN.log in the output folder holds the rest")
}

func countStatuses(outcomes []batch.Outcome) map[batch.Status]int {
	counts := map[batch.Status]int{}
	for _, o := range outcomes {
		counts[o.Status]++
	}
	return counts
}

// failureTable lists the scans that failed or were stopped; it is empty if there are none.
func failureTable(outcomes []batch.Outcome) string {
	bad := slices.DeleteFunc(slices.Clone(outcomes), func(o batch.Outcome) bool { return o.Status != batch.Failed && o.Status != batch.Interrupted })
	if len(bad) == 0 {
		return ""
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SCAN\tSTATUS\tEXIT\tREASON")
	for _, o := range bad {
		reason := o.State.Reason
		if o.State.Remedy != "" {
			reason += " (" + o.State.Remedy + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", o.Task, o.Status, o.State.ExitCode, strings.ReplaceAll(reason, "\n", "; "))
	}
	w.Flush()
	return b.String()
}

func countText(counts map[batch.Status]int) string {
	var parts []string
	for _, s := range []batch.Status{batch.Done, batch.Skipped, batch.Failed, batch.Interrupted, batch.Running, batch.Queued, batch.Waiting} {
		if counts[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
		}
	}
	return strings.Join(parts, ", ")
}

// outcomeError is the error of a single task, of the kind that its own run had, so that a worker ends with the same status.
func outcomeError(o batch.Outcome) error {
	if o.Status != batch.Failed {
		return nil
	}
	err := o.Err
	if err == nil {
		err = errors.New(o.State.Reason)
	}
	switch o.State.ExitCode {
	case exitBadInput:
		return badInputHint(o.State.Remedy, "%w", err)
	case exitNoResources:
		err = fmt.Errorf("%w: %w", errOutOfMemory, err)
	}
	if o.State.Remedy != "" {
		return withHint(err, o.State.Remedy)
	}
	return err
}
