package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dmri-denoise/dmri-denoise/internal/batch"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

// The tests in this file need a real Slurm cluster: `.ci/slurm start DIR` makes one on loopback, .ci/run does so and sets
// DMRI_TEST_SLURM=required. Elsewhere they are skipped.

func needSlurm(t *testing.T) {
	t.Helper()
	if os.Getenv("DMRI_TEST_SLURM") == "" { // asking would look for a cluster on the network
		t.Skipf("skipped %s: no Slurm here; start one with .ci/slurm start DIR, then set SLURM_CONF and DMRI_TEST_SLURM=required", t.Name())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := batch.Client(ctx, "sinfo", "--noheader"); err != nil {
		t.Fatalf("Slurm is required here and does not answer: %v", err)
	}
}

// slurmSite is a data set of eight subjects, one broken, and the program built for the nodes.
type slurmSite struct {
	t         *testing.T
	dir, data string
	program   string
}

func newSlurmSite(t *testing.T) *slurmSite {
	t.Helper()
	s := emptySlurmSite(t)
	for i := 1; i <= 8; i++ {
		shape := [3]int{12, 12, 6}
		if i == 2 {
			shape = [3]int{64, 64, 32} // takes long enough to be caught while it runs
		}
		s.subject(fmt.Sprintf("%02d", i), shape, uint64(i))
	}
	broken := filepath.Join(s.data, "sub-05", "dwi", "sub-05_dwi.nii.gz")
	if err := os.Truncate(broken, 3000); err != nil {
		t.Fatal(err)
	}
	return s
}

// emptySlurmSite is a data set without subjects, and the program.
func emptySlurmSite(t *testing.T) *slurmSite {
	t.Helper()
	s := &slurmSite{t: t, dir: t.TempDir()}
	s.data, s.program = filepath.Join(s.dir, "data"), filepath.Join(s.dir, "dmri-denoise")
	build := exec.Command("go", "build", "-o", s.program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	if err := os.MkdirAll(s.data, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.data, "dataset_description.json"), []byte(`{"Name": "cluster", "BIDSVersion": "1.8.0"}`), 0o666); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *slurmSite) subject(label string, shape [3]int, seed uint64) {
	s.t.Helper()
	ctx := context.Background()
	p, err := phantom.Make(ctx, phantom.Options{Protocol: "small", Shape: shape, SNR: 20, SigmaRatio: 1, Seed: seed, VoxelSize: [3]float64{2, 2, 2}})
	if err != nil {
		s.t.Fatal(err)
	}
	made, folder := filepath.Join(s.dir, "phantom-"+label), filepath.Join(s.data, "sub-"+label, "dwi")
	if err := os.MkdirAll(made, 0o777); err != nil {
		s.t.Fatal(err)
	}
	if err := p.Write(ctx, made, false); err != nil {
		s.t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		s.t.Fatal(err)
	}
	for _, ext := range []string{".nii.gz", ".bval", ".bvec"} {
		if err := os.Rename(filepath.Join(made, "dwi"+ext), filepath.Join(folder, "sub-"+label+"_dwi"+ext)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// run calls the program and requires an exit status.
func (s *slurmSite) run(want int, words ...string) string {
	s.t.Helper()
	command := exec.Command(s.program, words...)
	command.Dir = s.dir
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	s.t.Logf("$ dmri-denoise %s\n%s%s", strings.Join(words, " "), stderr.String(), stdout.String())
	if got := command.ProcessState.ExitCode(); got != want {
		s.t.Fatalf("exit status %d (%v), want %d", got, err, want)
	}
	return stdout.String()
}

func slurm(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := batch.Client(context.Background(), name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSlurmEqualsLocal runs the data set on this machine and on the cluster, where the second subject's job is requeued while
// it runs, and compares every output byte for byte.
func TestSlurmEqualsLocal(t *testing.T) {
	needSlurm(t)
	s := newSlurmSite(t)
	s.run(exitSomeFailed, "batch", s.data, "local", "participant", "--nthreads", "2")
	plan := strings.TrimSpace(s.run(0, "batch", s.data, "cluster", "participant", "--engine", "slurm", "--omp-nthreads", "1", "--array-size", "5", "--detach"))
	p, err := batch.ReadPlan(plan, -1)
	if err != nil {
		t.Fatal(err)
	}
	q := &batch.Slurm{Plan: p, Command: batch.Client}
	if jobs := q.Jobs(); len(jobs) != 3 || len(jobs[0].Tasks) != 5 || len(jobs[1].Tasks) != 3 {
		t.Errorf("jobs %+v, want arrays of 5 and 3 and the group step", jobs)
	}
	element := s.waitForRunning(q, 1)
	slurm(t, "scontrol", "requeue", element)
	t.Logf("requeued %s while it ran", element)
	s.hurry(q, element)
	s.waitForEnd(q)
	s.run(exitSomeFailed, "batch", "status", plan)
	outcomes := p.Statuses(map[int]string{})
	if o := outcomes[1]; o.Status != batch.Done || o.State.Attempt != 2 || !strings.Contains(o.State.Job, "restart 1") {
		t.Errorf("the requeued scan: %s, attempt %d, job %q", o.Status, o.State.Attempt, o.State.Job)
	}
	if o := outcomes[4]; o.Status != batch.Failed || o.State.ExitCode != exitBadInput || !strings.Contains(o.State.Reason, "truncated") {
		t.Errorf("the broken scan: %+v", o.State)
	}
	s.compare("local", "cluster")
}

// TestSlurmStopAndResume stops a waiting batch by Ctrl-C, which cancels its jobs; takes it up; kills the worker of one scan without
// a word, as a lost node or the memory killer does; and takes it up again.
func TestSlurmStopAndResume(t *testing.T) {
	needSlurm(t)
	s := newSlurmSite(t)
	s.run(exitSomeFailed, "batch", s.data, "local", "participant", "--nthreads", "2")
	waiting := exec.Command(s.program, "batch", s.data, "cluster", "participant", "--engine", "slurm", "--omp-nthreads", "1", "--slurm-throttle", "1", "--slurm-opts", "--comment='a test'")
	waiting.Dir = s.dir
	var said bytes.Buffer
	waiting.Stderr = &said
	if err := waiting.Start(); err != nil {
		t.Fatal(err)
	}
	plan := s.waitForPlan("cluster")
	p, err := batch.ReadPlan(plan, -1)
	if err != nil {
		t.Fatal(err)
	}
	q := &batch.Slurm{Plan: p, Command: batch.Client}
	s.waitForRunning(q, 1)
	if err := waiting.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	err = waiting.Wait()
	t.Logf("after Ctrl-C: %v\n%s", err, said.String())
	if code := waiting.ProcessState.ExitCode(); code != 130 || !strings.Contains(said.String(), "the jobs are cancelled") {
		t.Errorf("exit status %d", code)
	}
	s.waitForEnd(q)
	if o := p.Statuses(map[int]string{})[1]; o.Status != batch.Interrupted {
		t.Errorf("sub-02 after scancel: %+v", o)
	}
	s.noImage("cluster/sub-02/dwi")

	s.run(0, "batch", "resume", plan, "--detach")
	s.waitForAttempt(q, 1, 2)
	if err := syscall.Kill(p.Statuses(nil)[1].State.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.waitForEnd(q)
	if o := p.Statuses(map[int]string{})[1]; o.Status != batch.Interrupted || !strings.Contains(o.State.Reason, "killed") {
		t.Errorf("sub-02 after SIGKILL: %+v", o)
	}
	s.noImage("cluster/sub-02/dwi")

	s.run(exitSomeFailed, "batch", "resume", plan)
	s.compare("local", "cluster")
}

// TestSlurmNodeLossAndTimeLimit takes the node away while a scan runs on it, which Slurm answers by queuing the scan again, and
// lets the second attempt run into its time limit; resuming does the rest. The worker is halted both times, so that it cannot
// end before.
func TestSlurmNodeLossAndTimeLimit(t *testing.T) {
	needSlurm(t)
	s := emptySlurmSite(t)
	s.subject("01", [3]int{64, 64, 32}, 1)
	s.run(0, "batch", s.data, "local", "participant", "--nthreads", "2")
	plan := strings.TrimSpace(s.run(0, "batch", s.data, "cluster", "participant", "--engine", "slurm", "--omp-nthreads", "1", "--detach"))
	p, err := batch.ReadPlan(plan, -1)
	if err != nil {
		t.Fatal(err)
	}
	q := &batch.Slurm{Plan: p, Command: batch.Client}
	element := s.waitForRunning(q, 0)
	worker := s.halt(p)
	node := strings.Fields(slurm(t, "sinfo", "--noheader", "--format=%n"))[0]
	slurm(t, "scontrol", "update", "NodeName="+node, "State=DOWN", "Reason=test")
	t.Logf("node %s lost while %s ran", node, element)
	s.waitForGone(worker)
	s.hurry(q, element)
	s.takeBack(node, element, func() bool {
		queue, _, err := q.Queue(context.Background())
		return err == nil && queue[0] == "RUNNING" && p.Statuses(queue)[0].State.Attempt == 2
	})
	s.noImage("cluster/sub-01/dwi")
	s.halt(p)
	slurm(t, "scontrol", "update", "JobId="+element, "TimeLimit=1")
	t.Logf("%s has a minute", element)
	s.waitForEnd(q)
	if o := p.Statuses(map[int]string{})[0]; o.Status != batch.Interrupted {
		t.Errorf("after the time limit: %+v", o)
	}
	s.noImage("cluster/sub-01/dwi")
	s.run(0, "batch", "resume", plan)
	s.compare("local", "cluster")
}

// takeBack puts a node that is down into service, unless it has come back by itself, until the element that was lost with it
// runs again. Slurm holds what it queues again back for two minutes, and may set that anew.
func (s *slurmSite) takeBack(node, element string, running func() bool) {
	s.t.Helper()
	ctx := context.Background()
	for range 360 {
		if running() {
			return
		}
		if state, err := batch.Client(ctx, "sinfo", "--noheader", "--nodes="+node, "--format=%T"); err == nil && strings.Contains(state, "down") {
			_, _ = batch.Client(ctx, "scontrol", "update", "NodeName="+node, "State=RESUME")
		}
		_, _ = batch.Client(ctx, "scontrol", "update", "JobId="+element, "StartTime=now") // fails once it runs
		time.Sleep(500 * time.Millisecond)
	}
	s.t.Fatalf("%s did not run again: %s%s", element, slurm(s.t, "squeue"), slurm(s.t, "sinfo"))
}

// halt stops the first task's worker where it stands and returns its process.
func (s *slurmSite) halt(p *batch.Plan) int {
	s.t.Helper()
	worker := p.Statuses(nil)[0].State.PID
	if err := syscall.Kill(worker, syscall.SIGSTOP); err != nil {
		s.t.Fatal(err)
	}
	return worker
}

// waitForGone waits until a node that was lost has ended the worker it had, and is ready to take the same job again: before, it
// refuses it ("already running", "already killed"), for which Slurm drains the node or drops the job. Slurm itself waits two
// minutes, which hurry cuts short.
func (s *slurmSite) waitForGone(worker int) {
	s.t.Helper()
	for range 600 {
		if syscall.Kill(worker, 0) != nil {
			time.Sleep(3 * time.Second) // credentials are told apart by the second
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.t.Fatalf("worker %d is still on the node that was lost", worker)
}

// waitForPlan returns the plan that a batch has written into its output folder.
func (s *slurmSite) waitForPlan(out string) string {
	s.t.Helper()
	for range 200 {
		plans, err := filepath.Glob(filepath.Join(s.dir, out, "logs", "plan-*.jobs.json"))
		if err == nil && len(plans) == 1 {
			return strings.TrimSuffix(plans[0], ".jobs.json") + ".jsonl"
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.t.Fatal("no plan was submitted")
	return ""
}

// waitForRunning returns the array element, such as 12_3, that works on a task, once its run has begun.
func (s *slurmSite) waitForRunning(q *batch.Slurm, task int) string {
	s.t.Helper()
	return s.waitForAttempt(q, task, 1)
}

// waitForAttempt is waitForRunning for a later attempt.
func (s *slurmSite) waitForAttempt(q *batch.Slurm, task, attempt int) string {
	s.t.Helper()
	for range 600 {
		queue, _, err := q.Queue(context.Background())
		if err == nil && queue[task] == "RUNNING" && q.Plan.Statuses(queue)[task].State.Attempt == attempt {
			for _, j := range q.Jobs() {
				if i := slices.Index(j.Tasks, task); i >= 0 {
					return fmt.Sprintf("%s_%d", j.ID, i+1)
				}
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.t.Fatalf("task %d was not seen running", task)
	return ""
}

// hurry starts a requeued element at once: Slurm holds it back for two minutes.
func (s *slurmSite) hurry(q *batch.Slurm, element string) {
	s.t.Helper()
	for range 300 {
		out, err := batch.Client(context.Background(), "squeue", "--noheader", "--array", "--name=dmri-denoise-"+q.Plan.ID, "--format=%F_%K %T")
		if err == nil && strings.Contains(out, element+" PENDING") {
			if _, err := batch.Client(context.Background(), "scontrol", "update", "JobId="+element, "StartTime=now"); err == nil {
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.t.Fatalf("element %s did not come back into the queue", element)
}

func (s *slurmSite) waitForEnd(q *batch.Slurm) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	q.Poll = 200 * time.Millisecond
	if err := q.Wait(ctx); err != nil {
		s.t.Fatalf("the jobs did not end: %v\n%s", err, slurm(s.t, "squeue"))
	}
}

func (s *slurmSite) noImage(dir string) {
	s.t.Helper()
	images, err := filepath.Glob(filepath.Join(s.dir, filepath.FromSlash(dir), "*.nii.gz"))
	if err != nil || len(images) > 0 {
		s.t.Errorf("partial output: %v, %v", images, err)
	}
}

// compare requires the same files with the same bytes in two output folders; logs and records apart.
func (s *slurmSite) compare(a, b string) {
	s.t.Helper()
	left, right := s.contents(a), s.contents(b)
	for name, data := range left {
		if other, ok := right[name]; !ok || !bytes.Equal(data, other) {
			s.t.Errorf("%s: differs or is missing in %s", name, b)
		}
	}
	for name := range right {
		if _, ok := left[name]; !ok {
			s.t.Errorf("%s is only in %s", name, b)
		}
	}
	s.t.Logf("%d files of %s and %s are the same, byte for byte", len(left), a, b)
}

func (s *slurmSite) contents(dir string) map[string][]byte {
	s.t.Helper()
	root, found := filepath.Join(s.dir, dir), map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == "logs":
			return filepath.SkipDir
		case entry.IsDir():
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err == nil {
			found[rel], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}
