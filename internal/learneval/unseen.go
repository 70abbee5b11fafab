package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/denoise/learned"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/denoise/unseen"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

const (
	unseenSeed    = 1
	unseenSteps   = 8000
	unseenSamples = 6000 // of each scan
	unseenTimes   = 3    // as many scans of each kind as the other model is trained on
	unseenPoints  = 8    // of each voxel
)

// trainUnseen makes the shipped model of directions that were not measured: from
// the simulations that the other one is trained on, with some directions of each
// scan left out.
func (e *evaluation) trainUnseen(file string) error {
	train, held := &unseen.Samples{}, &unseen.Samples{}
	number := 0
	for _, r := range recipe {
		for i := range unseenTimes * r.count {
			seed := r.first + uint64(i)
			k, err := r.make(e.ctx, seed)
			if err != nil {
				return fmt.Errorf("%s %d: %w", r.kind, seed, err)
			}
			to := train
			if number++; number%heldOneIn == 0 {
				to = held
			}
			kept, left := leaveOut(k.table, rand.New(rand.NewPCG(seed, 6)))
			s, err := sceneOf(e.ctx, k, kept, left, e.threads, seed%softOneIn == 0)
			if errors.Is(err, gradients.ErrFewDirections) || errors.Is(err, impute.ErrTooLittle) {
				fmt.Fprintf(os.Stderr, "%s %d: left out: %v\n", r.kind, seed, err)
				continue
			}
			if err != nil {
				return fmt.Errorf("%s %d: %w", r.kind, seed, err)
			}
			truth := func(row, point int) (float64, float64, bool) { return float64(k.truth.Row(row)[left[point]]), 0, true }
			s.ErrorsBeyond(truth, nil)
			if err := s.Sample(e.ctx, to, to, unseenSamples, unseenPoints, truth, true, seed, e.threads); err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "%s %d: %d voxels, %d of %d volumes left out, errors beyond the claim %.4f\n", r.kind, seed, k.noisy.Len(), len(left), k.noisy.D, s.Error)
		}
	}
	rng := rand.New(rand.NewPCG(unseenSeed, 2))
	m, err := unseen.NewModel(train.Static, 64, 1, rng)
	if err != nil {
		return err
	}
	m.Origin = learned.Origin{Kind: "simulations", Seed: unseenSeed}
	m.Loss, _, err = m.Train(e.ctx, train, held, learned.TrainOptions{Steps: unseenSteps, Rate: 2e-3, Decay: 0.05, Every: 250, Patience: 12, Rng: rng, Threads: e.threads})
	if err != nil {
		return err
	}
	return writeModel(file, m.Loss, m)
}

// leaveOut splits the volumes of a table: an eighth to a half of each shell that
// can spare them is left out, and once in a while a b = 0.
func leaveOut(t *gradients.Table, rng *rand.Rand) (kept, left []int) {
	share := 0.125 + 0.375*rng.Float64()*rng.Float64()
	for _, s := range t.Shells(gradients.DefaultB0Threshold).All {
		n := int(share * float64(len(s.Volumes)))
		if s.IsB0 {
			n = 0
		}
		n = max(min(n, len(s.Volumes)-10), 0)
		for _, j := range rng.Perm(len(s.Volumes))[:n] {
			left = append(left, s.Volumes[j])
		}
	}
	slices.Sort(left)
	for v := range t.Len() {
		if !slices.Contains(left, v) {
			kept = append(kept, v)
		}
	}
	return kept, left
}

// sceneOf denoises the kept volumes of a case and foretells the others.
func sceneOf(ctx context.Context, k *known, kept, left []int, threads int, soft bool) (*unseen.Scene, error) {
	if len(left) == 0 {
		return nil, impute.ErrTooLittle
	}
	part := &known{truth: chosenVolumes(k.truth, kept), noisy: chosenVolumes(k.noisy, kept), table: k.table.Select(kept)}
	scan, err := scanOf(ctx, part, part.noisy.Values, threads, soft)
	if err != nil {
		return nil, err
	}
	return sceneFrom(ctx, part.noisy.Grid, scan.Gaussian, part.table, k.table.Select(left), threads)
}

// sceneFrom foretells points from a denoised series.
func sceneFrom(ctx context.Context, grid *signals.Grid, clean []float32, table, points *gradients.Table, threads int) (*unseen.Scene, error) {
	model, err := impute.NewQModel(ctx, clean, table, impute.QOptions{Threads: threads})
	if err != nil {
		return nil, err
	}
	given, err := model.Given(table, points)
	if err != nil {
		return nil, err
	}
	s, err := unseen.NewScene(grid, clean, table, points, given, gradients.DefaultB0Threshold)
	if err != nil {
		return nil, err
	}
	return s, s.Foretell(ctx, threads)
}

func chosenVolumes(s *signals.Signals, volumes []int) *signals.Signals {
	out := signals.New(s.Grid, len(volumes))
	for r := range s.Grid.Len() {
		from, to := s.Row(r), out.Row(r)
		for i, v := range volumes {
			to[i] = from[v]
		}
	}
	return out
}
