// Command syntheval judges generated signals against voxels that were held out
// and writes docs/synthesis.md:
//
//	go run ./internal/syntheval -data ../shared/data -out docs/synthesis.md
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

//go:embed page.md.tmpl
var page string

// evaluation carries settings and what was found on the way.
type evaluation struct {
	ctx      context.Context
	data     string
	pictures string
	threads  int
	steps    int
	log      *slog.Logger
}

func main() {
	e := &evaluation{}
	flag.StringVar(&e.data, "data", "../shared/data", "folder of real scans")
	flag.StringVar(&e.pictures, "pictures", "docs/pictures", "folder for the pictures")
	flag.IntVar(&e.threads, "threads", 2, "threads")
	flag.IntVar(&e.steps, "steps", 0, "steps of training; 0 means the default")
	out := flag.String("out", "docs/synthesis.md", "page to write")
	only := flag.Int("case", -1, "run this case only")
	verbose := flag.Bool("v", false, "log the training")
	flag.Parse()
	var stop func()
	e.ctx, stop = signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *verbose {
		e.log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if err := e.write(*out, *only); err != nil {
		fmt.Fprintln(os.Stderr, "syntheval:", err)
		os.Exit(1)
	}
}

// write judges every case and writes the page.
func (e *evaluation) write(out string, only int) error {
	var tables, missed []string
	for i, f := range []func() (*voxels, error){
		func() (*voxels, error) {
			return e.simulated("simulated multishell", phantom.Options{Protocol: "multishell", Shape: [3]int{48, 48, 16}, Seed: 31})
		},
		func() (*voxels, error) {
			return e.denoised("denoised clinical", phantom.Options{Protocol: "clinical", Shape: [3]int{48, 48, 16}, Seed: 32, SNR: 20, Rician: true})
		},
		func() (*voxels, error) { return e.real("tissue-msmt", "tissue-msmt", "dwi.nii.gz", "dwi") },
	} {
		if only >= 0 && i != only {
			continue
		}
		v, err := f()
		if errors.Is(err, fs.ErrNotExist) {
			tables = append(tables, "A scan of the data folder is not here: left out.\n")
			continue
		}
		if err != nil {
			return err
		}
		j, err := e.judge(v)
		if err != nil {
			return err
		}
		r := j.model.Report()
		text := fmt.Sprintf("%s\nHeld-out loss of the network %.3f, of the Gaussian it starts from %.3f. Distance to the nearest training voxel, median: generated %.3g, held out %.3g; %.1f %% of the generated are closer than 99 %% of the held out. "+
			"Below 0 or above b = 0: %.2f %% of values. Learned in %.0f s, %.0f voxels a second drawn.\n", j, r.Loss, r.Gaussian, j.copies.made, j.copies.held, 100*j.copies.closer, 100*j.outside, j.learning.Seconds(), float64(len(j.made)/j.table.Len())/j.drawing.Seconds())
		fmt.Fprintln(os.Stderr, text)
		tables = append(tables, text)
		missed = append(missed, j.missed())
	}
	drawn := ""
	if only < 0 || only == 3 {
		var err error
		if drawn, err = e.like(); err != nil {
			return err
		}
		fmt.Fprintln(os.Stderr, drawn)
	}
	return os.WriteFile(out, []byte(strings.NewReplacer("{{tables}}", strings.Join(tables, "\n"), "{{missed}}", strings.Join(missed, "\n")+"\n", "{{draws}}", drawn).Replace(page)), 0o666)
}
