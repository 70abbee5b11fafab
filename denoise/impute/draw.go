package impute

import (
	"context"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/dmri-denoise/dmri-denoise/diffusion"
)

// Process imputes by the reverse diffusion process: what was not measured
// starts as pure noise at the last timestep and comes back conditioned on what
// was. The conditional prior of a voxel is the mixture of a [QConditional]; the
// diffused signal is its deviation from the posterior mean in units of the
// average posterior standard deviation, so that it has unit variance.
type Process struct {
	q        *QConditional
	schedule diffusion.Schedule
	scale    float64     // average posterior standard deviation
	values   [][]float64 // per component, eigenvalues of cov/scale²
	vectors  [][]float64 // per component, eigenvectors, one per row
}

// NewProcess prepares the reverse process of a conditional.
func NewProcess(q *QConditional, schedule diffusion.Schedule) (*Process, error) {
	p := &Process{q: q, schedule: schedule}
	n := q.points
	for k := range q.cov {
		for t := range n {
			p.scale += q.scorers[k].c.share * q.cov[k][t*n+t] / float64(n)
		}
	}
	p.scale = math.Sqrt(max(p.scale, 1e-12))
	for k := range q.cov {
		s := mat.NewSymDense(n, nil)
		for i := range n {
			for j := i; j < n; j++ {
				s.SetSym(i, j, q.cov[k][i*n+j]/(p.scale*p.scale))
			}
		}
		var e mat.EigenSym
		if !e.Factorize(s, true) {
			return nil, errDecomposition
		}
		values := e.Values(nil)
		for i, v := range values {
			values[i] = max(v, 0)
		}
		var vectors mat.Dense
		e.VectorsTo(&vectors)
		p.values = append(p.values, values)
		p.vectors = append(p.vectors, flat(mat.DenseCopyOf(vectors.T())))
	}
	return p, nil
}

// Batch is the conditional prior of some voxels: a diffusion.Denoiser on their
// deviations, one voxel's points after another's.
type Batch struct {
	p       *Process
	mean    []float64   // voxels × points
	weights []float64   // voxels × components
	shifts  [][]float64 // per component, voxels × points: its mean relative to mean, in units of scale
	centred []float64
	back    []float64
	scores  []float64
}

// NewBatch conditions on the measurements of some voxels (voxels × measured
// volumes).
func (p *Process) NewBatch(rows []float32) *Batch {
	n, d := p.q.points, p.q.d
	voxels := len(rows) / d
	b := &Batch{p: p, mean: make([]float64, voxels*n), centred: make([]float64, n), back: make([]float64, n), scores: make([]float64, len(p.values))}
	for range p.values {
		b.shifts = append(b.shifts, make([]float64, voxels*n))
	}
	v := p.q.NewVoxel()
	for r := range voxels {
		v.Read(rows[r*d : (r+1)*d])
		mean := b.mean[r*n : (r+1)*n]
		v.Mean(mean)
		b.weights = append(b.weights, v.Weights...)
		for k, shift := range b.shifts {
			for t, m := range v.Means[k] {
				shift[r*n+t] = (m - mean[t]) / p.scale
			}
		}
	}
	return b
}

// PosteriorMean implements diffusion.Denoiser: for a mixture of Gaussians
// N(δ_k, Σ_k) with weights w_k, Σ_k p(k|x_t)·(δ_k + Σ_k(Σ_k+σ_t²I)⁻¹(x_t/√ᾱ_t - δ_k)).
func (b *Batch) PosteriorMean(ctx context.Context, dst, xt []float32, t float64) error {
	n := b.p.q.points
	sigma := b.p.schedule.Sigma(t)
	for r := 0; r*n < len(xt); r++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		b.voxel(dst[r*n:(r+1)*n], xt[r*n:(r+1)*n], r, sigma)
	}
	return nil
}

