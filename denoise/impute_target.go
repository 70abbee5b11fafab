package denoise

import (
	"context"
	"fmt"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// series are the images that a prediction is stored in; std and samples only if
// they were asked for.
type series struct {
	mean, std *nifti.Image
	samples   []*nifti.Image
}

func (j *imputation) newSeries(volumes int) series {
	s := series{mean: j.im.Like(volumes)}
	if j.o.Imputing.Std {
		s.std = j.im.Like(volumes)
	}
	for range j.o.Imputing.Samples {
		s.samples = append(s.samples, j.im.Like(volumes))
	}
	return s
}

// uncertain reports whether spread is asked for in any form.
func (j *imputation) uncertain() bool { return j.o.Imputing.Std || j.o.Imputing.Samples > 0 }

// predictTable predicts the volumes of a table in every denoised voxel.
func (j *imputation) predictTable(ctx context.Context, g *geometry, trust *calibration, targets *impute.Targets, magnitude bool) (series, error) {
	all := make([]int, g.table.Len())
	for i := range all {
		all[i] = i
	}
	p, err := j.newPredictor(g, all, targets)
	if err != nil {
		return series{}, err
	}
	p.trust, p.samples = trust, j.o.Imputing.Samples
	if c := g.correction; c != nil && slices.Contains(c.use, true) {
		if p.learned, err = j.correct(ctx, g, c, targets.Points); err != nil {
			return series{}, err
		}
	}
	out := j.newSeries(targets.Volumes())
	err = p.run(ctx, g.voxels, func(v int32, e *estimate) {
		for t := range e.mean {
			out.store(t, v, e, t, g.sigma[v], magnitude)
		}
	})
	return out, err
}

// store writes what was predicted of target t into a volume, back in the unit
// of the scan. An amplitude is never below 0.
func (s series) store(volume int, v int32, e *estimate, t int, sigma float32, magnitude bool) {
	put := func(im *nifti.Image, x float64) {
		if magnitude {
			x = max(x, 0)
		}
		im.Volume(volume)[v] = float32(x) * sigma
	}
	put(s.mean, e.mean[t])
	if s.std != nil {
		put(s.std, e.std[t])
	}
	for k, draw := range e.draws {
		put(s.samples[k], draw[t])
	}
}

// restoreWhole puts the volumes lost altogether back into the series.
func (j *imputation) restoreWhole(ctx context.Context, r *Result, g *geometry, trust *calibration) error {
	if len(j.whole) == 0 {
		return nil
	}
	targets, err := impute.NewTargets(g.model, j.table.Select(j.whole), false)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotImputable, err)
	}
	made, err := j.predictTable(ctx, g, trust, targets, r.Summary.RicianCorrected)
	if err != nil {
		return err
	}
	r.Denoised = j.expand(r.Denoised, made.mean)
	if made.std != nil {
		r.Imputed.Std = j.expand(r.Imputed.Std, made.std)
	}
	for k, s := range made.samples {
		known := g.series
		if k < len(r.Imputed.Samples) {
			known = r.Imputed.Samples[k]
			r.Imputed.Samples[k] = j.expand(known, s)
			continue
		}
		r.Imputed.Samples = append(r.Imputed.Samples, j.expand(known, s))
	}
	r.Summary.Volumes = j.lost.Volumes
	return nil
}

// expand joins the kept volumes, 0 where kept is nil, with those imputed.
func (j *imputation) expand(kept, imputed *nifti.Image) *nifti.Image {
	out := imputed.Like(j.lost.Volumes)
	out.Header.CalMin, out.Header.CalMax = j.im.Header.CalMin, j.im.Header.CalMax
	if kept != nil {
		for i, n := range j.kept {
			copy(out.Volume(n), kept.Volume(i))
		}
	}
	for i, n := range j.whole {
		copy(out.Volume(n), imputed.Volume(i))
	}
	return out
}

// target predicts the scan on the target table.
func (j *imputation) target(ctx context.Context, r *Result, g *geometry, trust *calibration) error {
	table := j.o.Imputing.Target
	if table == nil {
		return nil
	}
	affine, _ := j.im.Header.Affine()
	table = table.ToFSL(affine)
	targets, err := impute.NewTargets(g.model, table, j.o.Imputing.Extrapolate)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotImputable, err)
	}
	made, err := j.predictTable(ctx, g, trust, targets, r.Summary.RicianCorrected)
	if err != nil {
		return err
	}
	j.summary.Directions = table.Len()
	r.Imputed.Target, r.Imputed.TargetStd, r.Imputed.TargetSamples = made.mean, made.std, made.samples
	return nil
}

// passOptions are those of one pass among several: the noise and the prior that r
// found, and no random draws.
func (j *imputation) passOptions(r *Result) Options {
	o := j.o
	o.Sampler = Mean
	o.Prior = chosenPrior(r.Summary.Prior.Chosen)
	o.Rician = RicianOff
	if r.Summary.RicianCorrected {
		o.Rician = RicianOn
	}
	if o.NoiseMap == nil && o.NoiseLevel == 0 {
		o.NoiseMap = slices.Clone(r.Sigma.Volume(0))
		level := float32(r.Summary.Sigma.Median)
		for v, s := range o.NoiseMap {
			if !finitePositive(s) {
				o.NoiseMap[v] = level // voxels that were left out, should another pass take them in
			}
		}
	}
	return o
}
