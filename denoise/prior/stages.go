package prior

import (
	"context"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// Stages are the estimates that a Gaussian goes through on its way to the
// posterior mean of a measurement, as coefficients along the scan's K components
// (rows × K) about the scan's mean, in units of the noise.
type Stages struct {
	K       int
	Vectors []float32   // K × D, one component of unit length per row
	Noisy   []float32   // the measurement
	Passes  [][]float32 // local blocks, then the passes by groups, the last of which is the result; none if K is 0
}

// Last returns the last estimate, rows × K.
func (s *Stages) Last() []float32 {
	if len(s.Passes) == 0 {
		return s.Noisy
	}
	return s.Passes[len(s.Passes)-1]
}

// Stages returns the estimates of x at t*, learned from it as [Gaussian.PosteriorMean]
// does without Fit, and the posterior mean itself, rows × volumes, in units of the
// noise. A Local prior has one pass.
func (g *Gaussian) Stages(ctx context.Context, xt []float32, t float64) (*Stages, []float32, error) {
	f, sigma := g.scale.Measured(t)
	f /= sigma
	sub, err := learnSubspace(ctx, xt, g.d, f, g.o.Noise, g.o.Threads)
	if err != nil {
		return nil, nil, err
	}
	if _, err := sub.extend(ctx, g.grid, xt, float32(f), g.o.Threads); err != nil {
		return nil, nil, err
	}
	return (&learned{o: g.o, grid: g.grid, sub: sub}).stages(ctx, xt, f)
}

// stages is refine and evaluate at the measurement's own noise, with the
// estimates on the way.
func (m *learned) stages(ctx context.Context, x []float32, f float64) (*Stages, []float32, error) {
	s := &Stages{K: m.sub.k, Vectors: m.sub.vectors}
	out := make([]float32, len(x))
	var err error
	if s.Noisy, err = m.sub.encode(ctx, m.o.Arrays, x, float32(f), m.o.Threads); err != nil {
		return nil, nil, err
	}
	if m.sub.k > 0 && m.sub.variance[0] > faintest {
		m.exact = true
		s.Passes = [][]float32{s.Noisy}
		return s, out, m.evaluate(ctx, out, x, f, 1, 1)
	}
	m.tail = learnTail(m.grid, m.sub, x, float32(f))
	if m.sub.k > 0 {
		estimate, err := m.local().estimate(ctx, s.Noisy, s.Noisy, 1)
		if err != nil {
			return nil, nil, err
		}
		s.Passes = append(s.Passes, estimate)
		p := m.passes()
		for _, p := range append(p.refining[:], p.reading) {
			if m.o.Local {
				break
			}
			if estimate, err = m.groups().estimate(ctx, p, s.Noisy, estimate, 1); err != nil {
				return nil, nil, err
			}
			s.Passes = append(s.Passes, estimate)
		}
	}
	if err := m.tail.apply(ctx, m.grid, m.sub, out, x, float32(f), m.o.Threads); err != nil {
		return nil, nil, err
	}
	return s, out, m.sub.complete(ctx, out, s.Last(), 1, m.o.Threads)
}

// Part is the part of a scan that [Gaussian.Risk] is measured in, for other
// estimators to be measured in too: two cubes, or the whole of a scan that is no
// larger.
type Part struct {
	Grid     *signals.Grid
	Measured []float32 // rows × volumes, in units of the noise
	Counts   []bool    // per row: away from the cut, and wanted
	g        *Gaussian
	sub      *subspace // of the whole scan; nil if the part is all of it
}

// Part cuts out the part for x at t*; within is as in [RiskOptions].
func (g *Gaussian) Part(ctx context.Context, xt []float32, within []bool) (*Part, error) {
	f, sigma := g.scale.Measured(g.scale.T)
	f /= sigma
	cut := cutCubes(g.grid, within)
	p := &Part{Grid: cut.grid, Measured: make([]float32, cut.grid.Len()*g.d), Counts: cut.counts, g: g}
	for r, from := range cut.rows {
		for i, v := range xt[int(from)*g.d : (int(from)+1)*g.d] {
			p.Measured[r*g.d+i] = float32(f * float64(v))
		}
	}
	if cut.grid.Len() < g.grid.Len() {
		var err error
		if p.sub, err = learnSubspace(ctx, xt, g.d, f, g.o.Noise, g.o.Threads); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Stages is [Gaussian.Stages] for measurements y of the part.
func (p *Part) Stages(ctx context.Context, y []float32) (*Stages, []float32, error) {
	sub := p.sub
	if sub == nil {
		var err error
		if sub, err = learnSubspace(ctx, y, p.g.d, 1, p.g.o.Noise, p.g.o.Threads); err != nil {
			return nil, nil, err
		}
	}
	o := p.g.o
	o.Progress = nil
	return (&learned{o: o, grid: p.Grid, sub: sub}).stages(ctx, y, 1)
}
