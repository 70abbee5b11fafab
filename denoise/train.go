package denoise

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dmri-denoise/dmri-denoise/denoise/learned"
	"github.com/dmri-denoise/dmri-denoise/denoise/prior"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/diffusion/net"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// ErrModelMismatch reports a model trained on scans of another protocol.
var ErrModelMismatch = errors.New("denoise: the model is for another protocol")

// TrainScan is one scan to train on.
type TrainScan struct {
	Name  string
	Image *nifti.Image
	Table *gradients.Table
	Mask  []bool // nil means the foreground is found by threshold
}

// TrainOptions set [Train]. The zero value is the default.
type TrainOptions struct {
	From        *Models       // what training starts from and resumes; nil means the models shipped
	Scratch     bool          // start from random weights instead
	Steps       int           // 0 means 1000
	Time        time.Duration // of all steps; 0 means no limit. A limit makes the result depend on the machine
	Samples     int           // (voxel, direction)s over all scans; 0 means 300 000
	B0Threshold float64       // 0 means gradients.DefaultB0Threshold
	Rician      RicianMode
	Seed        uint64
	Threads     int
	Progress    func(stage Stage, done, total int)
}

// StageTrain is the stage of training in progress callbacks, StageScans that of
// reading and denoising the scans.
const (
	StageScans  Stage = "prepare scans"
	StageTrain  Stage = "train"
	StageUnseen Stage = "train for directions not measured"
)

// TrainReport says what training achieved: mean squared errors in σ², estimated
// without truth on voxels that training did not see.
type TrainReport struct {
	Gaussian float64         `json:"gaussian_mse"`
	Before   float64         `json:"before_mse"` // of the model that training started from
	After    float64         `json:"after_mse"`
	Samples  int             `json:"samples"`
	HeldOut  int             `json:"samples_held_out"`
	Loss     []learned.Point `json:"loss"`
	Unseen   *UnseenReport   `json:"directions_not_measured,omitempty"` // nil if the scans cannot spare directions
}

const (
	trainSamples    = 300_000
	trainDirections = 12 // of a voxel
	trainSteps      = 1000
	trainRate       = 2e-4 // from a trained model
	scratchRate     = 1e-3
	trainHidden     = 64
	trainBlocks     = 1
	trainStream     = 0xc2b2ae3d27d4eb4f
)

// Train trains the learned prior on noisy scans of one protocol, with no truth, by
// Stein's unbiased risk estimate, and weighs its corrections on samples held out.
// scan returns the i-th of n scans; each is let go before the next. What is best
// on the samples held out is kept, so that no step makes it worse by that measure.
func Train(ctx context.Context, n int, scan func(ctx context.Context, i int) (*TrainScan, error), o TrainOptions) (*Models, *TrainReport, error) {
	fastblas.Register()
	if o.Progress == nil {
		o.Progress = func(Stage, int, int) {}
	}
	if o.Samples == 0 {
		o.Samples = trainSamples
	}
	if o.Steps == 0 {
		o.Steps = trainSteps
	}
	train, held := &learned.Samples{}, &learned.Samples{}
	away := &unseenTraining{o: o, share: o.Samples / n}
	origin := learned.Origin{Kind: "scans", Seed: o.Seed}
	for i := range n {
		o.Progress(StageScans, i, n)
		s, err := scan(ctx, i)
		if err != nil {
			return nil, nil, err
		}
		bvals, err := addSamples(ctx, s, o, o.Samples/n, uint64(i), train, held)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		if err := away.add(ctx, s, uint64(i)); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		if i > 0 && !sameShells(bvals, origin.BVals) {
			return nil, nil, fmt.Errorf("%s: %w: its shells are at b = %.0f, those of %s at %.0f; train on scans of one protocol", s.Name, ErrModelMismatch, bvals, origin.Scans[0], origin.BVals)
		}
		origin.Scans, origin.BVals = append(origin.Scans, s.Name), bvals
	}
	o.Progress(StageScans, n, n)
	model, rate, resumed, err := o.start(train)
	if err != nil {
		return nil, nil, err
	}
	rng := rand.New(rand.NewPCG(o.Seed, trainStream))
	curve, state, err := model.Train(ctx, train, held, learned.TrainOptions{
		Steps: o.Steps, Time: o.Time, Rate: rate, Decay: 0.01, Every: max(o.Steps/20, 1), Patience: 8, Threads: o.Threads, Rng: rng, State: resumed,
		Progress: func(step, total int) { o.Progress(StageTrain, step, total) },
	})
	if err != nil {
		return nil, nil, err
	}
	model.Loss, model.Origin = curve, origin
	evidence := model.WeighSamples(held)
	model.Weights = evidence.Fit(-1)
	report := &TrainReport{Gaussian: held.GaussianRisk(), Before: curve[0].HeldOut, After: math.Inf(1), Samples: train.Len(), HeldOut: held.Len(), Loss: curve}
	for _, p := range curve {
		report.After = min(report.After, p.HeldOut)
	}
	m := &Models{Learned: model, LearnedState: state}
	if m.Unseen, m.UnseenState, report.Unseen, err = away.fit(ctx, origin); err != nil {
		return nil, nil, err
	}
	return m, report, nil
}

