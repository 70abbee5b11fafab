// Command imputeeval measures imputation on scans with known truth and on real
// scans, beside the established methods, and writes docs/imputation.md:
//
//	go run ./internal/imputeeval -data ../shared/data -out docs/imputation.md
//
// Scans that are not in the data folder are left out and named.
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
)

//go:embed page.md.tmpl
var page string

func main() {
	data := flag.String("data", "../shared/data", "folder of real scans")
	out := flag.String("out", "docs/imputation.md", "page to write; - for standard output")
	threads := flag.Int("threads", 2, "threads")
	picture := flag.String("picture", "", "picture of replaced slices to draw")
	only := flag.String("only", "", "print the table of this step alone, such as coverage by seed")
	quick := flag.Bool("quick", false, "small phantoms only, for trying things out")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	e := &evaluation{ctx: ctx, data: *data, picture: *picture, threads: *threads, quick: *quick, only: *only}
	if err := e.write(*out); err != nil {
		fmt.Fprintln(os.Stderr, "imputeeval:", err)
		os.Exit(1)
	}
}

// content is what the page's template is filled with.
type content struct {
	Held, Half, Known, Learned, Others, Dropout, Clean, Coverage, Seeds string
	Missing                                                             []string
}

func (e *evaluation) write(out string) error {
	c := content{}
	for _, step := range []struct {
		name string
		into *string
		make func() (string, error)
	}{
		{"held-out directions", &c.Held, e.held},
		{"half of the directions", &c.Half, e.half},
		{"known directions", &c.Known, e.known},
		{"learned prior", &c.Learned, e.learned},
		{"grid and between shells", &c.Others, e.others},
		{"dropout", &c.Dropout, e.dropout},
		{"clean scans", &c.Clean, e.clean},
		{"coverage", &c.Coverage, e.coverage},
		{"coverage by seed", &c.Seeds, e.seeds},
	} {
		if e.only != "" && e.only != step.name {
			continue
		}
		fmt.Fprintln(os.Stderr, step.name)
		text, err := step.make()
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Fprintln(os.Stderr, text)
		*step.into = text
	}
	if e.only != "" {
		return nil
	}
	c.Missing = e.missing
	t, err := template.New("page").Parse(page)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, c); err != nil {
		return err
	}
	if out == "-" {
		_, err := os.Stdout.Write(b.Bytes())
		return err
	}
	return os.WriteFile(out, b.Bytes(), 0o666)
}
