package learned

import (
	"math/rand/v2"
)

// Pair is a measurement and the same one moved by a random probe of a small step:
// what Stein's unbiased risk estimate needs of an estimator that has no derivative
// in closed form (Ramani, Blu and Unser 2008).
type Pair struct {
	Still, Moved *Scan
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

// Sample takes up to n (voxel, direction)s of a pair, a few directions of each of
// many voxels among those wanted (nil means all), and divides them into those to
// train on and those held out.
func (p *Pair) Sample(n, perRow int, wanted []bool, seed uint64) (train, held *Samples) {
	s := p.Still
	d := s.D
	perRow = min(perRow, d)
	rng := rand.New(rand.NewPCG(seed, sampleStream))
	var rows []int
	for _, r := range rng.Perm(s.Grid.Len()) {
		if wanted == nil || wanted[r] {
			rows = append(rows, r)
		}
	}
	rows = rows[:min(len(rows), (n+perRow-1)/perRow)]
	train, held = &Samples{}, &Samples{}
	still, moved := NewExtractor(s), NewExtractor(p.Moved)
	a, b := make([]float32, d*FeatureCount), make([]float32, d*FeatureCount)
	for _, r := range rows {
		to := train
		if heldOut(s, seed, r) {
			to = held
		}
		still.Row(a, r)
		moved.Row(b, r)
		for _, i := range rng.Perm(d)[:perRow] {
			at := r*d + i
			to.Features = append(to.Features, a[i*FeatureCount:(i+1)*FeatureCount]...)
			to.Moved = append(to.Moved, b[i*FeatureCount:(i+1)*FeatureCount]...)
			to.Residual = append(to.Residual, s.Measured[at]-s.Gaussian[at])
			to.Answer = append(to.Answer, p.Moved.Gaussian[at]-s.Gaussian[at])
			to.Probe = append(to.Probe, p.Moved.Measured[at]-s.Measured[at])
			if p.Variance != nil {
				to.Variance = append(to.Variance, p.Variance(s.Gaussian[at]))
			}
		}
	}
	return train, held
}

// sampleStream separates the choice of samples from other uses of a seed.
const sampleStream = 0xa0761d6478bd642f
