package prior

import (
	"errors"
	"fmt"
	"math"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
)

// Scaling ties the stabilised domain, where noise is N(0, 1), to a noise
// schedule, where the clean signal has unit variance: x = stabilised / Scale.
// A measurement y = x + n then has the noise level 1/Scale relative to the
// signal, and √ᾱ(t*)·y/Scale is exactly a forward sample at the real-valued
// timestep t* with ᾱ(t*) = Scale²/(Scale²+1).
type Scaling struct {
	Schedule diffusion.Schedule
	Scale    float64 // standard deviation of the clean stabilised signal over voxels and volumes, within what the schedule can express
	T        float64 // t*, the timestep of the measurement
}

// errOverflow reports stabilised signals beyond float32.
var errOverflow = errors.New("prior: signals divided by their noise are not finite: the noise level is too small for them")

const (
	noisiest = 1.001 // a scan of pure noise starts this factor before the schedule's end
	cleanest = 1e-4  // noise is matched down to this share of the first timestep's, where t* + 1 still has eight digits
)

// NewScaling measures the signal's standard deviation and matches the noise to
// the schedule. The variance of the noise, 1, is taken off. A scan without a
// signal starts at the last timestep; one almost without noise starts just
// above t = -1, with a Scale below its standard deviation. Neither changes the
// noise of the measurement at t*, 1. Signals that are not finite are an error.
func NewScaling(schedule diffusion.Schedule, y *signals.Signals) (Scaling, error) {
	var sum, square float64
	for _, v := range y.Values {
		sum += float64(v)
		square += float64(v) * float64(v)
	}
	n := float64(len(y.Values))
	mean := sum / n
	if math.IsNaN(square) || math.IsInf(square, 0) {
		return Scaling{}, errOverflow
	}
	first, last := schedule.Sigma(0), schedule.Sigma(float64(schedule.T()-1))
	scale := math.Sqrt(max(square/n-mean*mean-1, 0))
	scale = min(max(scale, noisiest/last), 1/(cleanest*first))
	t, err := schedule.TimestepFor(1 / scale)
	if err != nil {
		return Scaling{}, fmt.Errorf("prior: noise of %.4g of the signal's spread cannot be matched to the schedule: %w", 1/scale, err)
	}
	return Scaling{Schedule: schedule, Scale: scale, T: t}, nil
}

// Start turns stabilised measurements into x at t*, in place.
func (s Scaling) Start(values []float32) {
	scaleBy(values, math.Sqrt(s.Schedule.AlphaBar(s.T))/s.Scale)
}

// Finish turns unit-variance clean signals into stabilised ones, in place.
func (s Scaling) Finish(values []float32) { scaleBy(values, s.Scale) }

// Measured returns the factor that turns x at timestep t into a stabilised
// measurement, and the standard deviation of that measurement's noise (1 at
// t*).
func (s Scaling) Measured(t float64) (factor, sigma float64) {
	return s.Scale / math.Sqrt(s.Schedule.AlphaBar(t)), s.Scale * s.Schedule.Sigma(t)
}

func scaleBy(values []float32, f float64) {
	g := float32(f)
	for i := range values {
		values[i] *= g
	}
}
