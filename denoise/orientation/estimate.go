package orientation

import (
	"context"
	"math"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// Source gives the mean and draws of the clean signal of a row. One is used by
// one goroutine.
type Source interface {
	Mean(dst []float32, row int)
	Draw(dst []float32, row, number int)
}

// Options set an estimate. The zero value is the default.
type Options struct {
	Samples  int     // draws of every voxel; 0 means 32
	Widening float64 // of cones, see MeasureWidening; 0 means 1
	Threads  int     // 0 means one per core
	Progress func(done, total int)
}

// Maps are what is known of every row.
type Maps struct {
	Deviation      []float32 // rows × D: standard deviation of every volume
	FA, FADev      []float32 // mean and standard deviation over draws
	MD, MDDev      []float32
	FOD            []float32            // rows × N: mean distribution
	Peaks          []float32            // rows × 9: peaks of the mean distribution, each a direction times its amplitude; NaN where there is none
	Cone           [MostPeaks][]float32 // degrees: the peak is this close to the true direction with 95 % probability; NaN where there is none
	Dispersion     [MostPeaks][]float32 // 1 - λ₁ of the draws' axes
	Probability    [MostPeaks][]float32 // of exactly 1, of exactly 2, of 3 peaks or more
	Samples, Order int
}

func newMaps(rows, d int, c *CSD, samples int) *Maps {
	f := func(n int) []float32 { return make([]float32, rows*n) }
	m := &Maps{Deviation: f(d), FA: f(1), FADev: f(1), MD: f(1), MDDev: f(1), Samples: samples}
	if c == nil {
		return m
	}
	m.FOD, m.Peaks, m.Order = f(c.N), f(3*MostPeaks), c.Shell.Order
	for j := range MostPeaks {
		m.Cone[j], m.Dispersion[j], m.Probability[j] = f(1), f(1), f(1)
	}
	return m
}

// Estimate takes draws of every row and measures what is wanted on each. c may
// be nil: then there are no distributions. The result does not depend on the
// number of threads.
func Estimate(ctx context.Context, source func() Source, rows int, t *gradients.Table, c *CSD, o Options) (*Maps, error) {
	if o.Samples == 0 {
		o.Samples = 32
	}
	if o.Widening == 0 {
		o.Widening = 1
	}
	if o.Progress == nil {
		o.Progress = func(int, int) {}
	}
	m := newMaps(rows, t.Len(), c, o.Samples)
	tensor := NewTensor(t)
	work := make([]*voxelWork, signals.Threads(o.Threads))
	const slab = 64
	total, done := (rows+slab-1)/slab, make(chan struct{}, 64)
	finished := make(chan struct{})
	go func() {
		n := 0
		for range done {
			n++
			o.Progress(n, total)
		}
		close(finished)
	}()
	err := signals.EachRange(ctx, rows, slab, o.Threads, func(worker, from, to int) error {
		if work[worker] == nil {
			work[worker] = newVoxelWork(source(), t.Len(), tensor, c, o)
		}
		for r := from; r < to; r++ {
			work[worker].row(m, r)
		}
		done <- struct{}{}
		return nil
	})
	close(done)
	<-finished
	return m, err
}

// voxelWork is one worker's scratch.
type voxelWork struct {
	source      Source
	tensor      *Tensor
	c           *CSD
	solver      *Solver
	signal      []float32
	sum, square []float64
	first       []float32 // the estimate: sums are taken about it
	f           []float64 // samples × N
	mean, lobes []float64
	delta       []float64 // N: fibres along the peaks
	scratch     []float64
	peaks       []Peak
	angles      []float64
	axes        [][3]float64
	samples     int
	widening    float64
}

func newVoxelWork(source Source, d int, tensor *Tensor, c *CSD, o Options) *voxelWork {
	samples := o.Samples
	w := &voxelWork{
		source: source, tensor: tensor, c: c, samples: samples, widening: o.Widening, signal: make([]float32, d), first: make([]float32, d),
		sum: make([]float64, d), square: make([]float64, d), angles: make([]float64, 0, samples), axes: make([][3]float64, 0, samples),
	}
	if c != nil {
		w.solver = c.NewSolver()
		w.delta = make([]float64, c.N)
		w.f, w.mean, w.lobes, w.scratch = make([]float64, samples*c.N), make([]float64, c.N), make([]float64, sphere), make([]float64, c.N)
	}
	return w
}

// row measures one row.
func (w *voxelWork) row(m *Maps, r int) {
	d := len(w.signal)
	clear(w.sum)
	clear(w.square)
	w.source.Mean(w.first, r)
	solved := w.c != nil && w.startFOD()
	var fa, md moment
	var counts [MostPeaks]int
	for k := range w.samples {
		w.source.Draw(w.signal, r, k)
		for i, x := range w.signal {
			e := float64(x - w.first[i])
			w.sum[i] += e
			w.square[i] += e * e
		}
		if t, ok := w.tensor.Fit(w.signal); ok {
			a, b := Measures(t)
			fa.add(a)
			md.add(b)
		}
		if solved {
			if n := w.drawFOD(k); n > 0 {
				counts[min(n, MostPeaks)-1]++
			}
		}
	}
	n := float64(w.samples)
	for i := range d {
		m.Deviation[r*d+i] = float32(math.Sqrt(max(w.square[i]-w.sum[i]*w.sum[i]/n, 0) / max(n-1, 1)))
	}
	m.FA[r], m.FADev[r] = fa.mean(), fa.deviation()
	m.MD[r], m.MDDev[r] = md.mean(), md.deviation()
	if w.c == nil {
		return
	}
	if !solved {
		for j := range MostPeaks {
			w.noPeak(m, r, j)
		}
		return
	}
	for j, c := range counts {
		m.Probability[j][r] = float32(c) / float32(w.samples)
	}
	w.finishFOD(m, r)
}

// startFOD solves for the estimate's distribution.
func (w *voxelWork) startFOD() bool {
	return w.solver.Solve(w.mean, w.first) && w.mean[0] > 0
}

// drawFOD solves for a draw's distribution and returns its number of peaks.
func (w *voxelWork) drawFOD(k int) int {
	f := w.f[k*w.c.N : (k+1)*w.c.N]
	if !w.solver.Draw(f, w.signal) {
		copy(f, w.mean)
		return 0
	}
	return w.c.count(w.solver.Lobes)
}

// count returns the number of maxima above the threshold, without refining them.
func (c *CSD) count(lobes []float64) int {
	largest := 0.0
	for _, a := range lobes {
		largest = max(largest, a)
	}
	n, least := 0, max(faintPeak*largest, leastPeak)
	for i, a := range lobes {
		if a >= least && c.top(lobes, i) {
			n++
		}
	}
	return n
}

// finishFOD averages the draws' distributions and matches their peaks to the
// average's: from each of those a draw's is climbed to.
func (w *voxelWork) finishFOD(m *Maps, r int) {
	n := w.c.N
	clear(w.mean)
	for k := range w.samples {
		for a, x := range w.f[k*n : (k+1)*n] {
			w.mean[a] += x / float64(w.samples)
		}
	}
	for a, x := range w.mean {
		m.FOD[r*n+a] = float32(x)
	}
	w.c.amplitudes(w.lobes, w.mean)
	w.peaks = w.c.Peaks(w.peaks, w.mean, w.lobes, w.scratch)
	var shift [MostPeaks]float64
	if len(w.peaks) > 1 {
		shift = w.shifts()
	}
	for j := range MostPeaks {
		if j >= len(w.peaks) {
			w.noPeak(m, r, j)
			continue
		}
		p := w.peaks[j]
		w.angles, w.axes = w.angles[:0], w.axes[:0]
		for k := range w.samples {
			q := w.c.Climb(p.Direction, w.f[k*n:(k+1)*n], w.scratch)
			w.angles = append(w.angles, Angle(p.Direction, q.Direction))
			w.axes = append(w.axes, q.Direction)
		}
		m.Cone[j][r] = float32(min(math.Hypot(w.widening*Cone(w.angles, 0.95), shift[j]), 90))
		m.Dispersion[j][r] = float32(dispersion(w.axes))
		for a, u := range p.Direction {
			m.Peaks[r*3*MostPeaks+3*j+a] = float32(u * p.Amplitude)
		}
	}
}

func (w *voxelWork) noPeak(m *Maps, r, j int) {
	nan := float32(math.NaN())
	m.Cone[j][r], m.Dispersion[j][r] = nan, nan
	for a := range 3 {
		m.Peaks[r*3*MostPeaks+3*j+a] = nan
	}
}

// moment sums one figure over draws.
type moment struct{ n, sum, square float64 }

func (m *moment) add(x float64) { m.n++; m.sum += x; m.square += x * x }

func (m *moment) mean() float32 { return float32(m.sum / max(m.n, 1)) }

func (m *moment) deviation() float32 {
	return float32(math.Sqrt(max(m.square-m.sum*m.sum/max(m.n, 1), 0) / max(m.n-1, 1)))
}
