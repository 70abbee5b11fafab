package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dmri-denoise/dmri-denoise/denoise/synthesis"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// judged is what one case showed.
type judged struct {
	*voxels
	model    *synthesis.Model
	made     []float32
	features []row
	learning time.Duration // wall time
	drawing  time.Duration
	copies   copies
	peaks    [3]*peaks // generated, held out, training
	outside  float64   // share of generated signals below 0 or above b = 0
}

type row struct {
	noise        bool
	name         string
	made, within float64    // distance to the held-out voxels, of the generated and of the training voxels
	median       [3]float64 // of the generated, training and held-out voxels
}

// copies compares distances to the nearest training voxel.
type copies struct {
	made, held float64 // medians
	closer     float64 // share of generated voxels nearer than the nearest percentile of held-out ones
}

// mostPeakVoxels are deconvolved of each kind.
const mostPeakVoxels = 3000

// judge learns from the training voxels, draws as many as are held out, at least
// 2000, and compares.
func (e *evaluation) judge(v *voxels) (*judged, error) {
	j := &judged{voxels: v}
	start := time.Now()
	var err error
	j.model, err = synthesis.Learn(e.ctx, synthesis.Source{Rows: v.train, Table: v.table, Groups: v.groups},
		synthesis.Options{Seed: 1, Threads: e.threads, Steps: e.steps, Logger: e.log})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.name, err)
	}
	j.learning, start = time.Since(start), time.Now()
	n := max(2000, len(v.test)/v.table.Len())
	drawn, err := j.model.Draw(e.ctx, n, synthesis.DrawOptions{Seed: 2, Threads: e.threads})
	if err != nil {
		return nil, err
	}
	if j.made, err = drawn.Signals(e.ctx, v.table, 0, e.threads); err != nil {
		return nil, err
	}
	j.drawing = time.Since(start)
	return j, e.compare(j)
}

func (e *evaluation) compare(j *judged) error {
	var all [3][]feature // generated, held out, training
	csd, err := e.deconvolution(j.train, j.table)
	if err != nil {
		return fmt.Errorf("%s: %w", j.name, err)
	}
	for i, rows := range [][]float32{j.made, j.test, j.train} {
		if all[i], err = featuresOf(rows, j.table); err != nil {
			return fmt.Errorf("%s: %w", j.name, err)
		}
		if j.peaks[i], err = peaksOf(e.ctx, csd, rows, j.table.Len(), mostPeakVoxels, e.threads); err != nil {
			return fmt.Errorf("%s: %w", j.name, err)
		}
	}
	add := func(made, held, train feature) {
		r := row{name: made.name, noise: made.noise, made: distance(made, held), within: distance(train, held)}
		for i, f := range []feature{made, train, held} {
			r.median[i] = math.NaN()
			if len(f.values) > 0 {
				r.median[i] = quantile(f.values, 0.5)
			}
		}
		j.features = append(j.features, r)
	}
	for f := range all[0] {
		add(all[0][f], all[1][f], all[2][f])
	}
	for f := range j.peaks[0].features {
		add(j.peaks[0].features[f], j.peaks[1].features[f], j.peaks[2].features[f])
	}
	for i := range all {
		all[i] = slices.DeleteFunc(all[i], func(f feature) bool { return f.noise }) // all that generated voxels lack
	}
	made, held := nearest(head(all[0], 1000), all[2]), nearest(head(all[1], 1000), all[2])
	j.copies = copies{made: quantile(made, 0.5), held: quantile(held, 0.5)}
	bound := quantile(held, 0.01)
	for _, d := range made {
		if d < bound {
			j.copies.closer += 1 / float64(len(made))
		}
	}
	j.bounds()
	return nil
}

// head takes voxels evenly spread, n at most.
func head(f []feature, n int) []feature {
	out := make([]feature, len(f))
	total := len(f[0].values)
	n = min(n, total)
	for i := range f {
		out[i].name = f[i].name
		for k := range n {
			out[i].values = append(out[i].values, f[i].values[k*total/n])
		}
	}
	return out
}

// bounds counts generated signals that no tissue has.
func (j *judged) bounds() {
	b0 := j.table.Shells(gradients.DefaultB0Threshold).All[0].Volumes[0]
	d := j.table.Len()
	for i, x := range j.made {
		if x < 0 || x > j.made[i/d*d+b0] {
			j.outside += 1 / float64(len(j.made))
		}
	}
}

// table prints the distances.
func (j *judged) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | median generated | training | held out | distance D | of the training voxels |\n|---|---|---|---|---|---|\n", j.name)
	for _, r := range j.features {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %.3f | %.3f |\n", r.name, short(r.median[0]), short(r.median[1]), short(r.median[2]), r.made, r.within)
	}
	return b.String() + shareRows(j.peaks[0], j.peaks[1], j.peaks[2])
}

// farther is how much further from the held-out voxels than the training voxels are
// a statistic of generated ones may be before it is called missed.
const (
	farther      = 0.05
	fartherShare = 0.03 // the same of the share of voxels with a number of peaks
)

// missed lists the statistics in which generated voxels are not like tissue.
func (j *judged) missed() string {
	var names []string
	for _, r := range j.features {
		if r.made > r.within+farther && !r.noise {
			names = append(names, fmt.Sprintf("%s (%.2f, training %.2f)", r.name, r.made, r.within))
		}
	}
	for k, x := range j.peaks[0].shares {
		held, train := j.peaks[1].shares[k], j.peaks[2].shares[k]
		if math.Abs(x-held) > math.Abs(train-held)+fartherShare {
			names = append(names, fmt.Sprintf("CSD voxels with %d peaks (%.1f %%, held out %.1f %%, training %.1f %%)", k, 100*x, 100*held, 100*train))
		}
	}
	if len(names) == 0 {
		return fmt.Sprintf("Missed in %s by more than %.2f of D: nothing.\n", j.name, farther)
	}
	return fmt.Sprintf("Missed in %s by more than %.2f of D: %s.\n", j.name, farther, strings.Join(names, ", "))
}

func short(v float64) string { return fmt.Sprintf("%.3g", v) }
