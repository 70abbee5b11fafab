package denoise

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// geometry is what the q-space model knows after a series was denoised.
type geometry struct {
	model  *impute.QModel
	table  *gradients.Table // of the series
	series *nifti.Image     // denoised
	sigma  []float32        // per voxel
	voxels []int32          // that were denoised

	correction *correction // nil leaves the Gaussian prediction
}

// learn fits the q-space model to the foreground of a denoised series.
func (j *imputation) learn(ctx context.Context, r *Result, table *gradients.Table) (*geometry, error) {
	if table == nil {
		return nil, fmt.Errorf("%w: %w", ErrNotImputable, errNoTable)
	}
	g := &geometry{table: table, series: r.Denoised, sigma: r.Sigma.Volume(0)}
	var tissue []int32
	for v, in := range r.Mask {
		if in {
			g.voxels = append(g.voxels, int32(v))
			if r.Foreground[v] {
				tissue = append(tissue, int32(v))
			}
		}
	}
	all := make([]int, table.Len())
	for i := range all {
		all[i] = i
	}
	rows := make([]float32, len(tissue)*len(all))
	g.rows(rows, tissue, all)
	var err error
	g.model, err = impute.NewQModel(ctx, rows, table, impute.QOptions{B0Threshold: j.o.B0Threshold, Threads: j.o.Threads})
	return g, err
}

// rows reads some volumes of some voxels, in units of their noise.
func (g *geometry) rows(dst []float32, voxels []int32, volumes []int) {
	for i, n := range volumes {
		volume := g.series.Volume(n)
		for k, v := range voxels {
			dst[k*len(volumes)+i] = volume[v] / g.sigma[v]
		}
	}
}

// predictor imputes by the reverse diffusion process, conditioned on some
// volumes of a series.
type predictor struct {
	g        *geometry
	measured []int
	targets  *impute.Targets
	given    *impute.QConditional
	process  *impute.Process
	trust    *calibration // nil leaves the model's own spread
	learned  *corrected   // nil leaves the Gaussian prediction; else the voxels are all of g
	o        Options
	samples  int
}

func (j *imputation) newPredictor(g *geometry, measured []int, targets *impute.Targets) (*predictor, error) {
	given, err := g.model.Given(g.table.Select(measured), targets.Points)
	if err != nil {
		return nil, err
	}
	process, err := impute.NewProcess(given, j.o.Schedule)
	if err != nil {
		return nil, err
	}
	return &predictor{g: g, measured: measured, targets: targets, given: given, process: process, o: j.o}, nil
}

const (
	predictChunk = 256 // voxels of one batch
	drawSteps    = 50  // evaluations of the reverse process for a draw: spread within 2 % of the posterior's
	imputeStream = 0x7f4a7c159e3779b9
)

// estimate is what is predicted of one voxel, in units of its noise.
type estimate struct {
	mean, std []float64 // per target volume
	draws     [][]float64
}

// run predicts voxels and hands each to store, which is called from several
// goroutines, for distinct voxels.
func (p *predictor) run(ctx context.Context, voxels []int32, store func(v int32, e *estimate)) error {
	return signals.EachRange(ctx, len(voxels), predictChunk, p.o.Threads, func(_, from, to int) error {
		return p.chunk(ctx, voxels[from:to], from, store)
	})
}

// chunk predicts some voxels, of which the first is number first.
func (p *predictor) chunk(ctx context.Context, voxels []int32, first int, store func(v int32, e *estimate)) error {
	d, n := len(p.measured), p.targets.Points.Len()
	rows := make([]float32, len(voxels)*d)
	p.g.rows(rows, voxels, p.measured)
	batch := p.process.NewBatch(rows)
	mean := make([]float64, len(voxels)*n)
	var prior diffusion.Denoiser = batch
	if p.learned != nil {
		for i, x := range p.learned.mean[first*n : (first+len(voxels))*n] {
			mean[i] = float64(x)
		}
		if p.samples > 0 {
			prior = p.learned.reverse(first, first+len(voxels), batch, p.o)
		}
	} else if err := batch.Mean(ctx, mean, p.stream(voxels[0], 0)); err != nil {
		return err
	}
	draws := make([][]float64, p.samples)
	for k := range draws {
		draws[k] = make([]float64, len(mean))
		if err := batch.Sample(ctx, prior, draws[k], drawSteps, p.stream(voxels[0], k+1)); err != nil {
			return err
		}
	}
	e := &estimate{mean: make([]float64, p.targets.Volumes()), std: make([]float64, p.targets.Volumes()), draws: make([][]float64, p.samples)}
	for k := range e.draws {
		e.draws[k] = make([]float64, p.targets.Volumes())
	}
	voxel := p.given.NewVoxel()
	claimed, deviation := make([]float64, n), make([]float64, n)
	for i, v := range voxels {
		at := mean[i*n : (i+1)*n]
		voxel.Read(rows[i*d : (i+1)*d])
		voxel.Variance(claimed)
		for t, variance := range claimed {
			spread := p.trust.variance(v, p.targets.Points.BVals[t], variance)
			if p.learned != nil {
				spread *= p.learned.share[t]
			}
			deviation[t] = math.Sqrt(spread)
		}
		p.targets.Combine(e.mean, at)
		p.targets.Spread(e.std, at, deviation)
		for k, draw := range draws {
			widen(draw[i*n:(i+1)*n], at, claimed, deviation)
			p.targets.Combine(e.draws[k], draw[i*n:(i+1)*n])
		}
		store(v, e)
	}
	return nil
}

// stream returns the random numbers of one draw of the chunk that begins with
// a voxel.
func (p *predictor) stream(first int32, draw int) *rand.Rand {
	return rand.New(rand.NewPCG(p.o.Seed^imputeStream, uint64(first)<<24|uint64(draw)))
}

// widen gives a draw the calibrated spread about the mean in place of the one
// that the model claims.
func widen(draw, mean, claimed, deviation []float64) {
	for t, m := range mean {
		if claimed[t] > 0 {
			draw[t] = m + (draw[t]-m)*deviation[t]/math.Sqrt(claimed[t])
		}
	}
}

var _ diffusion.Denoiser = (*impute.Batch)(nil)