// start returns the model that training starts from, its learning rate and the
// state to resume from.
func (o TrainOptions) start(train *learned.Samples) (*learned.Model, float64, *net.State, error) {
	if o.Scratch {
		m, err := learned.NewModel(train.Features, trainHidden, trainBlocks, rand.New(rand.NewPCG(o.Seed, trainStream+1)))
		return m, scratchRate, nil, err
	}
	from, state := learned.Embedded(), (*net.State)(nil)
	if o.From != nil {
		from, state = o.From.Learned, o.From.LearnedState
	}
	m := *from
	m.Net = from.Net.Clone()
	m.Weights = nil // they are found anew
	return &m, trainRate, state, nil
}

// addSamples runs the Gaussian prior on a scan and on the scan moved by a probe,
// and adds samples of the two. It returns the b-values of the scan's shells.
func addSamples(ctx context.Context, s *TrainScan, o TrainOptions, samples int, number uint64, train, held *learned.Samples) ([]float64, error) {
	_, _, _, nt := s.Image.Dims()
	if s.Table == nil {
		return nil, ErrNoTable
	}
	if nt < leastVolumesLearned {
		return nil, fmt.Errorf("%w: %d volumes are too few for the learned prior, which needs %d", ErrSingleVolume, nt, leastVolumesLearned)
	}
	if err := s.Table.Check(nt); err != nil {
		return nil, err
	}
	options, err := Options{Mask: s.Mask, Rician: o.Rician, Threads: o.Threads, Seed: o.Seed + number, B0Threshold: o.B0Threshold}.withDefaults()
	if err != nil {
		return nil, err
	}
	nx, ny, nz, _ := s.Image.Dims()
	if err := options.check(nx, ny, nz); err != nil {
		return nil, err
	}
	affine, _ := s.Image.Header.Affine()
	p := &pipeline{o: options, im: s.Image, table: s.Table.ToFSL(affine)}
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	if p.scale, err = prior.NewScaling(p.o.Schedule, p.y); err != nil {
		return nil, err
	}
	p.scale.Start(p.y.Values)
	g := prior.NewGaussian(p.y.Grid, p.y.D, p.scale, prior.GaussianOptions{Threads: o.Threads})
	l := learned.NewPrior(g, p.y.Grid, p.y.D, p.scale, nil, learned.NewGroups(p.table, p.o.B0Threshold),
		learned.PriorOptions{Threads: o.Threads, Seed: options.Seed, Correlation: p.noise.Correlation})
	risk := p.riskOptions()
	pair, err := l.PairAll(ctx, p.y.Values, risk.NoiseVariance)
	if err != nil {
		return nil, err
	}
	if err := pair.Sample(ctx, train, held, samples, trainDirections, risk.Within, options.Seed, o.Threads); err != nil {
		return nil, err
	}
	var bvals []float64
	for _, shell := range p.table.Shells(p.o.B0Threshold).All {
		bvals = append(bvals, math.Round(shell.B))
	}
	return bvals, nil
}

// sameShells tells whether shells are at the same b-values, within the five per
// cent or 80 s/mm² that shells may be wide.
func sameShells(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Abs(x-y) <= max(80, 0.05*max(x, y)) })
}

// checkModel refuses a model of scans of another protocol.
func (p *pipeline) checkModel() error {
	m := p.o.Model
	if m == nil || len(m.Origin.BVals) == 0 || p.table == nil {
		return nil
	}
	var bvals []float64
	for _, shell := range p.table.Shells(p.o.B0Threshold).All {
		bvals = append(bvals, math.Round(shell.B))
	}
	if !sameShells(bvals, m.Origin.BVals) {
		return fmt.Errorf("%w: it was trained on shells at b = %.0f, the scan has them at %.0f", ErrModelMismatch, m.Origin.BVals, bvals)
	}
	return nil
}

// prepare takes the image's voxels into the stabilised domain.
func (p *pipeline) prepare(ctx context.Context) error {
	nx, ny, nz, nt := p.im.Dims()
	p.chosen = choose(p.im, p.o.Mask)
	if p.o.foreground != nil {
		p.chosen.foreground = p.o.foreground
	}
	p.magnitude = p.o.Rician == RicianOn || p.o.Rician == RicianAuto && p.chosen.magnitude
	if count(p.chosen.keep) == 0 {
		return fmt.Errorf("%w: %d voxels do not vary over volumes, %d hold NaN or Inf", ErrEmptyMask, p.chosen.constant, p.chosen.nonFinite)
	}
	grid := signals.NewGrid(nx, ny, nz, p.chosen.keep)
	var err error
	if p.y, err = signals.NewOn(p.o.Arrays, grid, nt); err != nil {
		return err
	}
	if err := p.y.Gather(ctx, p.im.Voxels(), p.o.Threads); err != nil {
		return err
	}
	p.letGo()
	if err := p.measureNoise(ctx); err != nil {
		return err
	}
	p.divide(ctx)
	p.atTheFloor()
	return nil
}
