package qc

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
)

// Residual describes what a denoiser removed, r = before - after, over the
// voxels of a mask and all volumes. If only noise was removed, Mean is near 0,
// StdOverSigma near 1 or below, and Lag1 near 0 in all directions: anatomy in
// the residual makes neighbours alike. Magnitude noise at low signal is not
// symmetric, so Skew is then not 0 even for a perfect denoiser. A figure that
// is not defined is NaN here and null in JSON.
type Residual struct {
	Mean         float64    // in units of the signal
	Std          float64    // standard deviation about Mean, in units of the signal
	StdOverSigma float64    // standard deviation of r/σ; NaN without a noise map
	Lag1         [3]float64 // correlation of neighbours along x, y and z; see ResidualStats
	// Skew and ExcessKurtosis are those of r/σ, so that noise of uneven strength
	// does not look heavy-tailed; of r without a noise map. 0 for Gaussian noise.
	Skew, ExcessKurtosis float64
	// Edges is the correlation of r²/σ², averaged over volumes, with the edges of
	// the anatomy, voxel by voxel: 0 if what was removed does not know where they
	// are. Filled in by [Residual.CorrelateEdges]; NaN, and left out of JSON, until then.
	Edges float64
}

// MarshalJSON writes the figures with snake-case names, null for those that
// are not defined.
func (r Residual) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Mean           *float64    `json:"mean"`
		Std            *float64    `json:"std"`
		StdOverSigma   *float64    `json:"std_over_sigma"`
		Lag1           [3]*float64 `json:"lag1_autocorrelation_xyz"`
		Skew           *float64    `json:"skew"`
		ExcessKurtosis *float64    `json:"excess_kurtosis"`
		Edges          *float64    `json:"edge_correlation,omitempty"`
	}{
		nullable(r.Mean), nullable(r.Std), nullable(r.StdOverSigma),
		[3]*float64{nullable(r.Lag1[0]), nullable(r.Lag1[1]), nullable(r.Lag1[2])},
		nullable(r.Skew), nullable(r.ExcessKurtosis), nullable(r.Edges),
	})
}

// ResidualStats describes the residual before - after. Both are series on the
// grid with the same number of volumes; sigma is the noise map of one volume,
// nil if unknown, whose voxels of 0 or below are left out of the figures in
// units of σ; mask has one entry a voxel, nil meaning every voxel. threads is
// the number of goroutines, 0 meaning one for each processor.
//
// The lag-1 spatial autocorrelation along an axis of the file is
//
//	Σ r_i·r_j / √(Σ r_i² · Σ r_j²)
//
// over all volumes and all pairs (i, j) of neighbours along that axis that are
// both in the mask, r being the residual less its mean over the mask in the
// same volume.
//
// Lengths that do not match, an empty mask and values in the mask that are not
// finite are [ErrInput].
func ResidualStats(ctx context.Context, before, after, sigma []float32, mask []bool, g Grid, threads int) (Residual, error) {
	p, err := newPair(before, after, mask, g)
	if err != nil {
		return Residual{}, fmt.Errorf("qc: residual: %w", err)
	}
	if sigma != nil && len(sigma) != g.Voxels() {
		return Residual{}, fmt.Errorf("qc: residual: noise map of %d voxels on a grid of %d: %w", len(sigma), g.Voxels(), ErrInput)
	}
	first := make([]residualMeans, p.volumes)
	err = eachVolume(ctx, p.volumes, threads, func(v int) error {
		first[v] = p.means(v, sigma)
		return errorSums{bad: first[v].bad}.check(v)
	})
	if err != nil {
		return Residual{}, fmt.Errorf("qc: residual: %w", err)
	}
	var total residualMeans
	for _, m := range first {
		total.add(m)
	}
	second := make([]residualMoments, p.volumes)
	err = eachVolume(ctx, p.volumes, threads, func(v int) error {
		second[v] = p.moments(v, sigma, first[v].plain(), total)
		return nil
	})
	if err != nil {
		return Residual{}, fmt.Errorf("qc: residual: %w", err)
	}
	var m residualMoments
	for _, s := range second {
		m.add(s)
	}
	return m.summary(total, sigma != nil), nil
}

