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
// values; the posterior refers to it and to Result.Denoised.
func Draws(ctx context.Context, im *nifti.Image, table *gradients.Table, o Options) (*Result, *posterior.Posterior, error) {
	o.Sampler, o.Reload = Mean, nil
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
	scan.Perturb(1)
	second, err := Run(ctx, im, table, o.again(first))
	scan.Perturb(-1)
	if err != nil {
		return nil, nil, fmt.Errorf("denoise: calibration: %w", err)
	}
	scan.Moved = second.Denoised.Voxels()
	p, err := posterior.Calibrate(ctx, scan, posterior.Options{Threads: o.Threads, Seed: o.Seed})
	if err != nil {
		return nil, nil, err
	}
	if err := p.MeasureSmoothness(ctx, o.Threads); err != nil {
		return nil, nil, err
	}
	scan.Moved = nil
	return first, p, nil
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
	progress := o.Progress
	o.Progress = func(stage Stage, done, total int) {
		if progress != nil && stage == StageDenoise {
			progress(StageProbe, done, total)
		}
	}
	return o
}
