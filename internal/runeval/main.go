// Command runeval measures `run` and writes docs/accuracy.md and
// docs/benchmark.md:
//
//	go run ./internal/runeval -bin bin/dmri-denoise -data ../shared/data -score build/score.json
//
// Scans that are not in the data folder are left out and named. It prints what
// it does to standard error.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"text/template"
)

var (
	//go:embed accuracy.md.tmpl
	accuracyPage string
	//go:embed benchmark.md.tmpl
	benchmarkPage string
)

func main() {
	e := &evaluation{}
	flag.StringVar(&e.bin, "bin", "bin/dmri-denoise", "the program")
	flag.StringVar(&e.data, "data", "../shared/data", "folder of real scans")
	flag.StringVar(&e.score, "score", "", "figures that score.py wrote with --json")
	flag.StringVar(&e.work, "work", "build/eval", "folder for scans and results")
	flag.StringVar(&e.docs, "docs", "docs", "folder of the pages to write")
	flag.IntVar(&e.threads, "threads", 2, "threads")
	flag.BoolVar(&e.huge, "hcp", false, "also a scan of 145×174×145×288 voxels (needs 16 GB of memory and 20 GB of disk)")
	only := flag.String("only", "", "accuracy or benchmark: write that page alone; downstream: that table of docs/accuracy.md")
	flag.Parse()
	var stop context.CancelFunc
	e.ctx, stop = signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := e.run(*only); err != nil {
		fmt.Fprintln(os.Stderr, "runeval:", err)
		os.Exit(1)
	}
}

// evaluation carries the settings from step to step.
type evaluation struct {
	ctx                          context.Context
	bin, data, score, work, docs string
	threads                      int
	huge                         bool
	missing                      []string
}

// step is one table of a page.
type step struct {
	name string
	make func() (string, error)
}

func (e *evaluation) run(only string) error {
	if err := os.MkdirAll(e.work, 0o755); err != nil {
		return err
	}
	if only == "downstream" {
		return e.replaceDownstream()
	}
	for _, page := range []struct {
		name, text string
		steps      []step
	}{
		{"accuracy", accuracyPage, []step{{"Sure", e.sure}, {"Rician", e.rician}, {"Real", e.real}, {"Phantoms", e.residuals}, {"Score", e.scores}, {"Downstream", e.downstream}}},
		{"benchmark", benchmarkPage, []step{{"Time", e.times}, {"Huge", e.hcp}}},
	} {
		if only != "" && only != page.name {
			continue
		}
		content := map[string]any{"Machine": machine(), "Versions": e.versions()}
		for _, s := range page.steps {
			fmt.Fprintln(os.Stderr, s.name)
			text, err := s.make()
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			fmt.Fprintln(os.Stderr, text)
			content[s.name] = text
		}
		content["Missing"] = e.missing
		t, err := template.New(page.name).Parse(page.text)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, content); err != nil {
			return err
		}
		if err := os.WriteFile(e.docs+"/"+page.name+".md", b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Marks around the table of maps in docs/accuracy.md, which can be made alone.
const downstreamFrom, downstreamTo = "<!-- maps -->\n", "\n<!-- end of maps -->"

// replaceDownstream makes the table of maps and puts it into docs/accuracy.md.
func (e *evaluation) replaceDownstream() error {
	text, err := e.downstream()
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, text)
	path := e.docs + "/accuracy.md"
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(page), downstreamFrom)
	_, after, closed := strings.Cut(rest, downstreamTo)
	if !ok || !closed {
		return fmt.Errorf("%s: the marks around the table of maps are missing: make eval writes the page anew", path)
	}
	return os.WriteFile(path, []byte(before+downstreamFrom+text+downstreamTo+after), 0o644)
}
