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
	Sigma      []float32 // one σ per row of the signals, in their unit, above zero
	Components int       // principal components it was measured on
	Signal     int       // principal components that stand out of the noise
	Volumes    int       // volumes of the scan
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
	flatness   = 0.03  // held-out power of a component above the mean of the smaller ones that still counts as flat
	haarShare  = 3.375 // Haar coefficients of white noise per independent one: Σρ² over neighbours = (1+2/4)³
	clipLevel  = 3.0   // coefficients beyond this many σ are anatomy, and count as this many
	clipped    = 0.995 // E[min(n², 9)] for standard normal n
	firstClip  = 5.0   // the same while σ(v) is still unknown
	scaleCoefs = 4000  // coefficients per component behind the first robust scale
	leastShare = 0.05  // σ(v) is never below this share of its median
	leastRows  = 4     // voxels per volume needed where components are measured on the voxels they were learned on
	wanted     = 5000  // independent coefficients wanted behind σ at one voxel: standard error 1 %
	narrowest  = 1.5   // limits of the smoothing window, in voxels
	widest     = 3.5
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
	e.columns = e.folds.columns(s.Grid)
	e.weight = slices.Repeat([]float64{1}, s.D)
	if e.empty = emptyVolumes(s, foreground); e.empty > s.D-2 {
		return nil, errFlat
	}
	sigma, err := e.pass(ctx)
	if err != nil {
		return nil, err
	}
	if o.Magnitude {
		if sigma, err = e.magnitude(ctx, sigma); err != nil {
			return nil, err
		}
	}
	m := &Map{Sigma: sigma, Components: e.k, Signal: s.D - e.empty - e.signalFrom, Volumes: s.D}
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

// pass learns the components and measures the map once.
func (e *estimator) pass(ctx context.Context) ([]float32, error) {
	var err error
	e.learned, e.mean, err = e.foldComponents(ctx)
	if err != nil {
		return nil, err
	}
	e.bases = e.bases[:0]
	for _, c := range e.learned[:e.folds.count()] {
		e.bases = append(e.bases, toFloat32(c.Vectors))
	}
	if err := e.measure(ctx); err != nil {
		return nil, err
	}
	return e.localMap(ctx)
}

// estimator carries the steps of one estimate.
type estimator struct {
	s          *signals.Signals
	foreground []bool
	o          Options
	folds      tiling
	columns    []column
	empty      int       // volumes without noise of their own, and as many components without any
	weight     []float64 // per volume, multiplies its signals
	mean       []float64
	learned    []components // per fold, and of the whole foreground
	bases      [][]float32  // per fold, D×D, components in columns, smallest first, empty ones last
	scale      []float64    // first robust σ of each component
	profile    []float32    // first map, relative to its median
	k          int          // components that are noise only, the ones measured
	signalFrom int          // components from here on stand out of the noise
}

// measure finds the scale of every component and how many are noise only.
func (e *estimator) measure(ctx context.Context) error {
	if err := e.firstScale(ctx); err != nil {
		return err
	}
	d := e.s.D
	full := d - e.empty
	most := max(min(4, full), full/2)
	power := make([]float32, e.s.Len())
	weight := make([]float32, e.s.Len())
	sums := make([][]float64, len(e.columns))
	counts := make([]int, len(e.columns))
	err := e.sweep(ctx, func(h *haar, c int) {
		sums[c] = make([]float64, d)
		h.each(e.columns[c], e.bases[e.columns[c].fold], d, func(row int, coef []float32) {
			total := 0.0
			inside := e.foreground[row]
			for i, v := range coef {
				p := min(float64(v)*float64(v), firstClip*firstClip*e.scale[i]*e.scale[i])
				if inside {
					sums[c][i] += p
				}
				if i < most {
					total += p
				}
			}
			if inside {
				counts[c]++
			}
			power[row], weight[row] = float32(total/float64(most)), 1
		})
	})
	if err != nil {
		return err
	}
	held, n := sumOf(sums), 0
	for _, c := range counts {
		n += c
	}
	if n == 0 {
		return errScattered
	}
	e.k, e.signalFrom = flatTail(held[:full], n, most)
	e.profile = e.spread(power, weight)
	return nil
}

// flatTail returns how many of the smallest components are noise: as long as
// the next one has no more held-out power than the smaller ones on average,
// give or take sampling error; at most the given number. from is the first
// component that stands out, without that limit.
func flatTail(held []float64, n, most int) (k, from int) {
	d := len(held)
	tolerance := 1 + flatness + 2*math.Sqrt(2*haarShare/float64(n))
	from = min(3, max(1, d/4))
	sum := 0.0
	for _, p := range held[:from] {
		sum += p
	}
	for from < d && held[from] < tolerance*sum/float64(from) {
		sum += held[from]
		from++
	}
	return min(from, most), from
}

