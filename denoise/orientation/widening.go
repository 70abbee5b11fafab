package orientation

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// Gauge compares, along a linear function of a voxel's signal, the squared error
// that draws have with a noisy but unbiased estimate of the true one; see
// posterior.Gauge. One is used by one goroutine.
type Gauge interface {
	Mean(dst []float32, row int)
	Read(row int)
	Error(a []float64, row int) (unbiased, drawn, noise float64)
}

// Widening is by what draws understate the squared error of peaks.
type Widening struct {
	Ratio  float64 // of squared errors: measured to drawn
	Error  float64 // standard error of the ratio
	Factor float64 // by which angles of draws are to be multiplied, 1 at least
	Peaks  int     // that were measured
}

const (
	turnRows = 40000 // voxels that are looked at, at most
	strips   = 16    // of voxels, from which the standard error is taken
	known    = 0.7   // how far ratios lie from 1, root mean square over ten phantoms (docs/uncertainty.md)
)

// turned is what is known of the error of one peak, summed over its two angles.
type turned struct {
	unbiased, drawn float64 // in units of what the measurement's noise would make
	sure            float64 // drawn squared error, rad²
	strip           int
}

// MeasureWidening compares the errors that draws say peaks have with an unbiased
// estimate. The covariance that draws have is that of a whole class of voxels in the
// frame of the scanner; the error of a fibre is not the same along every
// direction in its own frame, and what turns it is the smaller part, which an average over
// orientations takes for more certain than it is. One ratio is taken for all peaks, from the surer half:
// in the other half peaks are so faint that they move with more than the first order of the signal.
//
// The factor is not that of the ratio alone, which is known to a tenth at best:
// it is the upper end, one standard deviation, of what is known of the ratio by the
// measurement and by what ratios usually are, 1 ± 0.7. An interval should
// rather hold more than it says than less.
func MeasureWidening(ctx context.Context, gauge func() Gauge, rows []int, c *CSD, threads int) (Widening, error) {
	n := min(len(rows), turnRows)
	found := make([][]turned, n)
	work := make([]*turner, signals.Threads(threads))
	err := signals.EachRange(ctx, n, 64, threads, func(worker, from, to int) error {
		if work[worker] == nil {
			work[worker] = newTurner(gauge(), c)
		}
		for i := from; i < to; i++ {
			found[i] = work[worker].row(rows[i*len(rows)/n], i*strips/n)
		}
		return nil
	})
	if err != nil {
		return Widening{}, err
	}
	return widening(slices.Concat(found...)), nil
}

// turner is the scratch of one goroutine.
type turner struct {
	gauge      Gauge
	c          *CSD
	solver     *Solver
	signal     []float32
	f, scratch []float64
	peaks      []Peak
	turn       [2][]float64
}

func newTurner(g Gauge, c *CSD) *turner {
	d := c.volumes()
	return &turner{
		gauge: g, c: c, solver: c.NewSolver(), f: make([]float64, c.N), scratch: make([]float64, c.N),
		signal: make([]float32, d), turn: [2][]float64{make([]float64, d), make([]float64, d)},
	}
}

// row measures the peaks of one voxel.
func (t *turner) row(row, strip int) (found []turned) {
	t.gauge.Mean(t.signal, row)
	if !t.solver.Solve(t.f, t.signal) {
		return nil
	}
	t.peaks = t.c.Peaks(t.peaks, t.f, t.solver.Lobes, t.scratch)
	t.gauge.Read(row)
	for _, p := range t.peaks {
		if !t.solver.turns(&t.turn, p.Direction, t.f) {
			continue
		}
		one, noise := turned{strip: strip}, 0.0
		for _, a := range t.turn {
			u, d, n := t.gauge.Error(a, row)
			one.unbiased += u
			one.sure += d
			noise += n
		}
		if u := one.unbiased; noise > 0 && u-u == 0 { // finite
			one.unbiased, one.drawn = one.unbiased/noise, one.sure/noise
			found = append(found, one)
		}
	}
	return found
}

// widening takes the ratio over the surer half of the peaks. Each counts by
// what its noise is, so that none weighs more for being worse measured.
func widening(peaks []turned) Widening {
	slices.SortStableFunc(peaks, func(a, b turned) int { return cmp.Compare(a.sure, b.sure) })
	peaks = peaks[:(len(peaks)+1)/2]
	var unbiased, drawn [strips]float64
	for _, p := range peaks {
		unbiased[p.strip] += p.unbiased
		drawn[p.strip] += p.drawn
	}
	u, d := 0.0, 0.0
	for i := range strips {
		u += unbiased[i]
		d += drawn[i]
	}
	if !(d > 0) {
		return Widening{Ratio: 1, Error: known, Factor: math.Sqrt(1 + known)}
	}
	w := Widening{Ratio: u / d, Peaks: len(peaks)}
	square := 0.0
	for i := range strips {
		e := unbiased[i] - w.Ratio*drawn[i]
		square += e * e
	}
	// Noise alone, spread evenly over both angles, gives every peak a variance of 1: strips of few
	// peaks can agree better by chance.
	w.Error = math.Sqrt(max(square, float64(len(peaks)))) / d
	w.Factor = math.Sqrt(max(upper(w.Ratio, w.Error), 1))
	return w
}

// upper returns mean plus standard deviation of a ratio that was measured, and that is
// 1 ± known before it is.
func upper(ratio, deviation float64) float64 {
	trust := 1 / (1 + deviation*deviation/(known*known))
	return 1 + trust*(ratio-1) + known*math.Sqrt(1-trust)
}
