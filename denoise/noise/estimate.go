package noise

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// ErrNoNoise reports a scan in which no noise can be measured: noise-free,
// already denoised to nothing, too small, or a foreground without neighbouring
// voxels.
var ErrNoNoise = errors.New("noise: the noise level cannot be measured")

var (
	errFlat      = fmt.Errorf("%w: the scan is noise-free or already denoised", ErrNoNoise)
	errFew       = fmt.Errorf("%w: too few voxels for this number of volumes", ErrNoNoise)
	errScattered = fmt.Errorf("%w: no 2×2×2 voxels of the mask or head lie side by side", ErrNoNoise)
)

// Options set what [Estimate] assumes. The zero value is for Gaussian noise.
type Options struct {
	Magnitude bool // the image is a magnitude: undo the loss of variance at the noise floor
	Threads   int  // 0 means one per core
}

// Map is a noise map and how it was made.
type Map struct {
	Sigma      []float32 // one σ per row of the signals, in their unit, above zero; Inflation is in it
	Components int       // principal components it was measured on
	Signal     int       // principal components that stand out of the noise
	Volumes    int       // volumes of the scan
	Copies     int       // volumes left out because they repeat an earlier one to the last bit
	// Correlation and Correlation2 are the autocorrelation of the noise at one and at two voxels' distance along x, y and
	// z: 0 for white noise and where the image is too small to tell.
	Correlation, Correlation2 [3]float64
	// Inflation is the factor by which σ was raised because neighbouring noise is correlated, so that differences between
	// neighbours show too little of it; 1 for white noise.
	Inflation float64
}

