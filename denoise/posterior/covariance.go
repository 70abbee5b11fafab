package posterior

import (
	"context"
	"errors"
	"math"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/internal/symeig"
)

// errDecomposition reports a decomposition that failed, which only non-finite
// input can cause.
var errDecomposition = errors.New("posterior: a decomposition failed: non-finite signals")

// classify sorts rows into classes of equal number by the size of their error.
func (p *Posterior) classify() {
	in := p.counts()
	var values []float32
	for r, ok := range in {
		if ok {
			values = append(values, p.Scale[r])
		}
	}
	slices.Sort(values)
	p.class = make([]uint8, len(p.Scale))
	for r, s := range p.Scale {
		for c := 1; c < classes; c++ {
			if s > values[c*(len(values)-1)/classes] {
				p.class[r] = uint8(c)
			}
		}
	}
}

// moments are the sums for one class.
type moments struct {
	n, scale float64
	square   []float64 // K × K: rrᵀ - N + 2·change·probeᵀ
	tail     []float64 // per volume: the same across the components, diagonal only
	slope    float64   // change·probe alone across the components, over volumes
}

func (p *Posterior) newMoments() (m [classes]moments) {
	for c := range m {
		m[c].square, m[c].tail = make([]float64, p.K*p.K), make([]float64, p.s.D)
	}
	return m
}

// measureCovariance fills in the classes' covariances by Stein's formula.
func (p *Posterior) measureCovariance(ctx context.Context, threads int) error {
	in := p.counts()
	sums := make([][classes]moments, parts)
	n := p.Grid.Len()
	err := signals.EachTask(ctx, parts, threads, func(_, part int) error {
		sums[part] = p.newMoments()
		l := p.newLook()
		for r := part * n / parts; r < (part+1)*n/parts; r++ {
			if in[r] {
				p.read(l, r)
				p.add(&sums[part][p.class[r]], l, float64(p.Scale[r]))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	all := p.newMoments()
	for _, s := range sums {
		for c := range s {
			all[c].n += s[c].n
			all[c].scale += s[c].scale
			all[c].slope += s[c].slope
			for i, v := range s[c].square {
				all[c].square[i] += v
			}
			for i, v := range s[c].tail {
				all[c].tail[i] += v
			}
		}
	}
	for c := range all {
		if err := p.finish(c, &all[c]); err != nil {
			return err
		}
	}
	p.finishTail(&all)
	return nil
}

// finishTail fills in the deviations across the components. Next to everything
// there is noise, so that a σ too large by half a per cent makes Stein's estimate
// negative. The slope, which is the error of a filter of least risk, does not
// depend on σ to first order: the estimate is not let below it. Volumes differ as
// far as their figures differ by more than chance, 2/n (James and Stein 1961).
func (p *Posterior) finishTail(all *[classes]moments) {
	d := p.s.D
	n, slope, mean := 0.0, 0.0, 0.0
	tail := make([]float64, d)
	for c := range all {
		n += all[c].n
		slope += all[c].slope / float64(d)
		for i, t := range all[c].tail {
			tail[i] += t
			mean += t / float64(d)
		}
	}
	if n == 0 {
		return
	}
	slope, mean = max(slope/n, 1e-6), mean/n
	spread := 0.0
	for i := range tail {
		tail[i] /= n
		spread += (tail[i] - mean) * (tail[i] - mean) / float64(d)
	}
	trust := max(1-2/n/max(spread, 1e-12), 0)
	for c := range all {
		ratio := 1.0
		if all[c].n > 0 {
			ratio = min(max(all[c].slope/all[c].n/float64(d)/slope, 0.25), 4)
		}
		for i, t := range tail {
			p.tail[c][i] = math.Sqrt(ratio * max(max(mean, slope)+trust*(t-mean), slope/2))
		}
	}
}

// add puts one voxel into the sums.
func (p *Posterior) add(m *moments, l *look, scale float64) {
	k, d := p.K, p.s.D
	m.n++
	m.scale += scale
	for a := range k {
		for b := range k {
			m.square[a*k+b] += float64(l.rc[a]*l.rc[b]) + 2*float64(l.cc[a]*l.bc[b])
		}
	}
	if p.s.Magnitude {
		for a := range k {
			for b := range k {
				noise := float32(0)
				for i, v := range l.variance {
					noise += p.basis[a*d+i] * p.basis[b*d+i] * v
				}
				m.square[a*k+b] -= float64(noise)
			}
		}
	} else {
		for a := range k {
			m.square[a*k+a]--
		}
	}
	// Across the components: what is left of each once they are taken off.
	for i := range d {
		r, c, b, own := l.residual[i], l.change[i], l.probe[i], float32(1)
		for a := range k {
			u := p.basis[a*d+i]
			r -= u * l.rc[a]
			c -= u * l.cc[a]
			b -= u * l.bc[a]
			own -= u * u
		}
		m.tail[i] += float64(r*r - own*l.variance[i] + 2*c*b)
		m.slope += float64(c * b)
	}
}

// finish turns the sums of a class into the root of its covariance, of the
// average row scaled to 1. Directions in which Stein's
// estimate came out below a thousandth of the average are taken to be there.
func (p *Posterior) finish(class int, m *moments) error {
	k, d := p.K, p.s.D
	p.root[class], p.tail[class] = make([]float64, k*k), make([]float64, d)
	if m.n == 0 {
		return nil
	}
	if k == 0 {
		return nil
	}
	cov := make([]float64, k*k)
	trace := 0.0
	for a := range k {
		for b := range k {
			cov[a*k+b] = (m.square[a*k+b] + m.square[b*k+a]) / (2 * m.n)
		}
		trace += cov[a*k+a]
	}
	values, vectors := make([]float64, k), make([]float64, k*k)
	if !symeig.New(k).Decompose(cov, k, values, vectors) {
		return errDecomposition
	}
	kept := 0.0
	floor := max(1e-3*trace/float64(k), 1e-9)
	for i, v := range values {
		values[i] = max(v, floor)
		kept += values[i]
	}
	// Clipping must not raise the total, and the scale carries the size.
	for i := range values {
		f := math.Sqrt(values[i] / kept)
		for a := range k {
			p.root[class][a*k+i] = f * vectors[i*k+a]
		}
	}
	return nil
}
