package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"time"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/learned"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// times measures a whole run and the network's part of it.
func (e *evaluation) times() (string, error) {
	k, err := phantomCase(e.ctx, "clinical", 15, 361, [3]int{64, 64, 24})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "64×64×24×70, %d voxels, %d threads, %d cores; processor time, of which the clock takes half on two idle cores. Noise level given, but for `train`.\n\n", k.truth.Len(), e.threads, runtime.NumCPU())
	fmt.Fprintln(&b, "| work | processor time, s |\n|---|---|")
	for _, p := range []denoise.PriorMode{denoise.PriorGaussian, denoise.PriorLearned, denoise.PriorAuto} {
		user := userTime()
		if _, err := e.run(k, p); err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "| run --prior %s | %.1f |\n", p, userTime()-user)
	}
	if err := e.otherTimes(&b, k); err != nil {
		return "", err
	}
	scan, err := scanOf(e.ctx, k, k.noisy.Values, e.threads, false)
	if err != nil {
		return "", err
	}
	out := make([]float32, len(scan.Gaussian))
	user, start := userTime(), time.Now()
	if err := learned.Embedded().Estimate(e.ctx, scan, out, nil, nil, e.threads, nil); err != nil {
		return "", err
	}
	n := float64(len(out))
	fmt.Fprintf(&b, "\nFeatures and network: %.0f voxel-directions a second (%.0f a second of processor time). ", n/time.Since(start).Seconds(), n/(userTime()-user))
	m := learned.Embedded()
	pass := m.Net.NewPass(512)
	const rounds = 200
	user = userTime()
	for range rounds {
		pass.Forward(512)
	}
	operations := 2 * float64(len(m.Net.Weights())) * 512 * rounds
	fmt.Fprintf(&b, "The network alone: %.1f GFLOP/s on one thread, of processor time; `go test -bench Gemm ./internal/fastblas` gives the machine's own.", operations/(userTime()-user)/1e9)
	return b.String(), nil
}

// otherTimes measures imputation of 30 new directions, and training.
func (e *evaluation) otherTimes(b *strings.Builder, k *known) error {
	im, mask, err := k.image(e.ctx, k.noisy)
	if err != nil {
		return err
	}
	target := &gradients.Table{Frame: gradients.FSLFrame}
	for _, g := range gradients.Directions(30, rand.New(rand.NewPCG(1, 1))) {
		target.BVals, target.BVecs = append(target.BVals, 1000), append(target.BVecs, g)
	}
	for _, p := range []denoise.PriorMode{denoise.PriorGaussian, denoise.PriorLearned} {
		user := userTime()
		if _, err := denoise.Run(e.ctx, im, k.table, denoise.Options{Mask: mask, NoiseLevel: 1, Rician: denoise.RicianOff, Prior: p, Threads: e.threads,
			Imputing: denoise.Imputing{Mode: denoise.ImputeOff, Target: target}}); err != nil {
			return err
		}
		fmt.Fprintf(b, "| 30 directions that were not measured, --prior %s | %.1f |\n", p, userTime()-user)
	}
	user := userTime()
	one := func(context.Context, int) (*denoise.TrainScan, error) {
		return &denoise.TrainScan{Name: "scan", Image: im, Table: k.table, Mask: mask}, nil
	}
	if _, _, err := denoise.Train(e.ctx, 1, one, denoise.TrainOptions{Rician: denoise.RicianOff, Threads: e.threads}); err != nil {
		return err
	}
	fmt.Fprintf(b, "| train, one scan, 1000 steps of each network | %.1f |\n", userTime()-user)
	return nil
}
