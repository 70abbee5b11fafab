package denoise

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/denoise/learned"
	"github.com/dmri-denoise/dmri-denoise/denoise/unseen"
	"github.com/dmri-denoise/dmri-denoise/diffusion/net"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// UnseenReport says what training the prior of directions not measured achieved,
// on voxels that it did not see: errors over those the Gaussian prediction
// expects of itself, over all noise levels.
type UnseenReport struct {
	Gaussian float64         `json:"gaussian_loss"`
	Before   float64         `json:"before_loss"` // of the model that training started from
	After    float64         `json:"after_loss"`
	Samples  int             `json:"samples"`
	HeldOut  int             `json:"samples_held_out"`
	Loss     []learned.Point `json:"loss"`
}

const (
	unseenFolds     = 2 // times that directions of a scan are held out
	unseenOneIn     = 6 // of them
	unseenPerVoxel  = 6
	unseenRate      = 2e-4
	unseenStream    = 0x9fb21c651e98df25
	unseenDecay     = 0.05
	unseenPatience  = 8
	unseenLooks     = 20
	unseenLeastHeld = 1000 // samples
)

// unseenTraining collects samples of directions held out of scans, and trains.
type unseenTraining struct {
	o           TrainOptions
	share       int // samples of each scan
	train, held unseen.Samples
}

// add holds out directions of a scan, denoises the rest and takes samples of what
// is foretold of the measurements that were held out. Scans that cannot spare
// directions are passed over.
func (u *unseenTraining) add(ctx context.Context, s *TrainScan, number uint64) error {
	o, err := Options{Mask: s.Mask, Rician: u.o.Rician, Threads: u.o.Threads, Seed: u.o.Seed + number, B0Threshold: u.o.B0Threshold, Prior: PriorGaussian}.withDefaults()
	if err != nil {
		return err
	}
	_, _, nz, nt := s.Image.Dims()
	affine, _ := s.Image.Header.Affine()
	j := &imputation{o: o, im: s.Image, keptTable: s.Table.ToFSL(affine), filled: s.Image, keptLost: impute.NewLost(nt, nz)}
	r, err := j.core(ctx, s.Image, j.keptTable, nil, o)
	if err != nil {
		return err
	}
	return u.addFolds(ctx, j, r)
}

// addFolds takes the samples of a denoised scan. The directions held out are not
// those that [imputation.newTrial] judges by.
func (u *unseenTraining) addFolds(ctx context.Context, j *imputation, r *Result) error {
	for fold := range unseenFolds {
		t := j.trialOf(r, j.heldVolumes(j.keptTable, unseenOneIn, 1+fold*unseenOneIn/unseenFolds))
		if t == nil {
			return nil
		}
		err := u.addFold(ctx, t, uint64(fold))
		if errors.Is(err, gradients.ErrFewDirections) || errors.Is(err, impute.ErrTooLittle) || errors.Is(err, unseen.ErrTable) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (u *unseenTraining) addFold(ctx context.Context, t *trial, fold uint64) error {
	if _, err := t.foretold(ctx); err != nil {
		return err
	}
	scene, err := t.j.scene(ctx, t.real.g, t.table.Select(t.held))
	if err != nil {
		return err
	}
	known := t.measured(scene)
	inside := func(row, point int) (float64, float64, bool) {
		if !t.r.Foreground[scene.Grid.Voxel[row]] {
			return 0, 0, false
		}
		return known(row, point)
	}
	scene.ErrorsBeyond(inside, nil)
	return scene.Sample(ctx, &u.train, &u.held, u.share/unseenFolds, unseenPerVoxel, inside, false, t.j.o.Seed^fold<<32, u.o.Threads)
}

// fit trains on what was collected; nil if there is too little.
func (u *unseenTraining) fit(ctx context.Context, origin learned.Origin) (*unseen.Model, *net.State, *UnseenReport, error) {
	if min(u.train.Len(), u.held.Len()) < unseenLeastHeld {
		return nil, nil, nil, nil
	}
	zero, err := unseen.NewModel(u.train.Static, trainHidden, trainBlocks, rand.New(rand.NewPCG(u.o.Seed, unseenStream)))
	if err != nil {
		return nil, nil, nil, err
	}
	report := &UnseenReport{Samples: u.train.Len(), HeldOut: u.held.Len(), After: math.Inf(1)}
	if report.Gaussian, err = zero.HeldOutLoss(ctx, &u.held); err != nil {
		return nil, nil, nil, err
	}
	model, rate, state := unseen.Embedded().Clone(), unseenRate, (*net.State)(nil)
	switch {
	case u.o.Scratch:
		model, rate = zero, scratchRate
	case u.o.From != nil && u.o.From.Unseen != nil:
		model, state = u.o.From.Unseen.Clone(), u.o.From.UnseenState
	}
	curve, state, err := model.Train(ctx, &u.train, &u.held, net.TrainOptions{
		Steps: u.o.Steps, Time: u.o.Time, Rate: rate, Decay: unseenDecay, Every: max(u.o.Steps/unseenLooks, 1), Patience: unseenPatience, Threads: u.o.Threads,
		Rng: rand.New(rand.NewPCG(u.o.Seed, unseenStream+1)), State: state,
		Progress: func(step, total int) { u.o.Progress(StageUnseen, step, total) },
	})
	if err != nil {
		return nil, nil, nil, err
	}
	model.Loss, model.Origin = curve, origin
	report.Before, report.Loss = curve[0].HeldOut, curve
	for _, p := range curve {
		report.After = min(report.After, p.HeldOut)
	}
	return model, state, report, nil
}
