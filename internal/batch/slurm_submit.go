package batch

import (
	"context"
	"fmt"
	"math/bits"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	usualArraySize = 1001    // Slurm's own default of MaxArraySize
	memoryMargin   = 1.25    // above the estimate: the cluster kills what goes over
	memoryFloor    = 256     // MiB, added for the program itself
	groupMemory    = 2048    // MiB for the group step
	groupMinutes   = 60      // and its time
	timeFloor      = 10 * 60 // seconds, added to the estimate of a scan
)

// submission is one array before it is submitted.
type submission struct {
	name    string // of its script, below logs
	tasks   []int
	memory  int // MiB
	minutes int
}

// Submit writes the scripts for the tasks with these indexes and gives them to the cluster: an array for scans of like
// need of memory, cut where the cluster limits arrays, then the group step, which starts when the arrays have ended. What was
// submitted before an error stays submitted; submitting the rest later is what resuming does.
func (s *Slurm) Submit(ctx context.Context, indexes []int) ([]SlurmJob, error) {
	parts, err := s.parts(ctx, indexes)
	if err != nil {
		return nil, err
	}
	var submitted []SlurmJob
	for _, part := range parts {
		script := filepath.Join(s.Plan.OutDir, logFolder, part.name)
		if err := writeBytes(script, []byte(s.script(part))); err != nil {
			return submitted, err
		}
		id, err := s.sbatch(ctx, nil, script)
		if err != nil {
			return submitted, err
		}
		submitted = append(submitted, SlurmJob{ID: id, Tasks: part.tasks})
		if err := s.note(submitted[len(submitted)-1]); err != nil {
			return submitted, err
		}
	}
	if !s.Plan.Group || len(submitted) == 0 {
		return submitted, nil
	}
	script := filepath.Join(s.Plan.OutDir, logFolder, "plan-"+s.Plan.ID+"-group.sbatch")
	if err := writeBytes(script, []byte(s.groupScript())); err != nil {
		return submitted, err
	}
	dependency := "--dependency=afterany"
	for _, j := range submitted {
		dependency += ":" + j.ID
	}
	id, err := s.sbatch(ctx, []string{dependency}, script)
	if err != nil {
		return submitted, err
	}
	submitted = append(submitted, SlurmJob{ID: id})
	return submitted, s.note(submitted[len(submitted)-1])
}

// Scripts returns what Submit would give to sbatch, for a dry run that asks no cluster.
func (s *Slurm) Scripts(indexes []int) []string {
	var scripts []string
	for _, part := range s.divide(indexes, s.arrayLimit(usualArraySize), nil) {
		scripts = append(scripts, s.script(part))
	}
	if s.Plan.Group {
		scripts = append(scripts, s.groupScript())
	}
	return scripts
}

func (s *Slurm) note(j SlurmJob) error { return writeJSON(s.jobsFile(), append(s.Jobs(), j)) }

// sbatch submits a script and returns the job's id. --parsable prints it, with the cluster's name behind a semicolon where
// there are several.
func (s *Slurm) sbatch(ctx context.Context, options []string, script string) (string, error) {
	args := append([]string{"--parsable"}, s.Plan.Slurm.Extra...)
	out, err := s.Command(ctx, "sbatch", append(append(args, options...), script)...)
	if err != nil {
		return "", err
	}
	id, _, _ := strings.Cut(strings.TrimSpace(out), ";")
	if _, err := strconv.Atoi(id); err != nil {
		return "", fmt.Errorf("sbatch answered %q instead of a job id: %w", out, ErrSlurm)
	}
	return id, nil
}

// parts asks the cluster for its limit and divides the tasks.
func (s *Slurm) parts(ctx context.Context, indexes []int) ([]submission, error) {
	limit := usualArraySize
	out, err := s.Command(ctx, "scontrol", "show", "config")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(out) {
		if name, value, ok := strings.Cut(line, "="); ok && strings.TrimSpace(name) == "MaxArraySize" {
			if n, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && n > 1 {
				limit = n
			}
		}
	}
	return s.divide(indexes, s.arrayLimit(limit), s.Plan.Statuses(nil)), nil
}

