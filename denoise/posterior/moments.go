package posterior

import (
	"context"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
)

// batch is the number of voxels whose products are summed at once.
const batch = 64

// moments are Stein's sums over voxels of one class.
type moments struct {
	n        float64
	scale    [bands]float64
	square   []float64 // K × K, lower triangle at least: rrᵀ + change·probeᵀ + probe·changeᵀ
	variance []float64 // per volume: the noise's, as the map has it
	tail     []float64 // per volume: r² + 2·change·probe across the basis
	slope    float64   // change·probe across the basis, over volumes

	filled                   int
	residual, change, probes []float64 // batch × K
}

func (p *Posterior) newMoments() *moments {
	k, d := p.K, p.s.D
	f := func(n int) []float64 { return make([]float64, n) }
	return &moments{square: f(k * k), variance: f(d), tail: f(d), residual: f(batch * k), change: f(batch * k), probes: f(batch * k)}
}

// add puts one voxel into the sums.
func (m *moments) add(p *Posterior, l *look, r int) {
	k, d := p.K, p.s.D
	m.n++
	if p.Scale[0] != nil {
		for b := range bands {
			m.scale[b] += float64(p.Scale[b][r])
		}
	}
	at := m.filled * k
	for a := range k {
		m.residual[at+a], m.change[at+a], m.probes[at+a] = float64(l.rc[a]), float64(l.cc[a]), float64(l.bc[a])
	}
	if m.filled++; m.filled == batch {
		m.flush(k)
	}
	// Across the basis: what is left once it is taken off.
	for a := range k {
		u := p.basis[a*d : (a+1)*d]
		fastblas.Axpy(-l.rc[a], u, l.residual)
		fastblas.Axpy(-l.cc[a], u, l.change)
		fastblas.Axpy(-l.bc[a], u, l.probe)
	}
	for i, v := range l.variance {
		m.variance[i] += float64(v)
		slope := float64(l.change[i] * l.probe[i])
		m.tail[i] += float64(l.residual[i]*l.residual[i]) + 2*slope
		m.slope += slope
	}
}

// flush adds what is in the batch.
func (m *moments) flush(k int) {
	if m.filled > 0 && k > 0 {
		n := m.filled
		fastblas.Gemm(true, false, k, k, n, 1, m.residual, k, m.residual, k, 1, m.square, k)
		fastblas.Gemm(true, false, k, k, n, 1, m.change, k, m.probes, k, 1, m.square, k)
		fastblas.Gemm(true, false, k, k, n, 1, m.probes, k, m.change, k, 1, m.square, k)
	}
	m.filled = 0
}

func (m *moments) join(o *moments) {
	m.n += o.n
	m.slope += o.slope
	for b := range bands {
		m.scale[b] += o.scale[b]
	}
	for _, pair := range [][2][]float64{{m.square, o.square}, {m.variance, o.variance}, {m.tail, o.tail}} {
		for i, v := range pair[1] {
			pair[0][i] += v
		}
	}
}

// gather sums over the rows that statistics are taken on, class by class.
func (p *Posterior) gather(ctx context.Context, threads int) (all [classes]*moments, err error) {
	in := p.counts()
	n := p.Grid.Len()
	var sums [parts][classes]*moments
	err = signals.EachTask(ctx, parts, threads, func(_, part int) error {
		l := p.newLook()
		for c := range classes {
			sums[part][c] = p.newMoments()
		}
		for r := part * n / parts; r < (part+1)*n/parts; r++ {
			if in[r] {
				p.read(l, r)
				sums[part][p.Class(r)].add(p, l, r)
			}
		}
		for _, m := range sums[part] {
			m.flush(p.K)
		}
		return nil
	})
	for c := range classes {
		all[c] = p.newMoments()
		for part := range parts {
			if sums[part][c] != nil {
				all[c].join(sums[part][c])
			}
		}
	}
	return all, err
}

// own returns the share of every volume that lies across the basis.
func (p *Posterior) own() []float64 {
	d := p.s.D
	out := make([]float64, d)
	for i := range out {
		out[i] = 1
		for k := range p.K {
			u := float64(p.basis[k*d+i])
			out[i] -= u * u
		}
	}
	return out
}
