package batch

import (
	"context"
	"fmt"
)

// LocalOptions bound what a batch on this machine may use.
type LocalOptions struct {
	Threads int   // in all
	Jobs    int   // scans at once, 0 = as many as threads and memory allow
	Memory  int64 // bytes in all, 0 = no limit

	// Observe is told of every start and every end, from one goroutine. o is nil at a start. May be nil.
	Observe func(t Task, o *Outcome)
}

// reserve is what a task is given above its estimate, which is that of its arrays and leaves little slack.
const reserve = 1.1

// Local runs the tasks on this machine and returns their outcomes in the order of the tasks. Tasks start in order, as soon
// as a place, threads and memory are free; the memory promised to running tasks never exceeds the budget. A task that needs
// more than the whole budget fails. When the context ends, running tasks are stopped and the others are not started.
func (e *Executor) Local(ctx context.Context, tasks []Task, o LocalOptions) []Outcome {
	l := &local{executor: e, options: o, finished: make(chan finished), outcomes: make([]Outcome, len(tasks))}
	l.places = l.countPlaces(len(tasks))
	for i, t := range tasks {
		l.outcomes[i] = Outcome{Task: t.ID(), Status: Waiting}
	}
	for i, t := range tasks {
		r, err := l.resources(t)
		if err != nil {
			outcome := e.record(ctx, t, State{Task: t.ID(), Plan: e.ID, Version: e.Version}, err)
			l.observe(t, nil)
			l.outcomes[i] = outcome
			l.observe(t, &outcome)
			continue
		}
		for !l.fits(r) && ctx.Err() == nil {
			l.wait(tasks)
		}
		if ctx.Err() != nil {
			break
		}
		if i == len(tasks)-1 { // nobody else will want what is left
			r.Threads = max(r.Threads, o.Threads-l.threads)
		}
		l.start(ctx, i, t, r)
	}
	for l.running > 0 {
		l.wait(tasks)
	}
	return l.outcomes
}

// local is the state of one batch; only the goroutine of Local touches it.
type local struct {
	executor *Executor
	options  LocalOptions
	finished chan finished
	outcomes []Outcome

	places  int // scans at once
	running int
	threads int   // in use
	memory  int64 // promised
}

type finished struct {
	index   int
	r       Resources
	outcome Outcome
}

// countPlaces decides how many scans run at once: one thread each uses the machine best, if memory allows.
func (l *local) countPlaces(tasks int) int {
	places := max(l.options.Threads, 1)
	if l.options.Jobs > 0 {
		places = l.options.Jobs
	}
	return max(min(places, tasks), 1)
}

// resources gives a task its share: the threads of one place, and its memory.
func (l *local) resources(t Task) (Resources, error) {
	r := Resources{Threads: max(l.options.Threads/l.places, 1)}
	if l.options.Memory <= 0 {
		return r, nil
	}
	r.Memory = int64(float64(t.Memory) * reserve)
	if t.Memory > l.options.Memory {
		return r, &RunError{ExitCode: exitNoResources, Reason: fmt.Sprintf("needs about %d MiB of memory, --mem allows %d MiB", t.Memory>>20, l.options.Memory>>20),
			Remedy: "give more with --mem, or run on a larger machine"}
	}
	r.Memory = min(r.Memory, l.options.Memory)
	return r, nil
}

// exitNoResources is the status of a task that does not fit, as on the command line.
const exitNoResources = 5

func (l *local) fits(r Resources) bool {
	switch {
	case l.running == 0:
		return true
	case l.running >= l.places:
		return false
	case l.options.Memory > 0 && l.memory+r.Memory > l.options.Memory:
		return false
	}
	return l.threads+r.Threads <= max(l.options.Threads, l.places)
}

func (l *local) start(ctx context.Context, i int, t Task, r Resources) {
	l.running++
	l.threads += r.Threads
	l.memory += r.Memory
	l.observe(t, nil)
	go func() { l.finished <- finished{i, r, l.executor.Run(ctx, t, r)} }()
}

// wait takes one finished task off the books.
func (l *local) wait(tasks []Task) {
	f := <-l.finished
	l.running--
	l.threads -= f.r.Threads
	l.memory -= f.r.Memory
	l.outcomes[f.index] = f.outcome
	l.observe(tasks[f.index], &f.outcome)
}

func (l *local) observe(t Task, o *Outcome) {
	if l.options.Observe != nil {
		l.options.Observe(t, o)
	}
}
