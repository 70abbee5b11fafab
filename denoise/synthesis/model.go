package synthesis

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/diffusion/net"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// Source is what a model is learned from.
type Source struct {
	Rows  []float32 // voxels × volumes, clean signals: denoised or simulated
	Table *gradients.Table
	// Groups tells which voxels lie together: every fifth group is held out to end the
	// training where the model stops getting better on voxels it has not seen. nil
	// groups 64 voxels that follow each other.
	Groups []int32
}

// Options set how a [Model] is learned. The zero value is the default.
type Options struct {
	Steps       int     // of the optimiser; 0 means 4000
	Hidden      int     // width of the network; 0 means 192
	Blocks      int     // residual blocks; 0 means 2
	Components  int     // principal components that the network learns, at most; 0 means 64
	B0Threshold float64 // 0 means gradients.DefaultB0Threshold
	Seed        uint64
	Threads     int // 0 means one per core
	Logger      *slog.Logger
	Progress    func(done, total int)
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		value    *int
		standard int
	}{{&o.Steps, 4000}, {&o.Hidden, 192}, {&o.Blocks, 2}, {&o.Components, 64}} {
		if *d.value == 0 {
			*d.value = d.standard
		}
	}
	if o.B0Threshold == 0 {
		o.B0Threshold = gradients.DefaultB0Threshold
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = func(int, int) {}
	}
	return o
}

const (
	leastVoxels = 500   // to learn from
	mostVoxels  = 40000 // of a scan, evenly spread
	tailShare   = 1e-6  // of the variance, in components that are drawn as a Gaussian
	heldOutOf   = 5     // groups, one of which is held out
	groupSize   = 64
)

// Model is a learned distribution of voxels.
type Model struct {
	space   space
	classes []class
	learned int // leading components that the network knows; the rest is normal
	network *net.Network
	report  Report
}

// Report says how the learning went.
type Report struct {
	Voxels     int       `json:"voxels"`
	HeldOut    int       `json:"held_out_voxels"`
	Shells     []float64 `json:"shells"`
	Orders     []int     `json:"harmonic_orders"`
	Numbers    int       `json:"numbers_per_voxel"`
	Classes    int       `json:"classes"`
	Components int       `json:"components_learned"`
	Steps      int       `json:"steps"`
	BestStep   int       `json:"best_step"`
	// Loss and Gaussian are the weighted squared errors of the denoiser on held-out
	// voxels, of the network and of the Gaussian model it starts from.
	Loss     float64 `json:"held_out_loss"`
	Gaussian float64 `json:"held_out_loss_of_gaussian"`
}

// Report returns how the learning went.
func (m *Model) Report() Report { return m.report }

// Learn learns a model. Signals that no model can be learned from, too few
// voxels, no b = 0 or a q-space grid, are an [ErrSource].
func Learn(ctx context.Context, s Source, o Options) (*Model, error) {
	o = o.withDefaults()
	if s.Table.Len() == 0 || len(s.Rows)%s.Table.Len() != 0 {
		panic("synthesis: signals do not match the table")
	}
	shells := s.Table.Shells(o.B0Threshold)
	sp, err := newSpace(shells, s.Table.Files)
	if err != nil {
		return nil, err
	}
	fit, err := newFitter(sp, shells, s.Table)
	if err != nil {
		return nil, err
	}
	rows, held, err := numbersOf(ctx, fit, s, o)
	if err != nil {
		return nil, err
	}
	size := sp.size()
	m := &Model{space: sp}
	signs := halfTurns(sp)
	of, count := classify(sp, rows, size, held, stream(o.Seed, forClasses, 0))
	if m.classes, err = newClasses(rows, size, of, held, count, signs); err != nil {
		return nil, err
	}
	for _, c := range m.classes {
		m.learned = max(m.learned, c.white.leading(tailShare, o.Components))
	}
	m.report = Report{Voxels: len(held), Shells: sp.B, Orders: sp.Order, Numbers: size, Classes: count, Components: m.learned, Steps: o.Steps}
	t := newTrainer(m, rows, of, held, signs, o)
	m.report.HeldOut = len(t.tests)
	o.Logger.Info("voxels to learn from", "train", len(t.train), "held out", len(t.tests), "numbers", size, "learned", m.learned)
	return m, t.run(ctx)
}

// numbersOf returns the numbers of every usable voxel, in its own frame and with
// log b = 0 first, and whether it is held out.
func numbersOf(ctx context.Context, f *fitter, s Source, o Options) ([]float64, []bool, error) {
	d, size := s.Table.Len(), f.size()
	total := len(s.Rows) / d
	n := min(total, mostVoxels)
	numbers, good := make([]float64, n*size), make([]bool, n)
	turners := make([]*turner, signals.Threads(o.Threads))
	err := signals.EachRange(ctx, n, 256, o.Threads, func(worker, from, to int) error {
		if turners[worker] == nil {
			turners[worker] = newTurner()
		}
		for i := from; i < to; i++ {
			v := i * total / n
			x := numbers[i*size : (i+1)*size]
			if good[i] = f.fit(x, s.Rows[v*d:(v+1)*d]); good[i] {
				x[0] = math.Log(x[0])
				turners[worker].turn(f.space, x, frameOf(f.space, x))
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	var held []bool
	kept := numbers[:0]
	for i, ok := range good {
		if !ok {
			continue
		}
		v := i * total / n
		group := int32(v / groupSize)
		if s.Groups != nil {
			group = s.Groups[v]
		}
		kept = append(kept, numbers[i*size:(i+1)*size]...)
		held = append(held, group%heldOutOf == heldOutOf-1)
	}
	if len(held) < leastVoxels {
		return nil, nil, fmt.Errorf("%w: %d voxels have a usable signal, %d are needed", ErrSource, len(held), leastVoxels)
	}
	return kept, held, nil
}

// withTurns returns the voxels under all half turns of their frames.
func withTurns(rows []float64, size int, signs [][]float64) []float64 {
	out := make([]float64, 0, len(signs)*len(rows))
	for _, s := range signs {
		for i, v := range rows {
			out = append(out, v*s[i%size])
		}
	}
	return out
}

// streams of random numbers, told apart by what they are for.
const (
	forWeights = iota + 1
	forTraining
	forTesting
	forDrawing
	forNoise
	forClasses
)

func stream(seed, purpose, number uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, purpose<<48|number))
}
