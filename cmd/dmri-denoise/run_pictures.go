package main

import (
	"context"
	"errors"
	"image"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/nifti"
	"github.com/dmri-denoise/dmri-denoise/qc"
)

// sketch is one picture of the QC folder, not drawn yet.
type sketch struct {
	file string
	draw func() (image.Image, error)
}

// pictures draws the QC folder and returns the files drawn. A scan that cannot be drawn costs the picture and a
// warning, not the result.
func (w *resultWriter) pictures(ctx context.Context, before *nifti.Image, result *denoise.Result) ([]string, error) {
	var drawn []string
	for _, s := range w.sketches(before, result) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		picture, err := s.draw()
		if errors.Is(err, qc.ErrInput) {
			w.warn("no picture %s: %v", s.file, err)
			continue
		}
		if err != nil {
			return nil, err
		}
		staged, err := w.files.plan(s.file)
		if err != nil {
			return nil, err
		}
		if err := qc.WritePNG(ctx, staged, picture, qc.DefaultDPI, false); err != nil {
			return nil, err
		}
		drawn = append(drawn, s.file)
	}
	return drawn, nil
}

// sketches lists the pictures: the forward noise strip of the denoised scan, before/after/residual of one volume of
// the lowest and of the highest shell, and the noise map.
func (w *resultWriter) sketches(before *nifti.Image, result *denoise.Result) []sketch {
	names := w.plan.pictures
	if names.strip == "" {
		return nil
	}
	grid, mask, sigma := qc.GridOf(&before.Header), result.Foreground, result.Sigma.Volume(0)
	list := []sketch{
		{names.strip, func() (image.Image, error) { return w.strip(result, grid) }},
		{names.noise, func() (image.Image, error) { return qc.NoiseMap(sigma, mask, grid, qc.MontageOptions{}) }},
	}
	for _, m := range names.montages {
		n := m.shell.Volumes[0]
		list = append(list, sketch{m.file, func() (image.Image, error) {
			return qc.Montage(before.Volume(n), result.Denoised.Volume(n), sigma, mask, grid,
				qc.MontageOptions{Volume: n, BValue: w.plan.bvalueOf(n)})
		}})
	}
	return append(list, w.replacedSketches(before, result)...)
}

// strip draws the forward process of the model that was used, on the largest slice of the first volume of the
// lowest shell.
func (w *resultWriter) strip(result *denoise.Result, grid qc.Grid) (image.Image, error) {
	n := 0
	if montages := w.plan.pictures.montages; len(montages) > 0 {
		n = montages[0].shell.Volumes[0]
	}
	k := qc.MiddleSlice(result.Foreground, grid, qc.Axial)
	slice := qc.CutSlice(result.Denoised.Volume(n), grid, qc.Axial, k, false)
	picture, _, err := qc.ForwardStrip(slice, qc.StripOptions{Schedule: w.plan.options.schedule, Seed: w.plan.options.seed})
	return picture, err
}
