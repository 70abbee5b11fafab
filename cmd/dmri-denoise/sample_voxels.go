package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/synthesis"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// runVoxels learns the prior of single voxels and draws from it.
func (o sampleOptions) runVoxels(ctx context.Context, u *ui) error {
	if needed, available := int64(o.count)*int64(o.table.Len())*8, availableMemory(); available > 0 && needed > available {
		return withHint(fmt.Errorf("%w: %d voxels of %d volumes need about %s", errOutOfMemory, o.count, o.table.Len(), formatBytes(needed)), "make --count smaller")
	}
	limitThreads(o.threads)
	if o.train != "" { // before the scan is denoised and learned from
		if err := synthesis.CheckTable(o.trainTable, o.table, o.tables.b0Threshold); err != nil {
			return explainSample(err)
		}
	}
	bar := newProgress(u)
	defer bar.finish()
	source, name, err := o.source(ctx, u, bar)
	if err != nil {
		return err
	}
	m, err := synthesis.Learn(ctx, source, synthesis.Options{Steps: o.steps, B0Threshold: o.tables.b0Threshold, Seed: o.seed, Threads: o.threads,
		Logger: u.logger(), Progress: func(done, total int) { bar.report("train", done, total) }})
	if err != nil {
		return explainSample(err)
	}
	draws := synthesis.DrawOptions{Seed: o.seed, Threads: o.threads, Progress: func(done, total int) { bar.report("draw", done, total) }}
	var strip voxelStrip
	if o.stripOut != "" {
		draws.Watch = strip.watch(ctx, o.threads)
	}
	v, err := m.Draw(ctx, o.count, draws)
	if err != nil {
		return err
	}
	if o.stripOut != "" {
		if o.strip, err = strip.draw(); err != nil {
			return err
		}
	}
	grid, _ := voxelGrid(o.count)
	im := nifti.New(grid[0], grid[1], 1, o.table.Len(), [3]float64{2, 2, 2})
	im.Header.Descrip = "dmri-denoise sample"
	affine, _ := im.Header.Affine()
	rows, err := v.Signals(ctx, o.table.ToFSL(affine), o.tables.b0Threshold, o.threads)
	if err != nil {
		return explainSample(err)
	}
	d := o.table.Len()
	for n := range d {
		for i := range o.count {
			im.Volume(n)[i] = rows[i*d+n]
		}
	}
	r := o.record("voxels", name)
	report := m.Report()
	r.Training = &report
	return o.write(ctx, u, o.table, r, func(int) (*nifti.Image, error) { return im, nil })
}

func explainSample(err error) error {
	switch {
	case errors.Is(err, synthesis.ErrTable):
		return badInputHint("ask for b-values up to the outermost shell, or --train on a scan that reaches further", "%w", err)
	case errors.Is(err, synthesis.ErrSource):
		return badInputHint("train on a scan with b = 0, shells of 8 directions or more and 500 voxels of tissue, or on simulated tissue (no --train)", "%w", err)
	}
	return err
}

// source returns clean signals to learn from and what they are.
func (o sampleOptions) source(ctx context.Context, u *ui, bar *progress) (synthesis.Source, string, error) {
	if o.train == "" {
		s, err := simulatedTissue(ctx, trainingTable(o.table.Shells(o.tables.b0Threshold)))
		return s, "simulated tissue", err
	}
	im, err := readWithin(ctx, o.train, arraysDenoised)
	if err != nil {
		return synthesis.Source{}, "", err
	}
	_, _, _, nt := im.Dims()
	if err := o.trainTable.Check(nt); err != nil {
		return synthesis.Source{}, "", err
	}
	settings := o.denoising(u, bar)
	if o.mask != "" {
		if settings.Mask, err = loadMask(ctx, o.mask); err != nil {
			return synthesis.Source{}, "", err
		}
	}
	if o.clean {
		inside := settings.Mask
		if inside == nil {
			return synthesis.Source{}, "", usageHint("--mask FILE", "--clean needs a mask: what is tissue is told from a noisy scan")
		}
		if len(inside) != len(im.Volume(0)) {
			return synthesis.Source{}, "", badInputHint("give a mask of the same grid", "mask %s does not fit %s", o.mask, o.train)
		}
		return sourceOf(im, o.trainTable, inside), o.train, nil
	}
	result, err := denoise.Run(ctx, im, o.trainTable, settings)
	if err != nil {
		return synthesis.Source{}, "", explainDenoise(runOptions{input: o.train}, err)
	}
	return sourceOf(result.Denoised, o.trainTable, result.Foreground), o.train, nil
}

// denoising are the settings of runs that sample needs.
func (o sampleOptions) denoising(u *ui, bar *progress) denoise.Options {
	return denoise.Options{B0Threshold: o.tables.b0Threshold, Seed: o.seed, Threads: o.threads, Logger: u.logger(),
		Progress: func(stage denoise.Stage, done, total int) { bar.report(string(stage), done, total) }}
}

// groupEdge is the edge in voxels of the blocks that training holds out whole, neighbours being alike.
const groupEdge = 5

// sourceOf takes the voxels of a mask.
func sourceOf(im *nifti.Image, table *gradients.Table, inside []bool) synthesis.Source {
	nx, ny, _, nt := im.Dims()
	s := synthesis.Source{Table: table}
	for v, in := range inside {
		if !in {
			continue
		}
		x, y, z := v%nx/groupEdge, v/nx%ny/groupEdge, v/(nx*ny)/groupEdge
		s.Groups = append(s.Groups, int32(x+2*y+3*z))
		for n := range nt {
			s.Rows = append(s.Rows, im.Volume(n)[v])
		}
	}
	return s
}

// Simulated tissue: heads of two seeds, on as many directions a shell as order 8 takes with some to spare.
var simulatedSeeds = []uint64{7001, 7002}

const simulatedDirections = 64

// trainingTable has the shells of the table asked for, each with many directions; of a grid or a ladder, five shells up to
// its largest b.
func trainingTable(asked gradients.Shells) *gradients.Table {
	var bs []float64
	for _, s := range asked.All {
		if !s.IsB0 {
			bs = append(bs, s.B)
		}
	}
	const most = 5
	if largest := len(bs) - 1; asked.Gridded || len(bs) > most {
		top := bs[largest]
		bs = nil
		for i := range most {
			bs = append(bs, top*float64(i+1)/most)
		}
	}
	if len(bs) == 0 {
		bs = []float64{1000}
	}
	t := &gradients.Table{BVals: []float64{0}, BVecs: [][3]float64{{}}}
	for i, b := range bs {
		for _, g := range gradients.Directions(simulatedDirections, rand.New(rand.NewPCG(uint64(i), 5))) {
			t.BVals, t.BVecs = append(t.BVals, b), append(t.BVecs, g)
		}
	}
	return t
}

func simulatedTissue(ctx context.Context, table *gradients.Table) (synthesis.Source, error) {
	all := synthesis.Source{Table: table}
	for _, seed := range simulatedSeeds {
		p, err := phantom.Make(ctx, phantom.Options{Table: table, Shape: [3]int{40, 40, 16}, Seed: seed})
		if err != nil {
			return all, err
		}
		inside := make([]bool, len(p.Mask.Voxels()))
		for v, m := range p.Mask.Voxels() {
			inside[v] = m > 0
		}
		s := sourceOf(p.Truth, p.Table, inside)
		all.Table = p.Table
		all.Rows, all.Groups = append(all.Rows, s.Rows...), append(all.Groups, s.Groups...)
	}
	return all, nil
}
