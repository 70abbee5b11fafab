package batch

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/dmri-denoise/dmri-denoise/internal/bids"
)

// planFormat is the version of the plan file.
const planFormat = 1

// ErrPlan is wrapped by errors about plan files.
var ErrPlan = errors.New("not a usable plan")

// Header is the first line of a plan: what all its tasks share. Folders are absolute.
type Header struct {
	Format  int    `json:"dmri_denoise_plan"`
	ID      string `json:"id"`
	Version string `json:"version"` // of the program
	BIDSDir string `json:"bids_dir"`
	OutDir  string `json:"out_dir"`
	WorkDir string `json:"work_dir"` // private folders of running tasks
	Force   bool   `json:"force,omitempty"`
	Threads int    `json:"threads_per_scan"`
	Group   bool   `json:"group,omitempty"` // write the group report when all is done

	Slurm *SlurmOptions `json:"slurm,omitempty"` // nil for the local engine
}

// Task is one scan to denoise.
type Task struct {
	Index    int       `json:"index"` // place in the plan, from 0
	Source   string    `json:"source"`
	Image    string    `json:"image"`
	BVal     string    `json:"bval,omitempty"`
	BVec     string    `json:"bvec,omitempty"`
	Sidecars []string  `json:"sidecars,omitempty"`
	Settings []Setting `json:"settings,omitempty"`
	Maps     []string  `json:"maps,omitempty"` // extra maps to write, such as residual

	Memory  int64    `json:"memory_bytes"` // estimated peak
	Seconds float64  `json:"seconds"`      // estimated time, cautious
	Problem *Problem `json:"problem,omitempty"`
}

// Setting is one setting of the run that its result depends on. File is the path if the value names a file, whose content
// then counts, not its name.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	File  bool   `json:"file,omitempty"`
}

// Problem is why a scan could not be used when the plan was made.
type Problem struct {
	Reason string `json:"reason"`
	Remedy string `json:"remedy,omitempty"`
	// Content says that the files' content was missing, which may have been mended since: look again before giving up.
	Content bool `json:"content,omitempty"`
}

// NewProblem describes an error of the crawl.
func NewProblem(err error) *Problem {
	if err == nil {
		return nil
	}
	p := &Problem{Reason: err.Error(), Content: errors.Is(err, bids.ErrNotFetched) || errors.Is(err, bids.ErrEmpty)}
	var file *bids.FileError
	if errors.As(err, &file) {
		p.Remedy = file.Remedy
	}
	return p
}

// ID names the task: the scan's name without its extension.
func (t Task) ID() string { return t.name().Stem() }

// name takes the source apart. Plans hold only names that parse, which ReadPlan checks.
func (t Task) name() bids.Name {
	n, err := bids.ParseName(t.Source)
	if err != nil {
		panic("batch: task of a plan without a BIDS name: " + t.Source)
	}
	return n
}

func (t Task) subject() string { return t.name().Value("sub") }

// files lists the input files in a fixed order with the part each plays.
func (t Task) files() []input {
	files := []input{{"image", t.Image}, {"bval", t.BVal}, {"bvec", t.BVec}}
	for _, s := range t.Settings {
		if s.File {
			files = append(files, input{s.Name, s.Value})
		}
	}
	return files
}

type input struct{ role, path string }

// Plan is a batch before it runs.
type Plan struct {
	Header
	Tasks []Task
}

// File is where the plan is kept.
func (h Header) File() string {
	return filepath.Join(h.OutDir, logFolder, planPrefix+h.ID+".jsonl")
}

const planPrefix = "plan-"

// logFolder is below the output folder.
const logFolder = "logs"

// Write saves the plan at its place and returns the path. No two plans share a
// name, so what a killed program left of another is taken away here.
func (p *Plan) Write() (string, error) {
	sweepAll(filepath.Dir(p.File()), temporaryPrefix+planPrefix)
	return p.File(), writeFile(p.File(), func(w io.Writer) error {
		buffered := bufio.NewWriter(w)
		encoder := json.NewEncoder(buffered)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(p.Header); err != nil {
			return err
		}
		for _, t := range p.Tasks {
			if err := encoder.Encode(t); err != nil {
				return err
			}
		}
		return buffered.Flush()
	})
}

// ReadPlan reads a plan. With index at or above 0 only that task is kept.
func ReadPlan(path string, index int) (*Plan, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := &Plan{}
	decoder := json.NewDecoder(bufio.NewReader(f))
	if err := decoder.Decode(&p.Header); err != nil || p.Format != planFormat {
		return nil, fmt.Errorf("%s: no plan of this program: %w", path, ErrPlan)
	}
	for i := 0; ; i++ {
		var raw json.RawMessage
		if err := decoder.Decode(&raw); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("%s: task %d: %w: %w", path, i, err, ErrPlan)
		}
		if index >= 0 && i != index {
			continue
		}
		var t Task
		if err := json.Unmarshal(raw, &t); err != nil {
			return nil, fmt.Errorf("%s: task %d: %w: %w", path, i, err, ErrPlan)
		}
		if _, err := bids.ParseName(t.Source); err != nil || t.Index != i {
			return nil, fmt.Errorf("%s: task %d: index or source name is damaged: %w", path, i, ErrPlan)
		}
		p.Tasks = append(p.Tasks, t)
	}
	if index >= 0 && len(p.Tasks) == 0 {
		return nil, fmt.Errorf("%s: has no task %d: %w", path, index, ErrPlan)
	}
	return p, nil
}