// arrayLimit is the most elements of an array: indexes run from 1 and stay below MaxArraySize.
func (s *Slurm) arrayLimit(maxArraySize int) int {
	limit := maxArraySize - 1
	if n := s.Plan.Slurm.ArraySize; n > 0 {
		limit = min(limit, n)
	}
	return limit
}

// divide sorts tasks into arrays: every element of an array gets the same memory and time, so scans are put together whose
// needs are within a factor of two. before holds what became of the tasks so far; a task that was killed without a word asks
// for more than last time.
func (s *Slurm) divide(indexes []int, limit int, before []Outcome) []submission {
	var parts []submission
	open := map[int]int{} // class of memory → its unfinished part
	stamp := strconv.FormatInt(time.Now().UnixMilli(), 36)
	for _, i := range indexes {
		t := s.Plan.Tasks[i]
		grow := 1.0
		if before != nil && before[i].State.Attempt > 0 && before[i].Status == Interrupted {
			grow += 0.5 * float64(before[i].State.Attempt)
		}
		memory := memoryFloor + int(grow*memoryMargin*float64(t.Memory)/(1<<20))
		if m := s.Plan.Slurm.Memory; m > 0 {
			memory = int(m >> 20)
		}
		minutes := int(grow*(t.Seconds+timeFloor))/60 + 1
		if m := s.Plan.Slurm.Minutes; m > 0 {
			minutes = m
		}
		class := bits.Len(uint(memory))
		at, ok := open[class]
		if !ok || len(parts[at].tasks) >= limit {
			at = len(parts)
			open[class] = at
			parts = append(parts, submission{name: fmt.Sprintf("plan-%s-%s-%d.sbatch", s.Plan.ID, stamp, at+1)})
		}
		p := &parts[at]
		p.tasks = append(p.tasks, i)
		p.memory, p.minutes = max(p.memory, memory), max(p.minutes, minutes)
	}
	return parts
}

// script is the batch script of one array. It holds the indexes of its tasks itself, so it depends on nothing but the plan.
func (s *Slurm) script(p submission) string {
	array := fmt.Sprintf("1-%d", len(p.tasks))
	if s.Plan.Slurm.Throttle > 0 {
		array += "%" + strconv.Itoa(s.Plan.Slurm.Throttle)
	}
	var list strings.Builder
	for n, i := range p.tasks {
		if n > 0 {
			list.WriteByte(' ')
		}
		list.WriteString(strconv.Itoa(i))
	}
	return "#!/bin/sh\n" + s.directives("%A_%a", s.Plan.Threads, p.memory, p.minutes) +
		"#SBATCH --array=" + array + "\n" +
		"#SBATCH --requeue\n#SBATCH --open-mode=append\n" +
		"# half a minute before the end of its time, the scan is stopped cleanly\n#SBATCH --signal=B:TERM@30\n" +
		"# element n works on the n-th of these tasks of the plan\n" +
		"set -- " + list.String() + "\n" +
		"shift $((SLURM_ARRAY_TASK_ID - 1))\n" +
		"exec " + s.program() + " batch worker " + quote(s.Plan.File()) + " \"$1\"\n"
}

func (s *Slurm) groupScript() string {
	return "#!/bin/sh\n" + s.directives("%j_group", 1, groupMemory, groupMinutes) +
		"exec " + s.program() + " batch " + quote(s.Plan.BIDSDir) + " " + quote(s.Plan.OutDir) + " group\n"
}

func (s *Slurm) directives(log string, cpus, memory, minutes int) string {
	output := filepath.Join(strings.ReplaceAll(s.Plan.OutDir, "%", "%%"), logFolder, "slurm-"+log+".out")
	return fmt.Sprintf("#SBATCH --job-name=%s\n#SBATCH --ntasks=1 --cpus-per-task=%d\n#SBATCH --mem=%dM\n#SBATCH --time=%d\n#SBATCH --output=%s\n",
		s.jobName(), cpus, memory, minutes, quote(output))
}

func (s *Slurm) program() string {
	words := make([]string, len(s.Plan.Slurm.Program))
	for i, w := range s.Plan.Slurm.Program {
		words[i] = quote(w)
	}
	return strings.Join(words, " ")
}

// quote makes a word safe for the shell.
func quote(word string) string {
	if word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=+-%@") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
