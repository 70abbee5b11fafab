// Command syntheval judges generated signals against voxels that were held out
// and writes docs/synthesis.md:
//
//	go run ./internal/syntheval -data ../shared/data -out docs/synthesis.md
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"

	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

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
	only := flag.Int("case", -1, "run this case only")
	verbose := flag.Bool("v", false, "log the training")
	flag.Parse()
	var stop func()
	e.ctx, stop = signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *verbose {
		e.log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if err := e.dev(*only); err != nil {
		fmt.Fprintln(os.Stderr, "syntheval:", err)
		os.Exit(1)
	}
}

func (e *evaluation) dev(only int) error {
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
		if err != nil {
			return err
		}
		j, err := e.judge(v)
		if err != nil {
			return err
		}
		fmt.Println(j)
		fmt.Printf("%+v\n%+v outside %g learn %v draw %v\n\n", j.model.Report(), j.copies, j.outside, j.learning, j.drawing)
	}
	return nil
}
