package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/dmri-denoise/dmri-denoise/internal/batch"
)

// childRunner runs each scan as a process of its own: this program's run. A scan that runs out of memory or meets a bug takes
// only itself down, and each has its own limits of threads and memory.
func childRunner(self string) batch.Runner {
	return func(ctx context.Context, job batch.Job) (batch.Report, error) {
		// The kernel ends the child when the thread that started it ends; a locked thread lives as long as this call.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		command := exec.CommandContext(ctx, self, runWords(job)...)
		command.Args[0] = programName
		command.Env = withoutOwnVariables(os.Environ())
		var stdout bytes.Buffer
		said := &messages{log: job.Log}
		command.Stdout, command.Stderr = &stdout, said
		command.WaitDelay = stopPatience
		stopGently(command)
		fmt.Fprintf(job.Log, "-- %s %s\n", programName, strings.Join(command.Args[1:], " "))
		err := command.Run()
		if ctx.Err() != nil {
			return batch.Report{}, ctx.Err()
		}
		if err != nil {
			return batch.Report{}, said.explain(err)
		}
		var summary runSummary
		if err := json.Unmarshal(stdout.Bytes(), &summary); err != nil {
			return batch.Report{}, fmt.Errorf("the summary of run cannot be read: %w", err)
		}
		return batch.Report{Warnings: summary.Warnings, PeakMemory: summary.PeakMemory}, nil
	}
}

// stopPatience is how long a stopped run may take to clean up after itself.
const stopPatience = 10 * time.Second

// runWords is the command line of run for a job.
func runWords(job batch.Job) []string {
	t := job.Task
	words := []string{"run", t.Image, job.Output, "--bval=" + t.BVal, "--bvec=" + t.BVec, "--noise-out=" + job.Noise,
		"--nthreads=" + strconv.Itoa(job.Threads), "--json", "--verbose"}
	if job.Memory > 0 {
		words = append(words, fmt.Sprintf("--mem=%dK", job.Memory>>10))
	}
	for _, name := range t.Maps {
		words = append(words, "--"+name+outSuffix+"="+job.Maps[name])
	}
	pictures := true
	for _, s := range t.Settings {
		pictures = pictures && (s.Name != "no-qc" || s.Value != "true")
	}
	if pictures {
		words = append(words, "--qc-dir="+job.Pictures)
	}
	return append(words, settingWords(t.Settings)...)
}

// withoutOwnVariables drops DMRI_DENOISE_*: what they say is on the command line already, or was meant for batch.
func withoutOwnVariables(environment []string) []string {
	var kept []string
	for _, kv := range environment {
		if !strings.HasPrefix(kv, environmentPrefix) {
			kept = append(kept, kv)
		}
	}
	return kept
}

// messages copies what a run says to its log and remembers its error and hint.
type messages struct {
	log          io.Writer
	line         []byte
	reason, hint string
}

func (m *messages) Write(p []byte) (int, error) {
	for _, c := range p {
		if c != '\n' {
			if len(m.line) < maxMessage {
				m.line = append(m.line, c)
			}
			continue
		}
		text := string(m.line)
		m.line = m.line[:0]
		if rest, ok := strings.CutPrefix(text, programName+": error: "); ok {
			m.reason = rest
		} else if rest, ok := strings.CutPrefix(text, programName+": hint: "); ok {
			m.hint = rest
		} else if m.reason == "" && (strings.HasPrefix(text, "panic: ") || strings.HasPrefix(text, "fatal error: ")) {
			m.reason = text
		}
	}
	return m.log.Write(p)
}

const maxMessage = 1 << 14

// explain says why a run ended as it did.
func (m *messages) explain(err error) error {
	failed := &batch.RunError{ExitCode: exitError, Reason: m.reason, Remedy: m.hint}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		failed.Reason = err.Error()
		return failed
	}
	if failed.ExitCode = exit.ExitCode(); failed.ExitCode < 0 {
		failed.ExitCode = exitError
		failed.Reason = "the run was ended from outside (" + exit.String() + ")"
		failed.Remedy = "if memory ran out, give more, or run fewer scans at once; then run the batch again"
	}
	if failed.Reason == "" {
		failed.Reason = "the run ended with " + exit.String() + " and said nothing"
	}
	return failed
}
