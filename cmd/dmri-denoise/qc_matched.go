package main

import (
	"context"
	"math"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/qc"
)

// matchedOptions are those of qc strip --matched.
type matchedOptions struct {
	pairOptions
	output        string
	volume, slice int
	plane         qc.Plane
	radiological  bool
	settings      qc.MatchedOptions
	dpi           int
	force         bool
}

func matchedFlags() []cli.Flag {
	const matched = "with --matched"
	return []cli.Flag{
		&cli.BoolFlag{Name: "matched", Category: matched, Usage: "show where the scan's own noise sits on the schedule: t* marked, the measured slice beside the denoised one noised to t*"},
		&cli.StringFlag{Name: "denoised", Category: matched, Usage: "the denoised scan, `FILE` (default IN_denoised.nii.gz)"},
		&cli.StringFlag{Name: "noise", Category: matched, Usage: "standard deviation of the noise, `FILE|NUMBER` (default DENOISED_noise.nii.gz)"},
	}
}

func matchedOptionsFrom(c *cli.Context) (matchedOptions, error) {
	plain, err := stripOptionsFrom(c)
	o := matchedOptions{output: plain.output, volume: plain.volume, slice: plain.slice, plane: plain.plane, radiological: plain.radiological, dpi: plain.dpi, force: plain.force,
		settings: qc.MatchedOptions{Schedule: plain.settings.Schedule, Magnitude: plain.settings.Magnitude, Seed: plain.settings.Seed, Scale: plain.settings.Scale, Title: plain.settings.Title}}
	if err != nil {
		return o, err
	}
	o.before, o.after = plain.input, c.String("denoised")
	if o.after == "" {
		o.after = defaultOutput(o.before)
	}
	if !c.IsSet("out") {
		stem, _ := imageStem(o.before)
		o.output = stem + "_noise_matched.png"
	}
	o.tables = tableFlags{b0Threshold: gradients.DefaultB0Threshold, scaling: "auto"}
	if err := o.takeNoise(c.String("noise")); err != nil {
		return o, err
	}
	if o.noiseFile == "" && o.noiseNumber == 0 {
		return o, usageHint("give --noise FILE or --noise NUMBER", "qc strip --matched needs the noise level: no map lies beside %s", o.after)
	}
	if o.threads, err = threadCount(0, false, os.Getenv); err != nil {
		return o, err
	}
	for _, file := range []string{o.after, o.noiseFile} {
		if file == "" {
			continue
		}
		if err := checkInput(file); err != nil {
			return o, err
		}
	}
	if err := o.checkGrids(); err != nil {
		return o, err
	}
	return o, checkOutputs([]string{o.output}, o.inputs(), o.force)
}

func (o matchedOptions) run(ctx context.Context, u *ui) error {
	p, err := o.read(ctx, u)
	if err != nil {
		return err
	}
	m, err := qc.Measure(ctx, p.outcome, qc.Known{Schedule: o.settings.Schedule, Timestep: sameSchedule(p.known, o.settings)}, o.threads)
	if err != nil {
		return explainQC(err)
	}
	grid, n := p.outcome.Grid, max(o.volume, 0)
	if o.volume == automatic && len(p.outcome.Shells.All) > 0 { // noise shows best where the signal is weakest
		shells := p.outcome.Shells.All
		n = shells[len(shells)-1].Volumes[0]
	}
	if _, _, _, nt := p.header.Shape(); n >= nt {
		return usagef("--volume %d: %s has %d volumes, counted from 0", n, o.before, nt)
	}
	voxels := grid.Voxels()
	before, after := p.outcome.Before[n*voxels:(n+1)*voxels], p.outcome.After[n*voxels:(n+1)*voxels]
	k := o.slice
	if k == automatic {
		k = qc.MiddleSlice(p.outcome.Mask, grid, o.plane)
	}
	if count := grid.Slices(o.plane); k >= count {
		return usagef("--slice %d: %s has %d %s slices, counted from 0", k, o.before, count, o.plane)
	}
	cut := func(volume []float32) qc.Slice { return qc.CutSlice(volume, grid, o.plane, k, o.radiological) }
	o.settings.Spread = m.Spread
	o.settings.Magnitude = o.settings.Magnitude || p.known.Magnitude
	img, t, err := qc.MatchedStrip(cut(after), cut(before), cut(p.outcome.Sigma), o.settings)
	if err != nil {
		return explainQC(err)
	}
	if err := writePicture(ctx, o.output, img, o.dpi, o.force); err != nil {
		return err
	}
	u.say("wrote %s: volume %d, %s slice %d, t* = %.2f", o.output, n, o.plane, k, t)
	return nil
}

// sameSchedule returns the t* that the denoiser noted, on the schedule asked for: what is kept is the noise relative to the
// signal, ᾱ/(1-ᾱ).
func sameSchedule(k qc.Known, o qc.MatchedOptions) *float64 {
	if k.Timestep == nil {
		return nil
	}
	t, err := qc.MatchedTimestep(o.Schedule, math.Sqrt(k.Schedule.SNR(*k.Timestep)))
	if err != nil {
		return nil
	}
	return &t
}