// Median returns the median σ over the rows for which within is true; nil
// means all rows.
func (m *Map) Median(within []bool) float64 {
	var values []float32
	for r, v := range m.Sigma {
		if within == nil || within[r] {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return float64(values[len(values)/2])
}

const (
	flatness    = 0.08  // held-out power of the next components above the mean of the smaller ones that still counts as flat
	haarShare   = 3.375 // overlapping Haar coefficients of white noise per independent one: Σρ² over neighbours = (1+2/4)³
	leastShare  = 0.05  // σ(v) is never below this share of its median
	leastRows   = 4     // voxels per volume needed where components are measured on the voxels they were learned on
	wanted      = 5000  // independent coefficients wanted behind σ at one voxel: standard error 1 %
	narrowest   = 1.5   // limits of the smoothing window, in voxels
	widest      = 3.5
	mostAnatomy = 6   // components that say where there is anatomy
	plenty      = 8   // components from which the clipped power alone tells anatomy, so that places need not be weighed
	allHeard    = 100 // medians of anatomical power above which weighing places changes nothing
	mostUsed    = 112 // components measured at most: with them the narrowest window has all that is wanted
)

// window returns the standard deviation of the smoothing window: a Gaussian of
// standard deviation s weighs like (4πs²)^1.5 voxels, each with k coefficients.
func (e *estimator) window() float64 {
	voxels := wanted * haarShare / float64(e.k)
	return min(max(math.Sqrt(math.Pow(voxels, 2.0/3)/(4*math.Pi)), narrowest), widest)
}

// Estimate measures the noise map of a scan. foreground marks the rows that
// hold tissue; principal components are learned there. s is not changed. The
// method is described at the top of the package.
func Estimate(ctx context.Context, s *signals.Signals, foreground []bool, o Options) (*Map, error) {
	if len(foreground) != s.Len() {
		panic("noise: foreground length does not match the signals")
	}
	e := &estimator{s: s, foreground: foreground, o: o, folds: newTiling(s.NX, s.NY)}
	if e.folds.count() == 1 && count(foreground) < leastRows*s.D {
		return nil, errFew // the smallest components would have next to no power, or none
	}
	var copies int
	if e.volumes, _, copies = ownVolumes(s, foreground); len(e.volumes) < 2 {
		return nil, errFlat
	}
	e.columns = e.folds.columns(s.Grid)
	e.mean = e.foregroundMean()
	if err := e.choose(ctx); err != nil {
		return nil, err
	}
	sigma, err := e.localMap(ctx)
	if err != nil {
		return nil, err
	}
	m := &Map{Sigma: sigma, Components: e.k, Signal: len(e.volumes) - e.signalFrom, Volumes: s.D, Copies: copies}
	if err := e.correlation(ctx, m); err != nil {
		return nil, err
	}
	if err := e.toUnits(ctx, m); err != nil {
		return nil, err
	}
	middle := m.Median(foreground)
	if !(middle > 0) {
		return nil, errFlat
	}
	for r := range m.Sigma {
		m.Sigma[r] = max(m.Sigma[r], float32(leastShare*middle))
	}
	return m, nil
}

func count(mask []bool) int {
	n := 0
	for _, m := range mask {
		if m {
			n++
		}
	}
	return n
}

// estimator carries the steps of one estimate.
type estimator struct {
	s          *signals.Signals
	foreground []bool
	o          Options
	folds      tiling
	columns    []column
	volumes    []int        // those that bring noise of their own
	mean       []float64    // of the foreground, per volume in use
	weight     []float64    // per volume in use: brings its noise to one level
	learned    []components // per fold, smallest first, with the weights in the vectors
	power      []float32    // per row: of the difference that starts there, the mean over the k components
	quietness  []float32    // per row: weight of the difference that starts there; 0 if it leaves the image, mask or column
	k          int          // components that are noise only, the ones measured
	signalFrom int          // components from here on stand out of the noise
}

// choose learns the components and decides how many are noise.
func (e *estimator) choose(ctx context.Context) error {
	l, err := e.learnFrom(ctx)
	if err != nil {
		return err
	}
	e.equalise(l)
	held, equal, err := e.learn(ctx, l)
	if err != nil {
		return err
	}
	d := len(e.volumes)
	most := min(max(min(4, d), d/2), mostUsed)
	e.k, e.signalFrom = flatTail(held, equal, l.total()/l.share(), most)
	return nil
}

// localMap measures the chosen components everywhere and smooths: one σ per
// row, of volumes brought to one level.
func (e *estimator) localMap(ctx context.Context) ([]float32, error) {
	power := make([]float32, e.s.Len())
	anatomy := make([]float32, e.s.Len())
	e.quietness = make([]float32, e.s.Len())
	number, _ := e.noiseAndAnatomy(e.k)
	bases := make([]basis, len(e.learned))
	for f := range bases {
		bases[f] = e.learned[f].pick(number...)
	}
	err := e.sweep(ctx, len(number), func(h *haar, c int) {
		h.each(e.columns[c], bases[e.columns[c].fold], func(row int, coef []float32) {
			power[row] = meanSquare(coef[:e.k])
			anatomy[row] = meanSquare(coef[e.k:])
			e.quietness[row] = 1
		})
	})
	if err != nil {
		return nil, err
	}
	if e.loud() < allHeard {
		level, err := e.spread(slices.Clone(power), e.quietness)
		if err != nil {
			return nil, err
		}
		e.weighQuiet(anatomy, level)
	}
	e.power = power
	return e.spread(slices.Clone(power), e.quietness)
}

// noiseAndAnatomy numbers the first components of noise and the last ones of
// all, in which there is most anatomy.
func (e *estimator) noiseAndAnatomy(noise int) (number []int, anatomy int) {
	d := len(e.volumes)
	anatomy = min(mostAnatomy, d-noise)
	number = upTo(noise)
	for i := d - anatomy; i < d; i++ {
		number = append(number, i)
	}
	return number, anatomy
}

// weighQuiet turns the weight of places down where components of anatomy
// differ much between neighbours: what is left of anatomy in the components of
// noise is there. The noise of different components is independent, so this
// choice does not bias it.
func (e *estimator) weighQuiet(anatomy, level []float32) {
	for r, l := range level {
		if l > 0 {
			anatomy[r] /= l * l
		}
	}
	middle := median(anatomy, e.foreground, e.quietness)
	loud := float32(e.loud())
	for r, a := range anatomy {
		if e.quietness[r] > 0 && middle > 0 {
			x := a / (loud * middle)
			e.quietness[r] = 1 / (1 + x*x)
		}
	}
}

// loud is the power of anatomy, in medians, that halves the weight of a place.
func (e *estimator) loud() float64 { return max(1, math.Pow(float64(e.k)/plenty, 4)) }

func meanSquare(v []float32) float32 {
	if len(v) == 0 {
		return 0
	}
	sum := float32(0)
	for _, x := range v {
		sum += x * x
	}
	return sum / float32(len(v))
}

func upTo(k int) []int {
	n := make([]int, k)
	for i := range n {
		n[i] = i
	}
	return n
}

// sweep calls f for every column, each worker with its own scratch for k
// components.
func (e *estimator) sweep(ctx context.Context, k int, f func(h *haar, column int)) error {
	scratch := make([]*haar, signals.Threads(e.o.Threads))
	return signals.EachTask(ctx, len(e.columns), e.o.Threads, func(worker, c int) error {
		if scratch[worker] == nil {
			scratch[worker] = e.newHaar(k)
		}
		f(scratch[worker], c)
		return nil
	})
}
