package denoise

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/denoise/noise"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// refine denoises a series in which slices are lost, in three passes, and
// replaces them. Nothing that stands in a lost slice is read.
//
// First pass: lost slices hold their conditional mean with noise like that of
// their voxels added, so that the noise map is not biased. Second pass: they hold
// the prediction from the first pass's denoised directions, without noise. Some
// clean slices are treated as lost in these two passes: comparing what is
// predicted there with what was measured tells how the q-space model and the
// local denoiser should be weighed. Third pass: the same with those slices back; the
// prediction from it is the result. Where spread is asked for, a fourth pass over
// a simulated scan tells how large errors are.
func (j *imputation) refine(ctx context.Context, im *nifti.Image) (*Result, error) {
	f := &refinement{j: j, im: im, table: j.keptTable, lost: j.keptLost, tried: j.keptLost, o: j.o}
	f.magnitude = j.o.Rician == RicianOn || j.o.Rician == RicianAuto && f.nonNegative()
	f.o.Sampler = Mean
	f.o.Rician = RicianOff
	if f.magnitude {
		f.o.Rician = RicianOn
	}
	f.holdOut()
	first, err := f.firstFill(ctx)
	if err != nil {
		return nil, err
	}
	r, err := j.core(ctx, first, f.table, nil, f.o)
	if err != nil {
		return nil, err
	}
	measured, choice := r.Summary.Sigma, r.Summary.Prior
	f.o = j.passOptions(r)
	var real []heldVoxel
	tried, fill := f.tried, (*nifti.Image)(nil)
	for pass := range 2 {
		made, err := f.predict(ctx, r)
		if err != nil {
			return nil, err
		}
		if pass == 1 {
			f.weigh(r, made)
			f.eachHeld(r, made, func(at heldVoxel) { real = append(real, at) })
			f.blend(r, made)
			f.tried = f.lost
			f.o.Sampler = j.o.Sampler
		}
		j.filled = f.filled(made)
		if pass == 0 {
			fill = j.filled
		}
		if r, err = j.core(ctx, j.filled, f.table, noiseLeft(f.tried, numbers(f.tried.Volumes)), f.o); err != nil {
			return nil, err
		}
	}
	r.Summary.Sigma, r.Summary.Prior = measured, choice
	if j.uncertain() {
		if err := f.measureErrors(ctx, r, fill, tried, real); err != nil {
			return nil, err
		}
		f.report(real)
	}
	j.summary.Geometric = &f.geometric
	return r, f.replace(ctx, r)
}

// refinement carries the passes over one series.
type refinement struct {
	j         *imputation
	im        *nifti.Image
	table     *gradients.Table // nil if there is none
	lost      *impute.Lost
	tried     *impute.Lost // lost, and the slices held out
	held      [][2]int     // volume and slice of those
	o         Options
	magnitude bool

	geometric float64 // weight of the q-space model
	errors    line    // variance of errors beyond the model's claim, in σ², by those of input
	input     *errorMap
	scale     []float64 // of that, per shell of input
	factor    float64   // of the whole variance
}

// nonNegative reports whether no measured value is negative.
func (f *refinement) nonNegative() bool {
	nx, ny, _, nt := f.im.Dims()
	for n := range nt {
		for i, x := range f.im.Volume(n) {
			if x < 0 && !f.lost.Is(n, i/(nx*ny)) {
				return false
			}
		}
	}
	return true
}

const (
	heldShare   = 0.04 // of the slices held out
	leastHeld   = 24
	leastVoxels = 40  // of a slice worth holding out
	mostLost    = 0.2 // of the volumes of one slice, with those held out
	heldStream  = 0x6a09e667f3bcc908
)

