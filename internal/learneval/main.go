// Command learneval measures the learned prior and writes docs/learned-prior.md:
//
//	go run ./internal/learneval -data ../shared/data
//
// With -train it makes the model that comes with the program instead, from
// simulations alone:
//
//	go run ./internal/learneval -train denoise/learned/embedded.net
//
// Scans that are not in the data folder are left out and named. It prints what it
// does to standard error.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"text/template"

	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
)

//go:embed page.md.tmpl
var page string

// evaluation carries the settings from step to step.
type evaluation struct {
	ctx     context.Context
	data    string
	threads int
	seeds   int
	missing []string
}

func main() {
	e := &evaluation{}
	flag.StringVar(&e.data, "data", "../shared/data", "folder of real scans")
	flag.IntVar(&e.threads, "threads", 2, "threads")
	flag.IntVar(&e.seeds, "seeds", 3, "seeds of each case")
	out := flag.String("out", "docs/learned-prior.md", "page to write")
	model := flag.String("train", "", "make the model that comes with the program, as this file")
	only := flag.String("only", "", "print this part of the page alone, such as Blind")
	unseenModel := flag.String("train-unseen", "", "make the shipped model of directions that were not measured, as this file")
	flag.Parse()
	fastblas.Register()
	var stop context.CancelFunc
	e.ctx, stop = signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch {
	case *model != "":
		err = e.trainShipped(*model)
	case *unseenModel != "":
		err = e.trainUnseen(*unseenModel)
	default:
		err = e.write(*out, *only)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "learneval:", err)
		os.Exit(1)
	}
}

// write measures everything, or one part, and writes the page.
func (e *evaluation) write(out, only string) error {
	content := map[string]any{}
	for _, s := range []struct {
		name string
		make func() (string, error)
	}{{"Accuracy", e.accuracy}, {"Blind", e.blind}, {"Recipes", e.recipes}, {"Real", e.real}, {"Time", e.times}, {"Loss", e.loss}} {
		if only != "" && only != s.name {
			continue
		}
		text, err := s.make()
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintln(os.Stderr, text)
		content[s.name] = text
	}
	if only != "" {
		return nil
	}
	content["Missing"] = e.missing
	t, err := template.New("page").Parse(page)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, content); err != nil {
		return err
	}
	return os.WriteFile(out, b.Bytes(), 0o644)
}
