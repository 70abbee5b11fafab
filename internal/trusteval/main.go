// Command trusteval measures what docs/trust.md tells of lesions and of memory, and writes the tables into their places
// there. make eval-trust runs it; the other tables of that page are made by tests and by hand.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"
)

// evaluation is one run of this program.
type evaluation struct {
	bin     string
	dir     string // scratch
	threads int
	large   bool // the scan of HCP size too
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "trusteval:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	e := &evaluation{}
	page := flag.String("out", "docs/trust.md", "page to write into")
	only := flag.String("only", "", "lesions or memory")
	flag.StringVar(&e.bin, "bin", "bin/dmri-denoise", "program to measure")
	flag.StringVar(&e.dir, "dir", "build/trust", "folder for scans, kept")
	flag.IntVar(&e.threads, "threads", runtime.NumCPU(), "threads")
	flag.BoolVar(&e.large, "hcp", false, "measure a scan of 145x174x145x288 too: 10 GB of memory, 30 of disk, an hour")
	flag.Parse()
	if err := os.MkdirAll(e.dir, 0o777); err != nil {
		return err
	}
	for _, part := range []struct {
		name  string
		table func(context.Context) (string, error)
	}{{"lesions", e.lesionTable}, {"memory", e.memoryTable}} {
		if *only != "" && *only != part.name {
			continue
		}
		table, err := part.table(ctx)
		if err != nil {
			return err
		}
		fmt.Print(table)
		note := fmt.Sprintf("\nMeasured %s, %d threads, %s.\n", time.Now().Format(time.DateOnly), e.threads, runtime.Version())
		if err := replace(*page, part.name, "\n"+table+note); err != nil {
			return err
		}
	}
	return nil
}

// replace puts a table between the marks of its name on the page.
func replace(page, name, table string) error {
	data, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return fmt.Errorf("%s: no place for the table: %s…%s is missing", page, strings.TrimSpace(begin), end)
	}
	return os.WriteFile(page, []byte(before+begin+table+"\n"+end+after), 0o666)
}
