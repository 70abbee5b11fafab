package denoise

import (
	"context"
	"math"

	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/denoise/noise"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// weigh compares the two predictions of the slices held out, the model's and
// the denoiser's own, with what was measured there: the weight is the one of
// least squared error, in which the noise of the measurements plays no part.
func (f *refinement) weigh(r *Result, made *slicePrediction) {
	f.geometric = 0
	if made.g == nil {
		return
	}
	var cross, square float64
	f.eachHeld(r, made, func(at heldVoxel) {
		if y, _, ok := f.measured(at, at.model); ok {
			cross += (y - at.local) * (at.model - at.local)
			square += (at.model - at.local) * (at.model - at.local)
		}
	})
	f.geometric = 1
	if square > 0 {
		f.geometric = min(max(cross/square, 0), 1)
	}
}

// defaultError stands in for the squared error of a prediction, in σ², where no
// slice could be held out.
const defaultError = 0.25

// measureErrors finds how large the errors of the weighed prediction are, by
// what the model claims, in a simulation from the denoised scan r, as calibrate
// does; fill holds the predictions of the slices tried that the pass started from,
// and real the predictions of the measurements held out.
func (f *refinement) measureErrors(ctx context.Context, r *Result, fill *nifti.Image, tried *impute.Lost, real []heldVoxel) error {
	f.errors, f.factor, f.input = line{constant: defaultError}, 1, nil
	if len(f.held) == 0 {
		return nil
	}
	nx, ny, nz, nt := f.im.Dims()
	series := simulate(r, f.j.o.Seed)
	for n := range nt {
		for z := range nz {
			if tried.Is(n, z) {
				copy(series.Volume(n)[z*nx*ny:(z+1)*nx*ny], fill.Volume(n)[z*nx*ny:])
			}
		}
	}
	again, err := f.j.core(ctx, series, f.table, noiseLeft(tried, numbers(tried.Volumes)), f.j.passOptions(r))
	if err != nil {
		return err
	}
	f.tried = tried
	made, err := f.predict(ctx, again)
	f.tried = f.lost
	if err != nil {
		return err
	}
	f.input = newErrorMap(r.Denoised, again.Denoised, r.Sigma.Volume(0), f.table, f.j.o.B0Threshold, func(n, v int) bool {
		return r.Foreground[v] && again.Mask[v] && !tried.Is(n, v/(nx*ny))
	})
	sums, l := &moments{}, &likeness{}
	var simulated []float64 // in the order of real
	var simulatedErrors []heldError
	f.eachHeld(again, made, func(at heldVoxel) {
		d := f.weighed(at) - float64(r.Denoised.Volume(at.n)[at.v])/at.sigma
		sums.add(f.inputError(at.n, at.v), d*d-at.std*at.std)
		simulatedErrors = append(simulatedErrors, heldError{at, d * d})
		simulated = append(simulated, d)
	})
	if sums.n == 0 {
		return nil
	}
	a, b := make([]float32, nx*ny), make([]float32, nx*ny)
	for from := 0; from < len(real); {
		for i := range a {
			a[i] = float32(math.NaN())
		}
		at := real[from]
		slice := at.v / (nx * ny)
		for ; from < len(real) && real[from].n == at.n && real[from].v/(nx*ny) == slice; from++ {
			place := real[from].v % (nx * ny)
			x := f.weighed(real[from])
			if y, _, ok := f.measured(real[from], x); ok {
				a[place], b[place] = float32(x-y), float32(simulated[from])
			}
		}
		l.add(a, b, nx, ny, 1)
	}
	f.errors, f.factor = sums.fit(leastError), l.factor()
	f.scaleShells(simulatedErrors)
	m := &excess{}
	for _, at := range real {
		if f.input.shells[f.input.shellOf(at.n)].IsB0 {
			continue // few volumes, whose errors are of another size
		}
		if y, explained, ok := f.measured(at, f.weighed(at)); ok {
			d := y - f.weighed(at)
			m.add(d*d-explained, f.variance(at.n, at.v, at.std))
		}
	}
	f.factor *= m.lift()
	return nil
}

// inputError is the variance of the errors that denoising leaves in a voxel of a
// volume.
func (f *refinement) inputError(n, v int) float64 {
	if f.input == nil {
		return 0
	}
	return float64(f.input.values[f.input.shellOf(n)][v])
}

// variance is that of the error of the weighed prediction, for the standard
// deviation that the model claims.
func (f *refinement) variance(n, v int, std float64) float64 {
	x := f.errors.at(f.inputError(n, v))
	if f.scale != nil {
		x *= f.scale[f.input.shellOf(n)]
	}
	return f.factor * (std*std + x)
}

// heldError is a squared error in a voxel held out.
type heldError struct {
	at     heldVoxel
	square float64
}

// leastOfShell is the number of voxels held out in a shell behind half of its own
// correction.
const leastOfShell = 500

// scaleShells finds how errors differ between shells beyond the line.
func (f *refinement) scaleShells(all []heldError) {
	k := len(f.input.shells)
	made, expected, counts := make([]float64, k), make([]float64, k), make([]float64, k)
	for _, e := range all {
		s := f.input.shellOf(e.at.n)
		made[s] += e.square - e.at.std*e.at.std
		expected[s] += f.errors.at(f.inputError(e.at.n, e.at.v))
		counts[s]++
	}
	f.scale = make([]float64, k)
	for s := range f.scale {
		f.scale[s] = 1
		if expected[s] > 0 {
			own := max(made[s]/expected[s], leastRatio)
			f.scale[s] = (own*counts[s] + leastOfShell) / (counts[s] + leastOfShell)
		}
	}
}

// report puts error and coverage of the slices held out into the summary.
func (f *refinement) report(real []heldVoxel) {
	var inside, count, sum float64
	for _, at := range real {
		y, explained, ok := f.measured(at, f.weighed(at))
		if !ok {
			continue
		}
		d, variance := y-f.weighed(at), f.variance(at.n, at.v, at.std)
		if d*d <= nominalWidth*nominalWidth*(explained+variance) {
			inside++
		}
		sum += variance
		count++
	}
	if count > 0 {
		f.j.summary.Held = append(f.j.summary.Held, HeldOut{What: "slices", Count: len(f.held), RMSE: math.Sqrt(sum / count), Nominal: nominal, Coverage: inside / count})
	}
}

// heldVoxel is one voxel of a slice held out: what the model and the denoiser
// make of it and the standard deviation that the model claims, in σ.
type heldVoxel struct {
	n, v              int
	sigma             float64
	model, local, std float64
}

func (f *refinement) weighed(at heldVoxel) float64 {
	return f.geometric*at.model + (1-f.geometric)*at.local
}

// measured returns what was measured in a voxel held out, in σ (of a magnitude,
// the amplitude near x of that mean), the variance of its noise, and whether it
// can be compared.
func (f *refinement) measured(at heldVoxel, x float64) (y, explained float64, ok bool) {
	y = float64(f.im.Volume(at.n)[at.v]) / at.sigma
	if !f.magnitude {
		return y, 1, true
	}
	return y - noise.RicianMean(x) + x, noise.KoayFactor(x), min(at.model, at.local) >= leastAmplitude
}

// eachHeld visits the foreground of the slices held out.
func (f *refinement) eachHeld(r *Result, made *slicePrediction, visit func(at heldVoxel)) {
	nx, ny, _, _ := f.im.Dims()
	sigma := r.Sigma.Volume(0)
	for _, slice := range f.held {
		n, z := slice[0], slice[1]
		for v := z * nx * ny; v < (z+1)*nx*ny; v++ {
			if !r.Mask[v] || !r.Foreground[v] {
				continue
			}
			s := float64(sigma[v])
			at := heldVoxel{n: n, v: v, sigma: s, model: float64(made.mean.Volume(n)[v]) / s, local: float64(r.Denoised.Volume(n)[v]) / s}
			if made.std != nil {
				at.std = float64(made.std.Volume(n)[v]) / s
			}
			visit(at)
		}
	}
}
