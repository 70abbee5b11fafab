package batch

import (
	"path/filepath"
	"strings"
	"time"
)

// Status is what became of a task.
type Status string

// What became of a task.
const (
	Waiting     Status = "waiting" // not started, or not known to any queue
	Queued      Status = "queued"  // the cluster has it
	Running     Status = "running"
	Done        Status = "done"
	Skipped     Status = "skipped" // done before from the same input with the same settings
	Failed      Status = "failed"
	Interrupted Status = "interrupted" // stopped before it was done; running it again takes it up
)

// State is the record of a task's last attempt, in logs/state. Outputs do not depend on it.
type State struct {
	Task     string    `json:"task"`
	Plan     string    `json:"plan"`
	Status   Status    `json:"status"`
	Version  string    `json:"version"`
	Settings string    `json:"settings"` // digest, see settingsDigest
	Attempt  int       `json:"attempt"`
	Host     string    `json:"host,omitempty"`
	PID      int       `json:"pid,omitempty"`
	Job      string    `json:"job,omitempty"` // of the batch system
	Threads  int       `json:"threads,omitempty"`
	Started  time.Time `json:"started"`
	Seconds  float64   `json:"seconds,omitempty"`

	ExitCode   int      `json:"exit_code,omitempty"`
	Reason     string   `json:"reason,omitempty"`
	Remedy     string   `json:"remedy,omitempty"`
	PeakMemory int64    `json:"peak_memory_bytes,omitempty"`
	Warnings   []string `json:"warnings,omitempty"`
	Inputs     []Stamp  `json:"inputs,omitempty"`
}

// stateFile is below a folder for each subject, so that looking up a subject's records does not grow with the data set.
func (h Header) stateFile(id string) string {
	subject, _, _ := strings.Cut(id, "_")
	return filepath.Join(h.stateFolder(), subject, id+".json")
}

func (h Header) stateFolder() string { return filepath.Join(h.OutDir, logFolder, "state") }

// LogFile is the log of a task.
func (h Header) LogFile(t Task) string { return filepath.Join(h.OutDir, logFolder, t.ID()+".log") }

// readState returns the record of a task, the zero State if there is none that can be read.
func (h Header) readState(id string) State {
	var s State
	if readJSON(h.stateFile(id), &s) != nil {
		return State{}
	}
	return s
}

func (h Header) writeState(s State) error { return writeJSON(h.stateFile(s.Task), s) }