// firstScale estimates the robust scale of every component from a subset of
// the columns that hold foreground.
func (e *estimator) firstScale(ctx context.Context) error {
	d := e.s.D
	held := e.foregroundIn()
	total := 0
	for _, n := range held {
		total += n
	}
	taken := make([]bool, len(e.columns))
	due := 0 // spread evenly over the foreground: a column is taken when its share of coefficients is due
	share := min(1, scaleCoefs/float64(max(total, 1)))
	for c, seen := 0, 0; c < len(held); c++ {
		seen += held[c]
		if held[c] > 0 && float64(seen)*share >= float64(due) {
			taken[c] = true
			due += held[c]
		}
	}
	found := make([][]float32, len(e.columns))
	err := e.sweep(ctx, func(h *haar, c int) {
		if !taken[c] {
			return
		}
		h.each(e.columns[c], e.bases[e.columns[c].fold], d, func(row int, coef []float32) {
			if e.foreground[row] {
				found[c] = append(found[c], coef...)
			}
		})
	})
	if err != nil {
		return err
	}
	all := slices.Concat(found...)
	if len(all) == 0 {
		return errScattered
	}
	e.scale = make([]float64, d)
	one := make([]float32, len(all)/d)
	for i := range d {
		for j := range one {
			one[j] = all[j*d+i]
		}
		e.scale[i] = medianAbsolute(one)
	}
	return nil
}

// foregroundIn counts the foreground voxels of every column.
func (e *estimator) foregroundIn() []int {
	g := e.s.Grid
	count := make([]int, len(e.columns))
	for c, col := range e.columns {
		for z := range g.NZ {
			for y := col.y0; y < col.y1; y++ {
				for x := col.x0; x < col.x1; x++ {
					if r := g.RowAt(x, y, z); r >= 0 && e.foreground[r] {
						count[c]++
					}
				}
			}
		}
	}
	return count
}

// localMap measures the chosen components everywhere and smooths.
func (e *estimator) localMap(ctx context.Context) ([]float32, error) {
	power := make([]float32, e.s.Len())
	weight := make([]float32, e.s.Len())
	err := e.sweep(ctx, func(h *haar, c int) {
		h.each(e.columns[c], e.bases[e.columns[c].fold], e.k, func(row int, coef []float32) {
			total, local := 0.0, clipLevel*float64(e.profile[row])
			for i, v := range coef {
				limit := local * e.scale[i]
				total += min(float64(v)*float64(v), limit*limit)
			}
			power[row], weight[row] = float32(total/(clipped*float64(e.k))), 1
		})
	})
	if err != nil {
		return nil, err
	}
	return e.spreadRaw(power, weight), nil
}

// spread smooths a map of variances and returns standard deviations relative
// to their median over the foreground.
func (e *estimator) spread(power, weight []float32) []float32 {
	sigma := e.spreadRaw(power, weight)
	m := Map{Sigma: sigma}
	middle := float32(m.Median(e.foreground))
	if middle > 0 {
		for r := range sigma {
			sigma[r] /= middle
		}
	}
	return sigma
}

// spreadRaw smooths a map of variances given where weight is 1 and returns
// standard deviations for every row; rows far from any measurement get the
// median.
func (e *estimator) spreadRaw(power, weight []float32) []float32 {
	g := e.s.Grid
	size := g.NX * g.NY * g.NZ
	volume, near := make([]float32, size), make([]float32, size)
	g.Expand(volume, power)
	g.Expand(near, weight)
	near = smoothVolume(volume, near, g.NX, g.NY, g.NZ, e.window())
	sigma := make([]float32, g.Len())
	var known []float32
	for r, v := range g.Voxel {
		sigma[r] = -1
		if near[v] > 1e-6 {
			sigma[r] = float32(math.Sqrt(float64(max(volume[v], 0))))
			known = append(known, sigma[r])
		}
	}
	if len(known) == 0 {
		return make([]float32, g.Len())
	}
	slices.Sort(known)
	for r := range sigma {
		if sigma[r] < 0 {
			sigma[r] = known[len(known)/2]
		}
	}
	return sigma
}

// sweep calls f for every column, each worker with its own scratch.
func (e *estimator) sweep(ctx context.Context, f func(h *haar, column int)) error {
	scratch := make([]*haar, signals.Threads(e.o.Threads))
	return signals.EachTask(ctx, len(e.columns), e.o.Threads, func(worker, c int) error {
		if scratch[worker] == nil {
			scratch[worker] = newHaar(e.s, e.mean, e.weight, e.folds.tileX*e.folds.tileY)
		}
		f(scratch[worker], c)
		return nil
	})
}

func toFloat32(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}