// holdOut picks the clean slices to be foretold, at random by the seed.
func (f *refinement) holdOut() {
	nx, ny, nz, nt := f.im.Dims()
	counts := make([]int, nz)
	for v, in := range f.j.mask {
		if in {
			counts[v/(nx*ny)]++
		}
	}
	wanted := max(leastHeld, int(heldShare*float64(nt*nz)))
	f.tried = f.lost.Clone()
	rng := rand.New(rand.NewPCG(f.j.o.Seed, heldStream))
	for _, at := range rng.Perm(nt * nz) {
		n, z := at/nz, at%nz
		if len(f.held) == wanted {
			break
		}
		if counts[z] < leastVoxels || f.tried.Is(n, z) || float64(len(f.tried.OfSlice(z))+1) > mostLost*float64(nt) {
			continue
		}
		f.tried.Add(n, z, impute.Named, 0)
		f.held = append(f.held, [2]int{n, z})
	}
}

// firstFill returns the series with conditional means and noise in the slices
// tried.
func (f *refinement) firstFill(ctx context.Context) (*nifti.Image, error) {
	nx, ny, _, nt := f.im.Dims()
	out := f.im.Like(nt)
	copy(out.Voxels(), f.im.Voxels())
	threads := f.j.o.Threads
	moments, err := impute.NewMoments(ctx, out.Voxels(), nx, ny, f.j.mask, f.tried, threads)
	if err != nil {
		return nil, err
	}
	g, err := impute.FitGaussian(moments, f.tried)
	if err != nil {
		return nil, err
	}
	filler, err := impute.NewFiller(g, f.tried)
	if err != nil {
		return nil, err
	}
	level, err := filler.Level(ctx, out.Voxels(), nx, ny, threads)
	if err != nil {
		return nil, err
	}
	if err := filler.Mean(ctx, out.Voxels(), nx, ny, f.magnitude, threads); err != nil {
		return nil, err
	}
	return out, filler.AddNoise(ctx, out.Voxels(), level, nx, ny, f.magnitude, f.j.o.Seed, threads)
}

// predict returns the q-space model's prediction of the slices tried, in units
// of the noise, in a series of its own; nil if the scan allows no such model.
func (f *refinement) predict(ctx context.Context, r *Result) (*slicePrediction, error) {
	g, err := f.j.learn(ctx, r, f.table)
	if errors.Is(err, gradients.ErrFewDirections) || errors.Is(err, impute.ErrTooLittle) || errors.Is(err, errNoTable) {
		return &slicePrediction{series: series{mean: r.Denoised}}, nil
	}
	if err != nil {
		return nil, err
	}
	return f.predictSlices(ctx, g)
}

// slicePrediction holds what a model makes of lost slices.
type slicePrediction struct {
	series
	g *geometry // nil where there is no model and the values are the denoiser's
}

