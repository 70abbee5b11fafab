package denoise

import (
	"math"

	"github.com/dmri-denoise/dmri-denoise/denoise/noise"
)

// weigh compares the two predictions of the slices held out, the model's and
// the denoiser's own, with what was measured there: the weight is the one of
// least squared error, in which the noise of the measurements plays no part.
func (f *refinement) weigh(r *Result, made *slicePrediction) {
	if made.g == nil {
		f.geometric = 0
	} else {
		f.geometric = 1
	}
	var cross, square float64
	f.eachHeld(r, made, func(_ int, y, model, local, _ float64) {
		cross += (y - local) * (model - local)
		square += (model - local) * (model - local)
	})
	if made.g != nil && square > 0 {
		f.geometric = min(max(cross/square, 0), 1)
	}
	f.measureErrors(r, made)
}

// measureErrors finds how large the errors of the weighed prediction are.
func (f *refinement) measureErrors(r *Result, made *slicePrediction) {
	// Products of residuals of neighbours along x; see squaredErrors.
	sums, products, whole := &moments{}, &lags{}, &power{}
	var before [2]float64 // residuals one and two voxels back
	last := -3
	f.eachHeld(r, made, func(v int, y, model, local, std float64) {
		x := f.geometric*model + (1-f.geometric)*local
		d := y - x
		if f.magnitude { // y is an amplitude by now; its noise is that of a magnitude
			whole.add(d, noise.KoayFactor(x))
		} else {
			whole.add(d, 1)
		}
		if v == last+1 {
			sums.add(std*std, d*before[0])
			products.one += d * before[0]
			products.ones++
			if before[1] == before[1] {
				products.two += d * before[1]
				products.twos++
			}
		} else {
			before[0] = math.NaN()
		}
		before[0], before[1] = d, before[0]
		last = v
	})
	sums.scale(products.factor())
	sums.scale(whole.lift(sums.y, sums.n))
	n := sums.n
	f.errors = line{constant: defaultError}
	if n > 0 {
		f.errors = sums.fit(leastError)
	}
	inside, visited := 0.0, 0.0
	f.eachHeld(r, made, func(_ int, y, model, local, std float64) {
		x := f.geometric*model + (1-f.geometric)*local
		v := 1 + f.errors.at(std*std)
		if (y-x)*(y-x) <= nominalWidth*nominalWidth*v {
			inside++
		}
		visited++
	})
	s := &f.j.summary
	s.Geometric = &f.geometric
	if n > 0 {
		s.Held = append(s.Held, HeldOut{What: "slices", Count: len(f.held), RMSE: math.Sqrt(max(sums.y/n, 0)), Nominal: nominal, Coverage: inside / visited})
	}
}

// defaultError stands in for the squared error of a prediction, in σ², where no
// slice could be held out.
const defaultError = 0.25

// eachHeld visits the foreground of the slices held out: the measurement (of a
// magnitude, the amplitude of that mean), the model's and the denoiser's
// prediction and the standard deviation that the model claims, all in σ.
func (f *refinement) eachHeld(r *Result, made *slicePrediction, visit func(v int, y, model, local, std float64)) {
	nx, ny, _, _ := f.im.Dims()
	sigma := r.Sigma.Volume(0)
	for _, at := range f.held {
		n, z := at[0], at[1]
		for v := z * nx * ny; v < (z+1)*nx*ny; v++ {
			if !r.Mask[v] || !r.Foreground[v] {
				continue
			}
			s := float64(sigma[v])
			y, local, model := float64(f.im.Volume(n)[v])/s, float64(r.Denoised.Volume(n)[v])/s, float64(made.mean.Volume(n)[v])/s
			if f.magnitude {
				if min(model, local) < leastAmplitude {
					continue
				}
				y -= noise.RicianMean(model) - model
			}
			std := 0.0
			if made.std != nil {
				std = float64(made.std.Volume(n)[v]) / s
			}
			visit(v, y, model, local, std)
		}
	}
}