// residualMeans are the sums of the first pass.
type residualMeans struct {
	n, sum     float64 // of r
	nS, scaled float64 // of r/σ where σ > 0, of r without a map
	bad        int
}

func (m *residualMeans) add(o residualMeans) {
	m.n += o.n
	m.sum += o.sum
	m.nS += o.nS
	m.scaled += o.scaled
}

// plain returns the mean of r.
func (m residualMeans) plain() float64 { return m.sum / m.n }

// inverse returns 1/σ of a voxel, 1 without a map, and false where σ is of no
// use.
func inverse(sigma []float32, i int) (float64, bool) {
	if sigma == nil {
		return 1, true
	}
	s := float64(sigma[i])
	return 1 / s, s > 0 && !math.IsInf(s, 0)
}

func (p *pair) means(v int, sigma []float32) residualMeans {
	before, after := p.volume(v)
	var m residualMeans
	for i, in := range p.mask {
		if !in {
			continue
		}
		r := float64(before[i]) - float64(after[i])
		if math.IsNaN(r) || math.IsInf(r, 0) {
			m.bad++
			continue
		}
		m.n++
		m.sum += r
		if inv, ok := inverse(sigma, i); ok {
			m.nS++
			m.scaled += r * inv
		}
	}
	return m
}

// residualMoments are the sums of the second pass, about the means.
type residualMoments struct {
	squares    float64    // Σ(r-mean)²
	m2, m3, m4 float64    // Σ of powers of r/σ less its mean
	cross      [3]float64 // Σ r_i·r_j of neighbours
	near, far  [3]float64 // Σ r_i² and Σ r_j²
}

func (m *residualMoments) add(o residualMoments) {
	m.squares += o.squares
	m.m2 += o.m2
	m.m3 += o.m3
	m.m4 += o.m4
	for a := range 3 {
		m.cross[a] += o.cross[a]
		m.near[a] += o.near[a]
		m.far[a] += o.far[a]
	}
}

func (p *pair) moments(v int, sigma []float32, mean float64, total residualMeans) residualMoments {
	before, after := p.volume(v)
	n, step := p.g.lengths(), p.g.strides()
	all, scaled := total.plain(), total.scaled/total.nS
	var m residualMoments
	for i, in := range p.mask {
		if !in {
			continue
		}
		r := float64(before[i]) - float64(after[i])
		m.squares += (r - all) * (r - all)
		if inv, ok := inverse(sigma, i); ok {
			d := r*inv - scaled
			m.m2 += d * d
			m.m3 += d * d * d
			m.m4 += d * d * d * d
		}
		r -= mean
		for a := range 3 {
			j := i + step[a]
			if i/step[a]%n[a] == n[a]-1 || !p.mask[j] {
				continue
			}
			q := float64(before[j]) - float64(after[j]) - mean
			m.cross[a] += r * q
			m.near[a] += r * r
			m.far[a] += q * q
		}
	}
	return m
}

func (m residualMoments) summary(total residualMeans, scaled bool) Residual {
	r := Residual{
		Mean:           total.plain(),
		Std:            math.Sqrt(m.squares / total.n),
		StdOverSigma:   math.NaN(),
		Edges:          math.NaN(),
		Skew:           m.m3 / total.nS / math.Pow(m.m2/total.nS, 1.5),
		ExcessKurtosis: m.m4*total.nS/(m.m2*m.m2) - 3,
	}
	if scaled {
		r.StdOverSigma = math.Sqrt(m.m2 / total.nS)
	}
	for a := range r.Lag1 {
		r.Lag1[a] = m.cross[a] / math.Sqrt(m.near[a]*m.far[a])
	}
	return r
}
