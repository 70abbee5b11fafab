package synthesis

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/diffusion/net"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// DrawOptions set how voxels are drawn. The zero value is the default.
type DrawOptions struct {
	Schedule  diffusion.Schedule // zero value means cosine with 1000 timesteps
	Ancestral bool               // the DDPM's own steps (Ho 2020) instead of the reverse SDE
	Steps     int                // 0 means 100, with Ancestral 500
	Seed      uint64
	Threads   int // 0 means one per core
	Progress  func(done, total int)
	// Watch, if not nil, is called with the state of the first voxels, at most 256, at
	// every step: x_t at timestep t from T-1 down, and the clean voxels expected then; and
	// with the drawn voxels as both at t = -1.
	Watch func(t float64, xt, clean *Voxels)
}

// drawRows is how many voxels are drawn together.
const drawRows = 256

func (o DrawOptions) withDefaults() (DrawOptions, error) {
	if o.Schedule.T() == 0 {
		s, err := diffusion.Cosine(1000)
		if err != nil {
			return o, err
		}
		o.Schedule = s
	}
	if o.Steps == 0 {
		o.Steps = 100
		if o.Ancestral {
			o.Steps = 500
		}
	}
	return o, nil
}

// denoiser is the model behind diffusion's samplers, on rows of the leading
// components of voxels. It is for one goroutine.
type denoiser struct {
	schedule diffusion.Schedule
	m        *Model
	class    []uint8 // of every row
	pass     *net.Pass
	watch    func(t float64, xt, clean []float32)
}

// PosteriorMean writes E[x₀ | x_t] by the network, preconditioned. dst may be xt.
func (d *denoiser) PosteriorMean(ctx context.Context, dst, xt []float32, t float64) error {
	sigma := d.schedule.Sigma(t)
	if sigma == 0 {
		copy(dst, xt)
		return ctx.Err()
	}
	noisy := xt
	if d.watch != nil {
		noisy = slices.Clone(xt) // dst may be xt
	}
	k, wide := d.m.learned, d.m.wide()
	rows := len(xt) / k
	in := d.pass.In(rows)
	root := math.Sqrt(1 + sigma*sigma) // 1/√ᾱ_t
	for r := range rows {
		row := in[r*wide : (r+1)*wide]
		for i, x := range xt[r*k : (r+1)*k] {
			row[i] = float32(root * float64(x))
		}
		d.m.features(row, d.class[r], sigma)
	}
	out := d.pass.Forward(rows)
	for r := range rows {
		c := &d.m.classes[d.class[r]]
		for i := range k {
			skip, gain := precondition(c.variance(i), sigma)
			dst[r*k+i] = float32(skip*float64(in[r*wide+i]) + gain*float64(out[r*k+i]))
		}
	}
	if d.watch != nil {
		d.watch(t, noisy, dst)
	}
	return ctx.Err()
}

// Voxels are drawn voxels: functions over q-space, of which signals on any table
// can be read.
type Voxels struct {
	model   *Model
	numbers []float64 // in the frame of each voxel
	frames  []rotation
}

// Len returns how many there are.
func (v *Voxels) Len() int { return len(v.frames) }

// Draw draws n voxels by the reverse process from pure noise at T-1 to the clean
// signal. Errors are those of the context.
func (m *Model) Draw(ctx context.Context, n int, o DrawOptions) (*Voxels, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	v := &Voxels{model: m, numbers: make([]float64, n*m.space.size()), frames: make([]rotation, n)}
	chunks := (n + drawRows - 1) / drawRows
	done := make(chan struct{}, chunks)
	err = signals.EachTask(ctx, chunks, o.Threads, func(_, chunk int) error {
		from, to := chunk*drawRows, min((chunk+1)*drawRows, n)
		if err := m.drawChunk(ctx, v, from, to, o, stream(o.Seed, forDrawing, uint64(chunk))); err != nil {
			return err
		}
		done <- struct{}{}
		if o.Progress != nil {
			o.Progress(min(len(done)*drawRows, n), n)
		}
		return nil
	})
	return v, err
}

