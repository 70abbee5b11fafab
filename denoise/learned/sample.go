package learned

import (
	"context"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// Pair is a measurement and the same one moved by a random probe of a small step:
// what Stein's unbiased risk estimate needs of an estimator that has no derivative
// in closed form (Ramani, Blu and Unser 2008).
type Pair struct {
	Still, Moved *Scan
	Probe        []float32 // rows × D, of unit variance; Moved is Still moved by probeSize times it
	// Variance returns the variance of the noise of a measurement with the given
	// expectation, in units of σ²; nil means 1.
	Variance func(mean float32) float32
}

// heldOutShare is the share of blocks of voxels that are kept from training.
const heldOutShare = 0.2

// heldOut says whether a row belongs to the samples that training does not see:
// by blocks of 4³ voxels, since neighbours share their features.
func heldOut(s *Scan, seed uint64, r int) bool {
	x, y, z := s.Grid.At(r)
	rng := rand.NewPCG(seed, uint64(x/4)<<40|uint64(y/4)<<20|uint64(z/4))
	return float64(rng.Uint64()>>11)/(1<<53) < heldOutShare
}

// Sample takes up to n (voxel, direction)s of a pair, perRow directions of each of
// many voxels among those wanted (nil means all), and adds them to those to train
// on and to those held out.
func (p *Pair) Sample(ctx context.Context, train, held *Samples, n, perRow int, wanted []bool, seed uint64, threads int) error {
	s := p.Still
	d := s.D
	perRow = min(perRow, d)
	rows := chosenRows(s, wanted, (n+perRow-1)/perRow*d, seed)
	type both struct {
		still, moved *Extractor
		a, b         []float32
	}
	parts := make([]Samples, (len(rows)+rowsAtOnce-1)/rowsAtOnce)
	workers := make([]*both, signals.Threads(threads))
	err := signals.EachRange(ctx, len(rows), rowsAtOnce, threads, func(worker, from, to int) error {
		if workers[worker] == nil {
			workers[worker] = &both{NewExtractor(s), NewExtractor(p.Moved), make([]float32, d*FeatureCount), make([]float32, d*FeatureCount)}
		}
		w, part := workers[worker], &parts[from/rowsAtOnce]
		rng := rand.New(rand.NewPCG(seed^sampleStream, uint64(from)))
		for _, r := range rows[from:to] {
			w.still.Row(w.a, int(r))
			w.moved.Row(w.b, int(r))
			for _, i := range rng.Perm(d)[:perRow] {
				p.add(part, int(r)*d+i, w.a[i*FeatureCount:(i+1)*FeatureCount], w.b[i*FeatureCount:(i+1)*FeatureCount])
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for part := range parts {
		q := &parts[part]
		for i := range q.Len() {
			to := train
			if r := rows[part*rowsAtOnce+i/perRow]; heldOut(s, seed, int(r)) {
				to = held
			}
			to.take(q, i)
		}
	}
	return nil
}

// add appends one sample of the pair.
func (p *Pair) add(to *Samples, at int, still, moved []float32) {
	s := p.Still
	to.Features, to.Moved = append(to.Features, still...), append(to.Moved, moved...)
	to.Residual = append(to.Residual, s.Measured[at]-s.Gaussian[at])
	to.Answer = append(to.Answer, p.Moved.Gaussian[at]-s.Gaussian[at])
	to.Probe = append(to.Probe, p.Probe[at]/probeSize)
	v := float32(1)
	if p.Variance != nil {
		v = p.Variance(s.Gaussian[at])
	}
	to.Variance = append(to.Variance, v)
}

// take appends the i-th sample of from.
func (s *Samples) take(from *Samples, i int) {
	s.Features = append(s.Features, from.Features[i*FeatureCount:(i+1)*FeatureCount]...)
	s.Moved = append(s.Moved, from.Moved[i*FeatureCount:(i+1)*FeatureCount]...)
	s.Residual, s.Answer = append(s.Residual, from.Residual[i]), append(s.Answer, from.Answer[i])
	s.Probe, s.Variance = append(s.Probe, from.Probe[i]), append(s.Variance, from.Variance[i])
}

// GaussianRisk returns the mean risk of the Gaussian estimate over samples of
// pairs.
func (s *Samples) GaussianRisk() float64 {
	sum := 0.0
	for i, r := range s.Residual {
		v := float64(s.Variance[i])
		sum += float64(r)*float64(r) - v + 2*v*float64(s.Answer[i]*s.Probe[i])
	}
	return sum / float64(max(s.Len(), 1))
}

// sampleStream separates the choice of samples from other uses of a seed.
const sampleStream = 0xa0761d6478bd642f
