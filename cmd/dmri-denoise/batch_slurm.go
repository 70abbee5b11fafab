package main

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/dmri-denoise/dmri-denoise/internal/batch"
)

// slurm submits what is not done yet, then waits unless told to detach.
func (o batchOptions) slurm(ctx context.Context, u *ui, plan *batch.Plan, executor *batch.Executor) error {
	var indexes []int
	for i, t := range plan.Tasks {
		verdict, err := executor.Examine(ctx, t)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// A scan that is done, or must be refused, needs no node: it is recorded here and now.
		if !o.force && (verdict == batch.Current || errors.Is(err, batch.ErrStale)) || t.Problem != nil {
			tell(u, i+1, len(plan.Tasks), executor.Run(ctx, t, batch.Resources{Threads: 1}))
			continue
		}
		indexes = append(indexes, i)
	}
	return submitAndWait(ctx, u, plan, indexes, o.detach, o.json)
}

// submitAndWait gives tasks to the cluster and, unless detached, reports when all have ended.
func submitAndWait(ctx context.Context, u *ui, plan *batch.Plan, indexes []int, detach, asJSON bool) error {
	started := time.Now()
	bar := newProgress(u)
	s := &batch.Slurm{Plan: plan, Command: batch.Client, Warn: func(text string) { u.warn("%s", text) },
		Observe: func(left int) { bar.report("jobs ended", max(len(indexes)-left, 0), len(indexes)) }}
	jobs, err := s.Submit(ctx, indexes)
	for _, j := range jobs {
		if len(j.Tasks) > 0 {
			u.say("submitted job %s: %d scans", j.ID, len(j.Tasks))
		} else {
			u.say("submitted job %s: group report, after the others", j.ID)
		}
	}
	if err != nil {
		return withHint(err, "what is submitted goes on; for the rest: "+programName+" batch resume "+plan.File())
	}
	if detach {
		u.say("look: %[1]s batch status %[2]s; take up: %[1]s batch resume %[2]s; stop: scancel --name=dmri-denoise-%[3]s", programName, plan.File(), plan.ID)
		u.print("%s\n", plan.File())
		return nil
	}
	err = s.Wait(ctx)
	bar.finish()
	if err != nil {
		return stopWaiting(ctx, u, s, err)
	}
	return reportOutcomes(u, plan.Header, plan.Statuses(map[int]string{}), time.Since(started), asJSON)
}

// stopWaiting decides what becomes of the jobs when this program is stopped: Ctrl-C means them, a closed terminal does not.
func stopWaiting(ctx context.Context, u *ui, s *batch.Slurm, err error) error {
	sig, ok := signalOf(ctx)
	if !ok {
		return err
	}
	if sig != syscall.SIGINT {
		u.say("the jobs go on: %s batch status %s", programName, s.Plan.File())
		return err
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
	defer cancel()
	if cancelErr := s.Cancel(late); cancelErr != nil {
		u.warn("%s", cancelErr)
		return err
	}
	u.say("the jobs are cancelled; take up with: %s batch resume %s", programName, s.Plan.File())
	return err
}