// drawChunk draws the voxels from to to.
func (m *Model) drawChunk(ctx context.Context, v *Voxels, from, to int, o DrawOptions, rng *rand.Rand) error {
	k, rows := m.learned, to-from
	d := &denoiser{schedule: o.Schedule, m: m, class: make([]uint8, rows), pass: m.network.NewPass(rows)}
	tails := make([][]float64, rows)
	for r := range rows {
		v.frames[from+r] = randomRotation(rng)
		d.class[r] = drawClass(m.classes, rng)
		c := &m.classes[d.class[r]]
		for i := k; i < c.white.components(); i++ {
			tails[r] = append(tails[r], math.Sqrt(c.variance(i))*rng.NormFloat64())
		}
	}
	x := make([]float32, rows*k)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	if from == 0 && o.Watch != nil {
		d.watch = func(t float64, xt, clean []float32) {
			o.Watch(t, m.voxels(xt, d.class, tails, v.frames[:rows]), m.voxels(clean, d.class, tails, v.frames[:rows]))
		}
	}
	sampler, last := diffusion.ReverseSDE, float64(o.Schedule.T()-1)
	if o.Ancestral {
		sampler = diffusion.Ancestral
	}
	if err := sampler(ctx, o.Schedule, d, x, x, last, diffusion.SamplerOptions{Steps: o.Steps}, rng); err != nil {
		return err
	}
	m.decode(v.numbers[from*m.space.size():to*m.space.size()], x, d.class, tails)
	if from == 0 && o.Watch != nil {
		end := m.voxels(x, d.class, tails, v.frames[:rows])
		o.Watch(-1, end, end)
	}
	return nil
}

// voxels are those that leading components and tails stand for.
func (m *Model) voxels(x []float32, of []uint8, tails [][]float64, frames []rotation) *Voxels {
	v := &Voxels{model: m, numbers: make([]float64, len(of)*m.space.size()), frames: frames}
	m.decode(v.numbers, x, of, tails)
	return v
}

// decode turns leading components and tails into numbers of voxels.
func (m *Model) decode(numbers []float64, x []float32, of []uint8, tails [][]float64) {
	k, size := m.learned, m.space.size()
	var z []float64
	for r, class := range of {
		white := m.classes[class].white
		z = z[:0]
		for _, c := range x[r*k:][:min(k, white.components())] {
			z = append(z, float64(c))
		}
		white.decode(numbers[r*size:(r+1)*size], append(z, tails[r]...))
	}
}

// First returns the first n voxels.
func (v *Voxels) First(n int) *Voxels {
	return &Voxels{model: v.model, numbers: v.numbers[:n*v.model.space.size()], frames: v.frames[:n]}
}

// ShellNear returns the shell nearest to b, both in s/mm².
func (v *Voxels) ShellNear(b float64) float64 {
	best := v.model.space.B[0]
	for _, shell := range v.model.space.B {
		if math.Abs(shell-b) < math.Abs(best-b) {
			best = shell
		}
	}
	return best
}

// Signals returns the noise-free signals of every voxel on a table, voxels ×
// volumes, each between 0 and the voxel's b = 0 signal. Between b = 0 and the
// shells of the model the logarithm of the signal is linear in b. Volumes with b
// up to b0Threshold (0 means gradients.DefaultB0Threshold) are b = 0. A table
// beyond the outermost shell is an [ErrTable].
func (v *Voxels) Signals(ctx context.Context, t *gradients.Table, b0Threshold float64, threads int) ([]float32, error) {
	if b0Threshold == 0 {
		b0Threshold = gradients.DefaultB0Threshold
	}
	s := v.model.space
	if err := s.check(t, b0Threshold); err != nil {
		return nil, err
	}
	d, size := t.Len(), s.size()
	out := make([]float32, v.Len()*d)
	err := signals.EachRange(ctx, v.Len(), 64, threads, func(_, from, to int) error {
		basis := make([]float64, gradients.SHCount(mostOrder))
		for i := from; i < to; i++ {
			numbers := v.numbers[i*size : (i+1)*size]
			b0 := math.Exp(numbers[0])
			for n, b := range t.BVals {
				r := 1.0
				if b > b0Threshold {
					gradients.SH(basis, v.frames[i].apply(t.BVecs[n]), mostOrder)
					r = s.at(numbers, basis, b)
				}
				out[i*d+n] = float32(b0 * r)
			}
		}
		return nil
	})
	return out, err
}

// leastRatio keeps the logarithm of a vanishing signal finite where it is interpolated.
const leastRatio = 1e-4

// at returns S/S₀ at b-value b in the direction whose harmonics are basis.
func (s space) at(numbers, basis []float64, b float64) float64 {
	shell := func(k int) float64 {
		u := 0.0
		for j, c := range numbers[s.from(k):][:gradients.SHCount(s.Order[k])] {
			u += c * basis[j]
		}
		return Unlink(u)
	}
	k := 0
	for k < len(s.B)-1 && b > s.B[k] {
		k++
	}
	upper := shell(k)
	if b >= s.B[k] {
		return upper // on the outermost shell, or within its margin
	}
	lower, from := 1.0, 0.0
	if k > 0 {
		lower, from = shell(k-1), s.B[k-1]
	}
	f := (b - from) / (s.B[k] - from)
	if f == 1 {
		return upper
	}
	return math.Exp((1-f)*math.Log(max(lower, leastRatio)) + f*math.Log(max(upper, leastRatio)))
}