func (b *Batch) voxel(dst, xt []float32, r int, sigma float64) {
	kinds := len(b.shifts)
	inverse := math.Sqrt(1 + sigma*sigma)
	noise := sigma * sigma
	most := math.Inf(-1)
	for k := range kinds {
		b.scores[k] = math.Inf(-1)
		if w := b.weights[r*kinds+k]; w > 0 && kinds > 1 && noise > 0 {
			b.scores[k] = math.Log(w) + b.logLikelihood(k, xt, r, inverse, noise)
		} else if w > 0 {
			b.scores[k] = math.Log(w)
		}
		most = max(most, b.scores[k])
	}
	total := 0.0
	for k, s := range b.scores {
		b.scores[k] = math.Exp(s - most)
		total += b.scores[k]
	}
	clear(b.back)
	for k, s := range b.scores {
		if s/total > 1e-9 {
			b.shrink(k, s/total, xt, r, inverse, noise)
		}
	}
	for i, x := range b.back {
		dst[i] = float32(x)
	}
}

// project returns the coordinate of x_t/√ᾱ_t - δ_k along eigenvector j.
func (b *Batch) project(k, j int) float64 {
	n := b.p.q.points
	sum := 0.0
	for i, u := range b.p.vectors[k][j*n : (j+1)*n] {
		sum += u * b.centred[i]
	}
	return sum
}

func (b *Batch) centre(k int, xt []float32, r int, inverse float64) {
	n := b.p.q.points
	for i, d := range b.shifts[k][r*n : (r+1)*n] {
		b.centred[i] = inverse*float64(xt[i]) - d
	}
}

func (b *Batch) logLikelihood(k int, xt []float32, r int, inverse, noise float64) float64 {
	b.centre(k, xt, r, inverse)
	sum := 0.0
	for j, v := range b.p.values[k] {
		c := b.project(k, j)
		sum -= (c*c/(v+noise) + math.Log(v+noise)) / 2
	}
	return sum
}

// shrink adds a component's posterior mean, times its probability.
func (b *Batch) shrink(k int, probability float64, xt []float32, r int, inverse, noise float64) {
	n := b.p.q.points
	b.centre(k, xt, r, inverse)
	for i, d := range b.shifts[k][r*n : (r+1)*n] {
		b.back[i] += probability * d
	}
	for j, v := range b.p.values[k] {
		if v == 0 {
			continue
		}
		f := probability * b.project(k, j) * v / (v + noise)
		for i, u := range b.p.vectors[k][j*n : (j+1)*n] {
			b.back[i] += f * u
		}
	}
}

// Mean writes the imputed signals of the batch (voxels × points): one
// evaluation from pure noise at the last timestep, where x_t tells nothing and
// the posterior mean is that of the conditional prior.
func (b *Batch) Mean(ctx context.Context, dst []float64, rng *rand.Rand) error {
	x, out := b.pureNoise(rng), make([]float32, len(b.mean))
	if err := diffusion.PosteriorMean(ctx, b, out, x, float64(b.p.schedule.T()-1)); err != nil {
		return err
	}
	b.finish(dst, out)
	return nil
}

// Scale returns the unit of deviations from the posterior mean, in that of the
// signals.
func (b *Batch) Scale() float64 { return b.p.scale }

// Sample writes one draw of the signals of the batch (voxels × points), all
// points of a voxel jointly: the reverse stochastic process from pure noise,
// in the given number of evaluations of d, which is the batch or a denoiser that corrects it.
func (b *Batch) Sample(ctx context.Context, d diffusion.Denoiser, dst []float64, steps int, rng *rand.Rand) error {
	x := b.pureNoise(rng)
	if err := diffusion.ReverseSDE(ctx, b.p.schedule, d, x, x, float64(b.p.schedule.T()-1), diffusion.SamplerOptions{Steps: steps}, rng); err != nil {
		return err
	}
	b.finish(dst, x)
	return nil
}

func (b *Batch) pureNoise(rng *rand.Rand) []float32 {
	x := make([]float32, len(b.mean))
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func (b *Batch) finish(dst []float64, deviation []float32) {
	for i, m := range b.mean {
		dst[i] = m + b.p.scale*float64(deviation[i])
	}
}
