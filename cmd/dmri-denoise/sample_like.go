package main

import (
	"context"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/posterior"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// runLike draws a scan again.
func (o sampleOptions) runLike(ctx context.Context, u *ui) error {
	limitThreads(o.threads)
	im, err := readWithin(ctx, o.like, arraysDrawn)
	if err != nil {
		return err
	}
	_, _, _, nt := im.Dims()
	if err := o.ownLike.Check(nt); err != nil {
		return err
	}
	bar := newProgress(u)
	defer bar.finish()
	settings := o.denoising(u, bar)
	if o.mask != "" {
		if settings.Mask, err = loadMask(ctx, o.mask); err != nil {
			return err
		}
	}
	if o.table != nil {
		return o.drawTarget(ctx, u, im, settings)
	}
	return o.drawOwn(ctx, u, bar, im, settings)
}

// drawTarget draws on another table, from the q-space posterior.
func (o sampleOptions) drawTarget(ctx context.Context, u *ui, im *nifti.Image, settings denoise.Options) error {
	settings.Imputing = denoise.Imputing{Mode: denoise.ImputeAuto, Target: o.table, Samples: o.count}
	result, err := denoise.Run(ctx, im, o.ownLike, settings)
	if err != nil {
		files := runOptions{input: o.like}
		files.impute.target.bval = o.tables.bval
		return explainDenoise(files, err)
	}
	r := o.record("draws of a scan on another table", o.like)
	return o.write(ctx, u, o.table, r, func(k int) (*nifti.Image, error) { return result.Imputed.TargetSamples[k], nil })
}

// drawOwn draws on the scan's own table, from the calibrated posterior of the denoised scan.
func (o sampleOptions) drawOwn(ctx context.Context, u *ui, bar *progress, im *nifti.Image, settings denoise.Options) error {
	result, p, err := denoise.Draws(ctx, im, o.ownLike, settings)
	if err != nil {
		return explainDenoise(runOptions{input: o.like}, err)
	}
	_, _, _, nt := im.Dims()
	smooth := p.Smooth
	if o.smooth >= 0 {
		smooth = posterior.Smoothness{Share: 1, Width: [3]float64{o.smooth, o.smooth, o.smooth}}
	}
	r := o.record("draws of a scan", o.like)
	r.Smooth = &smooth
	r.Notes = []string{"draws are joint over the directions of a voxel; errors of neighbouring voxels are alike as smoothness says"}
	return o.write(ctx, u, o.ownLike, r, func(k int) (*nifti.Image, error) {
		bar.report("draw", k, o.count)
		out := result.Denoised.Like(nt)
		return out, p.Volumes(ctx, out.Voxels(), k, smooth, o.threads)
	})
}
