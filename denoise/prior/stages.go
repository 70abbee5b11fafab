package prior

import "context"

// Stages are the estimates that a Gaussian goes through on its way to the
// posterior mean of a measurement, as coefficients along the scan's K components
// (rows × K), in units of the noise.
type Stages struct {
	K       int
	Vectors []float32   // K × D, one component of unit length per row
	Noisy   []float32   // the measurement
	Passes  [][]float32 // local blocks, then the passes by groups, the last of which is the result
}

// Stages returns the estimates at t* with the whole result, rows × D, in units of
// the noise.
func (g *Gaussian) Stages(ctx context.Context, xt []float32) (*Stages, []float32, error) {
	f, sigma := g.scale.Measured(g.scale.T)
	f /= sigma
	sub, err := learnSubspace(ctx, xt, g.d, f, g.o.Threads)
	if err != nil {
		return nil, nil, err
	}
	if _, err := sub.extend(ctx, g.grid, xt, float32(f), g.o.Threads); err != nil {
		return nil, nil, err
	}
	m := &learned{o: g.o, grid: g.grid, sub: sub}
	return m.stages(ctx, xt, f)
}

func (m *learned) stages(ctx context.Context, x []float32, f float64) (*Stages, []float32, error) {
	s := &Stages{K: m.sub.k, Vectors: m.sub.vectors}
	m.tail = learnTail(m.grid, m.sub, x, float32(f))
	var err error
	if s.Noisy, err = m.sub.encode(ctx, x, float32(f), m.o.Threads); err != nil {
		return nil, nil, err
	}
	estimate := s.Noisy
	if m.sub.k > 0 {
		if estimate, err = m.local().estimate(ctx, s.Noisy, s.Noisy, 1); err != nil {
			return nil, nil, err
		}
		s.Passes = append(s.Passes, estimate)
		p := m.passes()
		for _, p := range append(p.refining[:], p.reading) {
			if estimate, err = m.groups().estimate(ctx, p, s.Noisy, estimate, 1); err != nil {
				return nil, nil, err
			}
			s.Passes = append(s.Passes, estimate)
		}
	}
	out := make([]float32, len(x))
	if err := m.tail.apply(ctx, m.grid, m.sub, out, x, float32(f), m.o.Threads); err != nil {
		return nil, nil, err
	}
	return s, out, m.sub.complete(ctx, out, estimate, 1, m.o.Threads)
}