// predictSlices predicts the slices tried from the other directions of the
// denoised series.
func (f *refinement) predictSlices(ctx context.Context, g *geometry) (*slicePrediction, error) {
	nx, ny, nz, nt := f.im.Dims()
	out := &slicePrediction{series: series{mean: f.im.Like(nt), std: f.im.Like(nt)}, g: g}
	final := f.tried == f.lost
	for range f.j.o.Imputing.Samples {
		if final {
			out.samples = append(out.samples, f.im.Like(nt))
		}
	}
	bySlice := make([][]int32, nz)
	for _, v := range g.voxels {
		z := int(v) / (nx * ny)
		bySlice[z] = append(bySlice[z], v)
	}
	for z := range nz {
		missing := f.tried.OfSlice(z)
		if len(missing) == 0 {
			continue
		}
		var measured []int
		for n := range nt {
			if !f.tried.Is(n, z) {
				measured = append(measured, n)
			}
		}
		p, err := f.j.newPredictor(g, measured, impute.OwnTargets(g.table.Select(missing)))
		if err != nil {
			return nil, err
		}
		p.samples = len(out.samples)
		err = p.run(ctx, bySlice[z], func(v int32, e *estimate) {
			for t, n := range missing {
				out.store(n, v, e, t, g.sigma[v], f.magnitude)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// filled returns the series with predictions in the slices tried, as the mean
// of a measurement.
func (f *refinement) filled(made *slicePrediction) *nifti.Image {
	nx, ny, nz, nt := f.im.Dims()
	out := f.im.Like(nt)
	copy(out.Voxels(), f.im.Voxels())
	for n := range nt {
		for z := range nz {
			if !f.tried.Is(n, z) {
				continue
			}
			from, to := z*nx*ny, (z+1)*nx*ny
			copy(out.Volume(n)[from:to], made.mean.Volume(n)[from:to])
			if !f.magnitude {
				continue
			}
			for v := from; v < to; v++ {
				if s := f.o.sigmaAt(v); s > 0 {
					out.Volume(n)[v] = s * float32(noise.RicianMean(float64(made.mean.Volume(n)[v]/s)))
				}
			}
		}
	}
	return out
}

// sigmaAt returns the given noise level of a voxel.
func (o Options) sigmaAt(v int) float32 {
	if o.NoiseMap != nil {
		return o.NoiseMap[v]
	}
	return float32(o.NoiseLevel)
}

// blend replaces the model's prediction by the weighed one.
func (f *refinement) blend(r *Result, made *slicePrediction) {
	nx, ny, nz, nt := f.im.Dims()
	a := float32(f.geometric)
	for n := range nt {
		for z := range nz {
			if !f.tried.Is(n, z) {
				continue
			}
			for v := z * nx * ny; v < (z+1)*nx*ny; v++ {
				m, local := made.mean.Volume(n), r.Denoised.Volume(n)
				shift := (1 - a) * (local[v] - m[v])
				m[v] += shift
			}
		}
	}
}

// replace puts the prediction from the last pass into the lost slices of the
// result, with what is known of its errors.
func (f *refinement) replace(ctx context.Context, r *Result) error {
	made, err := f.predict(ctx, r)
	if err != nil {
		return err
	}
	nt := f.lost.Volumes
	r.Imputed = &Imputed{}
	if f.j.o.Imputing.Std {
		r.Imputed.Std = f.im.Like(nt)
	}
	for range f.j.o.Imputing.Samples {
		s := r.Denoised.Like(nt)
		copy(s.Voxels(), r.Denoised.Voxels())
		r.Imputed.Samples = append(r.Imputed.Samples, s)
	}
	nx, ny, nz, _ := f.im.Dims()
	sigma := r.Sigma.Volume(0)
	for n := range nt {
		for z := range nz {
			if !f.lost.Is(n, z) {
				continue
			}
			for v := z * nx * ny; v < (z+1)*nx*ny; v++ {
				if r.Mask[v] {
					f.replaceAt(r, made, n, v, float64(sigma[v]))
				}
			}
		}
	}
	return nil
}

// replaceAt replaces one lost measurement.
func (f *refinement) replaceAt(r *Result, made *slicePrediction, n, v int, sigma float64) {
	model := float64(made.mean.Volume(n)[v])
	value := f.geometric*model + (1-f.geometric)*float64(r.Denoised.Volume(n)[v])
	claimed, factor := 0.0, 0.0
	if made.std != nil {
		claimed = float64(made.std.Volume(n)[v]) / sigma
	}
	spread := math.Sqrt(f.variance(n, v, claimed))
	if claimed > 0 {
		factor = spread / claimed
	}
	r.Denoised.Volume(n)[v] = float32(value)
	if r.Imputed.Std != nil {
		r.Imputed.Std.Volume(n)[v] = float32(spread * sigma)
	}
	for k, s := range r.Imputed.Samples {
		x := value
		if k < len(made.samples) {
			x += factor * (float64(made.samples[k].Volume(n)[v]) - model)
		}
		if f.magnitude {
			x = max(x, 0)
		}
		s.Volume(n)[v] = float32(x)
	}
}
