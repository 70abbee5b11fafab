package denoise

import (
	"context"
	"fmt"

	"github.com/dmri-denoise/dmri-denoise/denoise/posterior"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// StageProbe is the second denoising that [Draws] calibrates with.
const StageProbe Stage = "calibration"

// Draws denoises a scan as [Run] does and calibrates the distribution of what is
// left open about it, from which joint draws of every voxel can be taken. For
// that the scan is denoised once more with a small probe added, at the noise
// map and with the prior of the first time. Lost slices are not looked for:
// what was not measured has an uncertainty of another kind, see
// [Imputing]. The sampler is always the posterior mean.
//
// The image is as before when Draws returns, but for the last bit of its
// values; draws refer to Result.Denoised, no longer to the image. With Options.Reload the
// peak is three copies of the scan instead of four.
func Draws(ctx context.Context, im *nifti.Image, table *gradients.Table, o Options) (*Result, *posterior.Posterior, error) {
	o.Sampler = Mean
	o.Imputing = Imputing{Mode: ImputeOff}
	first, err := Run(ctx, im, table, o)
	if err != nil {
		return nil, nil, err
	}
	nx, ny, nz, nt := im.Dims()
	scan := &posterior.Scan{
		NX: nx, NY: ny, NZ: nz, D: nt, Measured: im.Voxels(), Denoised: first.Denoised.Voxels(), Sigma: first.Sigma.Voxels(),
		Mask: first.Mask, Foreground: first.Foreground, Magnitude: first.Summary.RicianCorrected, Seed: o.Seed,
	}
	if err := probe(ctx, im, table, scan, o.again(first)); err != nil {
		return nil, nil, fmt.Errorf("denoise: calibration: %w", err)
	}
	p, err := posterior.Calibrate(ctx, scan, posterior.Options{Threads: o.Threads, Seed: o.Seed, Table: table, B0Threshold: o.B0Threshold})
	if err != nil {
		return nil, nil, err
	}
	if err := p.MeasureSmoothness(ctx, o.Threads); err != nil {
		return nil, nil, err
	}
	if o.Calibrated != nil {
		if err := o.Calibrated(first, p); err != nil {
			return nil, nil, err
		}
	}
	scan.Moved, scan.Measured = nil, nil
	return first, p, nil
}

// probe denoises the perturbed image into scan.Moved.
func probe(ctx context.Context, im *nifti.Image, table *gradients.Table, scan *posterior.Scan, o Options) error {
	scan.Perturb(1)
	if reload := o.Reload; reload != nil {
		scan.Measured = nil // so that Run can let go of it
		o.Reload = func(ctx context.Context) (*nifti.Image, error) {
			again, err := reload(ctx)
			if err != nil || len(again.Voxels()) != len(scan.Denoised) {
				return again, err // a size that changed is Run's to report
			}
			moved := *scan
			moved.Measured = again.Voxels()
			moved.Perturb(1)
			return again, nil
		}
	}
	second, err := Run(ctx, im, table, o)
	if err != nil {
		return err
	}
	scan.Measured, scan.Moved = im.Voxels(), second.Denoised.Voxels()
	scan.Perturb(-1)
	return nil
}

// again returns the options of a second run that differs from the first in
// its measurements alone.
func (o Options) again(r *Result) Options {
	o.Prior = chosenPrior(r.Summary.Prior.Chosen)
	o.Rician = RicianOff
	if r.Summary.RicianCorrected {
		o.Rician = RicianOn
	}
	o.NoiseMap, o.NoiseLevel = r.Sigma.Volume(0), 0
	o.Mask = r.Mask // what the first run left out stays out
	o.foreground = r.Foreground
	progress := o.Progress
	o.Progress = func(stage Stage, done, total int) {
		if progress != nil && stage == StageDenoise {
			progress(StageProbe, done, total)
		}
	}
	return o
}
