package main

import (
	"context"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/qc"
)

const (
	reverseSteps = 60 // of the reverse process: a picture needs no exact variance
	reverseSlab  = 3  // slices on each side of the one shown, which the prior needs as neighbours
)

func reverseFlag() cli.Flag {
	return &cli.BoolFlag{Name: "reverse", Category: "with --reverse", Usage: "draw the reverse process instead: from pure noise at T-1 to a slice drawn from the scan's own prior"}
}

// reverseStrip draws the reverse process of a slice.
func reverseStrip(ctx context.Context, c *cli.Context, u *ui, o stripOptions) error {
	if !c.IsSet("out") {
		stem, _ := imageStem(o.input)
		o.output = stem + "_reverse_strip.png"
		if err := checkOutputs([]string{o.output}, []string{o.input}, o.force); err != nil {
			return err
		}
	}
	if o.plane != qc.Axial {
		return usagef("--reverse draws axial slices only")
	}
	im, err := readWithin(ctx, o.input, arraysDenoised)
	if err != nil {
		return err
	}
	nx, ny, _, nt := im.Dims()
	n := o.volume
	if n == automatic {
		n = firstB0(o.input, nt)
	}
	if n >= nt {
		return usagef("--volume %d: %s has %d volumes, counted from 0", n, o.input, nt)
	}
	grid := qc.GridOf(&im.Header)
	k := o.slice
	if k == automatic {
		k = qc.MiddleSlice(qc.Foreground(im.Volume(n)), grid, o.plane)
	}
	if count := grid.Slices(o.plane); k >= count {
		return usagef("--slice %d: %s has %d %s slices, counted from 0", k, o.input, count, o.plane)
	}
	threads, err := threadCount(0, false, os.Getenv)
	if err != nil {
		return err
	}
	mask := make([]bool, len(im.Volume(0)))
	for v := range mask {
		z := v / (nx * ny)
		mask[v] = max(z-k, k-z) <= reverseSlab
	}
	bar := newProgress(u)
	defer bar.finish()
	var frames []qc.ReverseFrame
	var ts []float64
	cut := func(volume []float32) []float32 { return qc.CutSlice(volume, grid, o.plane, k, o.radiological).Pixels }
	err = denoise.Reverse(ctx, im, nil, n, reverseSteps, denoise.Options{Mask: mask, Schedule: o.settings.Schedule, Seed: o.settings.Seed, Threads: threads, Logger: u.logger(),
		Progress: func(stage denoise.Stage, done, total int) { bar.report(string(stage), done, total) }},
		func(t float64, xt, clean []float32) {
			frames, ts = append(frames, qc.ReverseFrame{T: t, State: cut(xt), Clean: cut(clean)}), append(ts, t)
		})
	if err != nil {
		return explainDenoise(runOptions{input: o.input}, err)
	}
	noisy := len(ts) - 1
	for noisy > 0 && ts[noisy-1] < 0 { // below 0 it is as good as clean, and would be labelled x₀
		noisy--
	}
	var shown []qc.ReverseFrame
	for _, i := range qc.Moments(ts[:noisy], o.settings.Schedule.T(), o.settings.Panels) {
		shown = append(shown, frames[i])
	}
	shown = slices.Concat(shown, frames[len(frames)-1:])
	img, err := qc.ReverseStrip(qc.CutSlice(im.Volume(n), grid, o.plane, k, o.radiological), shown,
		qc.ReverseOptions{Schedule: o.settings.Schedule, Scale: o.settings.Scale, Title: o.settings.Title, What: "a draw from the prior learned from this scan"})
	if err != nil {
		return explainQC(err)
	}
	if err := writePicture(ctx, o.output, img, o.dpi, o.force); err != nil {
		return err
	}
	u.say("wrote %s: volume %d, slice %d, %d moments", o.output, n, k, len(shown))
	return nil
}
