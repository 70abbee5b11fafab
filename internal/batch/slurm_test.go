package batch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// cluster stands in for the client programs.
type cluster struct {
	maxArray int
	calls    []string
	queue    string
	fail     map[string]bool
	next     int
}

func (c *cluster) run(_ context.Context, name string, args ...string) (string, error) {
	c.calls = append(c.calls, name+" "+strings.Join(args, " "))
	if c.fail[name] {
		return "", fmt.Errorf("%s: no answer: %w", name, ErrSlurm)
	}
	switch name {
	case "scontrol":
		return fmt.Sprintf("MaxArraySize            = %d\n", c.maxArray), nil
	case "sbatch":
		c.next++
		return fmt.Sprintf("%d;east\n", 100+c.next), nil
	case "squeue":
		return c.queue, nil
	}
	return "", nil
}

func newSlurm(t *testing.T, n int) (*Slurm, *cluster) {
	t.Helper()
	_, _, p := setup(t, n)
	p.Slurm = &SlurmOptions{Program: []string{"/opt/my tools/dmri-denoise"}, Extra: []string{"--partition=long"}}
	c := &cluster{maxArray: 1001, fail: map[string]bool{}}
	return &Slurm{Plan: p, Command: c.run, Poll: time.Millisecond}, c
}

func TestSubmit(t *testing.T) {
	s, c := newSlurm(t, 7)
	c.maxArray = 4 // elements 1 to 3
	s.Plan.Slurm.Throttle = 2
	jobs, err := s.Submit(context.Background(), []int{0, 1, 2, 3, 5, 6})
	if err != nil {
		t.Fatal(err)
	}
	want := []SlurmJob{{ID: "101", Tasks: []int{0, 1, 2}}, {ID: "102", Tasks: []int{3, 5, 6}}, {ID: "103"}}
	if diff := cmp.Diff(want, jobs); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, s.Jobs()); diff != "" {
		t.Errorf("noted jobs: %s", diff)
	}
	last := c.calls[len(c.calls)-1]
	if !strings.HasPrefix(last, "sbatch --parsable --partition=long --dependency=afterany:101:102 ") {
		t.Errorf("group job: %s", last)
	}
	logs := filepath.Join(s.Plan.OutDir, logFolder)
	names, err := namesIn(logs)
	if err != nil {
		t.Fatal(err)
	}
	second := slices.IndexFunc(names, func(name string) bool { return strings.HasSuffix(name, "-2.sbatch") })
	if second < 0 {
		t.Fatalf("no script of the second array in %v", names)
	}
	text, err := os.ReadFile(filepath.Join(logs, names[second]))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"#SBATCH --array=1-3%2\n", "#SBATCH --mem=381M\n", "#SBATCH --time=12\n", "--cpus-per-task=1\n", "#SBATCH --requeue\n", "set -- 3 5 6\n",
		"exec '/opt/my tools/dmri-denoise' batch worker " + quote(s.Plan.File()) + " \"$1\"\n"} {
		if !strings.Contains(string(text), line) {
			t.Errorf("script lacks %q:\n%s", line, text)
		}
	}
}

func TestDivide(t *testing.T) {
	s, _ := newSlurm(t, 6)
	s.Plan.Tasks[1].Memory, s.Plan.Tasks[4].Memory = 9<<30, 10<<30
	s.Plan.Tasks[4].Seconds = 36000
	parts := s.divide([]int{0, 1, 2, 3, 4, 5}, 1000, nil)
	if len(parts) != 2 || len(parts[0].tasks) != 4 || len(parts[1].tasks) != 2 || parts[1].memory != 256+12800 || parts[1].minutes != 611 {
		t.Errorf("%+v", parts)
	}
	before := make([]Outcome, 6)
	before[0] = Outcome{Status: Interrupted, State: State{Attempt: 2}}
	if grown := s.divide([]int{0}, 1000, before); grown[0].memory != 256+250 || grown[0].minutes != 23 {
		t.Errorf("after two attempts that were killed: %+v", grown)
	}
	s.Plan.Slurm.Memory, s.Plan.Slurm.Minutes = 4<<30, 5
	if fixed := s.divide([]int{0, 1}, 1000, nil); len(fixed) != 1 || fixed[0].memory != 4096 || fixed[0].minutes != 5 {
		t.Errorf("with limits given: %+v", fixed)
	}
}

func TestQueueAndStatus(t *testing.T) {
	s, c := newSlurm(t, 6)
	if err := s.note(SlurmJob{ID: "7", Tasks: []int{0, 1, 2, 3, 4}}); err != nil {
		t.Fatal(err)
	}
	for i, status := range []Status{Running, Running, Done, Failed} {
		if err := s.Plan.writeState(State{Task: s.Plan.Tasks[i].ID(), Plan: "p1", Status: status, Attempt: 1}); err != nil {
			t.Fatal(err)
		}
	}
	c.queue = "7 1 RUNNING\n7 2 PENDING\n7 5 PENDING\n8 N/A PENDING\n"
	queue, left, err := s.Queue(context.Background())
	if err != nil || left != 4 {
		t.Fatalf("%v, %d, %v", queue, left, err)
	}
	var got []Status
	outcomes := s.Plan.Statuses(queue)
	for _, o := range outcomes {
		got = append(got, o.Status)
	}
	if diff := cmp.Diff([]Status{Running, Queued, Done, Failed, Queued, Waiting}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{3, 5}, Remaining(outcomes)); diff != "" {
		t.Error(diff)
	}
	c.queue = "7 5 PENDING\n"
	queue, _, _ = s.Queue(context.Background())
	if o := s.Plan.Statuses(queue)[0]; o.Status != Interrupted {
		t.Errorf("a task that was killed without a word: %+v", o)
	}
}

func TestWait(t *testing.T) {
	s, c := newSlurm(t, 1)
	c.queue, c.fail["squeue"] = "7 1 RUNNING\n", true
	var seen []int
	s.Warn = func(string) { c.fail["squeue"] = false }
	s.Observe = func(left int) { seen = append(seen, left); c.queue = "" }
	if err := s.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{1, 0}, seen); diff != "" {
		t.Error(diff)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Wait(ctx); err == nil {
		t.Error("a stopped wait returns no error")
	}
}

// TestSubmitFails: what went wrong between two arrays leaves the first one noted.
func TestSubmitFails(t *testing.T) {
	s, c := newSlurm(t, 2)
	s.Plan.Slurm.ArraySize = 1
	command := s.Command
	s.Command = func(ctx context.Context, name string, args ...string) (string, error) {
		c.fail["sbatch"] = c.next == 1
		return command(ctx, name, args...)
	}
	jobs, err := s.Submit(context.Background(), []int{0, 1})
	if err == nil || len(jobs) != 1 || len(s.Jobs()) != 1 {
		t.Errorf("%v, %v, %v", jobs, s.Jobs(), err)
	}
	if _, err := Client(context.Background(), "no-such-client-program"); err == nil || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("missing client: %v", err)
	}
}
