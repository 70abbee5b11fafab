package unseen

import (
	"context"
	"math"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// Samples are (voxel, direction)s to train on, foretold without a measurement of
// them. Either their truth is known, or a measurement that was kept back.
type Samples struct {
	Static   []float32 // n × StaticCount
	Mean     []float32 // of the Gaussian prediction
	Variance []float32 // its τ²
	Truth    []float32 // nil where it is not known
	Measured []float32 // x + noise
	Noise    []float32 // the noise's variance in σ²
}

// Len returns the number of samples.
func (s *Samples) Len() int { return len(s.Mean) }

// Known tells what is known of a point in a row: its value, the variance of the
// noise in it, and whether it is known at all.
type Known func(row, point int) (value, noise float64, ok bool)

const (
	rowsAtOnce   = 32
	batchRows    = 512
	heldOutShare = 0.2
	sampleStream = 0x8ebc6af09c88c6e3
)

// Sample takes about n samples of a scene, points of rows chosen at random, and
// adds them to those to train on and, by blocks of 4³ voxels, to those held out,
// which may be the same. truth says that values are free of noise.
func (s *Scene) Sample(ctx context.Context, train, held *Samples, n, perRow int, known Known, truth bool, seed uint64, threads int) error {
	points := s.Points.Len()
	perRow = min(perRow, points)
	rng := rand.New(rand.NewPCG(seed, sampleStream))
	rows := rng.Perm(s.Grid.Len())
	rows = rows[:min(len(rows), (n+perRow-1)/perRow)]
	parts := make([][2]Samples, (len(rows)+rowsAtOnce-1)/rowsAtOnce)
	workers := make([]*Extractor, signals.Threads(threads))
	err := signals.EachRange(ctx, len(rows), rowsAtOnce, threads, func(worker, from, to int) error {
		if workers[worker] == nil {
			workers[worker] = NewExtractor(s)
		}
		static := make([]float32, points*StaticCount)
		rng := rand.New(rand.NewPCG(seed^sampleStream, uint64(from)))
		for _, r := range rows[from:to] {
			workers[worker].Row(static, r)
			part := &parts[from/rowsAtOnce][0]
			if s.heldOut(seed, r) {
				part = &parts[from/rowsAtOnce][1]
			}
			for _, p := range rng.Perm(points)[:perRow] {
				if value, noise, ok := known(r, p); ok {
					part.add(static[p*StaticCount:(p+1)*StaticCount], s.Mean[r*points+p], s.variance(r, p), value, noise, truth)
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range parts {
		train.join(&parts[i][0])
		held.join(&parts[i][1])
	}
	return nil
}

// heldOut says whether a row is kept from training.
func (s *Scene) heldOut(seed uint64, r int) bool {
	x, y, z := s.Grid.At(r)
	rng := rand.NewPCG(seed, uint64(x/4)<<40|uint64(y/4)<<20|uint64(z/4))
	return float64(rng.Uint64()>>11)/(1<<53) < heldOutShare
}

func (s *Samples) add(static []float32, mean float32, variance, value, noise float64, truth bool) {
	s.Static = append(s.Static, static...)
	s.Mean, s.Variance = append(s.Mean, mean), append(s.Variance, float32(max(variance, leastVariance)))
	if truth {
		s.Truth = append(s.Truth, float32(value))
		return
	}
	s.Measured, s.Noise = append(s.Measured, float32(value)), append(s.Noise, float32(noise))
}

// leastVariance keeps the prediction from being certain.
const leastVariance = 1e-3

func (s *Samples) join(o *Samples) {
	s.Static = append(s.Static, o.Static...)
	s.Mean, s.Variance = append(s.Mean, o.Mean...), append(s.Variance, o.Variance...)
	s.Truth, s.Measured, s.Noise = append(s.Truth, o.Truth...), append(s.Measured, o.Measured...), append(s.Noise, o.Noise...)
}

// GaussianRisk returns the mean squared error of the Gaussian prediction, known or
// estimated.
func (s *Samples) GaussianRisk() float64 {
	sum := 0.0
	for i, m := range s.Mean {
		if s.Truth != nil {
			d := float64(s.Truth[i] - m)
			sum += d * d
			continue
		}
		d := float64(s.Measured[i] - m)
		sum += d*d - float64(s.Noise[i])
	}
	return sum / math.Max(float64(s.Len()), 1)
}
