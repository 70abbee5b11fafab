package posterior

import (
	"context"
	"math"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/symeig"
)

const (
	highestDegree = 6    // of the harmonics that errors are looked for along
	lowDegree     = 2    // up to which they make up the first band
	leastNew      = 0.01 // squared length that a harmonic keeps off those before it, to be one
)

// learnBasis finds the directions of q-space in which errors hang together: the
// spherical harmonics of each shell and, off them, the principal components of the
// measurement. Harmonics come first because they do not know the noise: components
// lean towards it, and Stein's estimate along them comes out too large. They are
// needed beyond the components because signal too weak for a component of its own is lost
// to the denoiser, and what is lost is of low degree; taken for white, errors of the orders
// in which crossings show came out 20 times too small.
func (p *Posterior) learnBasis(ctx context.Context, o Options) error {
	if o.Table != nil {
		if shells := o.Table.Shells(o.B0Threshold); !shells.Gridded {
			p.addHarmonics(o.Table, shells.All)
		}
	}
	return p.addComponents(ctx, o.Threads)
}

// addComponents adds the principal components of the measurement off the basis that
// are above the edge of the noise's spectrum, (1+√(D/n))² (Marchenko and Pastur
// 1967).
func (p *Posterior) addComponents(ctx context.Context, threads int) error {
	in := p.counts()
	var rows []int
	for r, ok := range in {
		if ok {
			rows = append(rows, r)
		}
	}
	step := max(len(rows)/scanRows, 1)
	d := p.s.D
	sums, products := make([][]float64, parts), make([][]float64, parts)
	err := signals.EachTask(ctx, parts, threads, func(_, part int) error {
		sums[part], products[part] = make([]float64, d), make([]float64, d*d)
		y := make([]float64, d)
		used := (len(rows) + step - 1) / step
		for j := part * used / parts; j < (part+1)*used/parts; j++ {
			v := int(p.Grid.Voxel[rows[j*step]])
			for i := range y {
				y[i] = float64(p.s.Measured[i*len(p.s.Sigma)+v] / p.s.Sigma[v])
			}
			p.project(y)
			for i, x := range y {
				sums[part][i] += x
			}
			addOuter(products[part], y, y)
		}
		return nil
	})
	if err != nil {
		return err
	}
	n := (len(rows) + step - 1) / step
	mean, cov := total(sums), total(products)
	for i := range d {
		for j := range d {
			cov[i*d+j] = (cov[i*d+j] - mean[i]*mean[j]/float64(n)) / float64(max(n-1, 1))
		}
	}
	values := make([]float64, d)
	if !symeig.New(d).Decompose(cov, d, values, cov) {
		return errDecomposition
	}
	edge := math.Pow(1+math.Sqrt(float64(d-p.K)/float64(n)), 2)
	for k := 0; k < min(d, mostComponents) && values[k] > edge; k++ {
		p.extend(cov[k*d:(k+1)*d], component)
	}
	return nil
}

// component is the group of what is no harmonic.
const component = -1

// addHarmonics adds the spherical harmonics of each shell, up to the degree that half
// its directions determine, and the mean of the volumes without diffusion weighting.
func (p *Posterior) addHarmonics(t *gradients.Table, shells []gradients.Shell) {
	for s, shell := range shells {
		m := len(shell.Volumes)
		degree := 0
		for !shell.IsB0 && degree < highestDegree && 2*gradients.SHCount(degree+2) <= m {
			degree += 2
		}
		var g [][3]float64
		for _, i := range shell.Volumes {
			g = append(g, t.BVecs[i])
		}
		n := 1
		values := make([]float64, m)
		for i := range values {
			values[i] = 1
		}
		if degree > 0 {
			n = gradients.SHCount(degree)
			values = gradients.SHMatrix(g, degree)
		}
		orders := gradients.SHOrders(degree)
		for j := range n {
			u := make([]float64, p.s.D)
			for k, i := range shell.Volumes {
				u[i] = values[k*n+j]
			}
			p.extend(u, s*(highestDegree+1)+orders[j])
		}
	}
}

// project takes off u what of it lies along the basis.
func (p *Posterior) project(u []float64) {
	d := p.s.D
	for k := range p.K {
		b, along := p.basis[k*d:(k+1)*d], 0.0
		for i, x := range u {
			along += x * float64(b[i])
		}
		for i := range u {
			u[i] -= along * float64(b[i])
		}
	}
}

// extend adds a direction to the basis, unless next to nothing of it is new.
func (p *Posterior) extend(u []float64, group int) {
	d := p.s.D
	if p.K >= d {
		return
	}
	normalise(u)
	p.project(u)
	p.project(u) // twice is enough (Kahan; Parlett 1980)
	if normalise(u) < leastNew {
		return
	}
	for _, x := range u {
		p.basis = append(p.basis, float32(x))
	}
	p.group = append(p.group, group)
	p.K++
}

// normalise brings u to length 1 and returns its squared length before.
func normalise(u []float64) float64 {
	square := 0.0
	for _, x := range u {
		square += x * x
	}
	if square > 0 {
		f := 1 / math.Sqrt(square)
		for i := range u {
			u[i] *= f
		}
	}
	return square
}

func addOuter(dst, a, b []float64) {
	n := len(b)
	for i, x := range a {
		row := dst[i*n : (i+1)*n]
		for j, y := range b {
			row[j] += x * y
		}
	}
}

func total(parts [][]float64) []float64 {
	out := parts[0]
	for _, p := range parts[1:] {
		for i, v := range p {
			out[i] += v
		}
	}
	return out
}
