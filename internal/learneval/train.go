package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"

	"github.com/dmri-denoise/dmri-denoise/denoise/learned"
	"github.com/dmri-denoise/dmri-denoise/diffusion/net"
)

// recipe is what the model that comes with the program is trained on: simulated
// scans of three kinds, each with its own gradient table and noise.
var recipe = []struct {
	kind    string
	make    func(ctx context.Context, seed uint64) (*known, error)
	first   uint64 // seed
	count   int
	samples int // of each scan
}{
	{"head", func(ctx context.Context, seed uint64) (*known, error) { return simulate(ctx, seed, seed%2 == 0) }, 50_000, 30, 15_000},
	{"block", block, 60_000, 150, 5_000},
	{"crop", crop, 70_000, 45, 5_000},
}

const (
	heldOneIn  = 12 // scans are held out
	softOneIn  = 3  // scans are given the soft Gaussian prior
	modelSeed  = 1
	modelSteps = 8000
)

// trainShipped makes the model that comes with the program.
func (e *evaluation) trainShipped(file string) error {
	train, held := &learned.Samples{}, &learned.Samples{}
	number := 0
	for _, r := range recipe {
		for i := range r.count {
			seed := r.first + uint64(i)
			k, err := r.make(e.ctx, seed)
			if err != nil {
				return fmt.Errorf("%s %d: %w", r.kind, seed, err)
			}
			scan, err := scanOf(e.ctx, k, k.noisy.Values, e.threads, seed%softOneIn == 0)
			if err != nil {
				return fmt.Errorf("%s %d: %w", r.kind, seed, err)
			}
			to := train
			if number++; number%heldOneIn == 0 {
				to = held
			}
			addKnown(to, k, scan, r.samples, rand.New(rand.NewPCG(seed, 5)))
			fmt.Fprintf(os.Stderr, "%s %d: %d voxels, %d volumes, %d components\n", r.kind, seed, k.noisy.Len(), k.noisy.D, scan.Stages.K)
		}
	}
	rng := rand.New(rand.NewPCG(modelSeed, 1))
	m, err := learned.NewModel(train.Features, 64, 1, rng)
	if err != nil {
		return err
	}
	m.Origin = learned.Origin{Kind: "simulations", Seed: modelSeed}
	m.Loss, _, err = m.Train(e.ctx, train, held, learned.TrainOptions{Steps: modelSteps, Rate: 2e-3, Decay: 0.01, Every: 250, Patience: 40, Rng: rng, Threads: e.threads})
	if err != nil {
		return err
	}
	return writeModel(file, m.Loss, m)
}

// addKnown adds samples of a scan whose truth is known, ten directions of each of
// some voxels. They are weighted so that each scan counts by how much of its own
// error is left.
func addKnown(to *learned.Samples, k *known, scan *learned.Scan, n int, rng *rand.Rand) {
	x := learned.NewExtractor(scan)
	d := scan.D
	row := make([]float32, d*learned.FeatureCount)
	from, square := len(to.Truth), 0.0
	each := min(d, 10)
	for taken := 0; taken < n; taken += each {
		r := rng.IntN(scan.Grid.Len())
		x.Row(row, r)
		for _, i := range rng.Perm(d)[:each] {
			t := k.truth.Row(r)[i] - scan.Gaussian[r*d+i]
			square += float64(t * t)
			to.Features = append(to.Features, row[i*learned.FeatureCount:(i+1)*learned.FeatureCount]...)
			to.Truth = append(to.Truth, t)
		}
	}
	weight := float32(1 / (square/float64(len(to.Truth)-from) + 0.01))
	for range to.Truth[from:] {
		to.Weight = append(to.Weight, weight)
	}
}

// writeModel tells how training went and writes its result.
func writeModel(file string, curve []learned.Point, m interface {
	Write(w io.Writer, state *net.State) error
}) error {
	for _, p := range curve {
		fmt.Fprintf(os.Stderr, "step %d: train %.4f, held out %.4f\n", p.Step, p.Train, p.HeldOut)
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return m.Write(f, nil)
}
