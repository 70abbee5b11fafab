package noise

import (
	"context"
	"math"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

const (
	longestLag   = 5     // distances looked at, in voxels
	lagNoise     = 16    // components of noise looked at, at most
	quiet        = 0.25  // share of the places, the quietest in anatomy, that count
	leastQuiet   = 60    // but at least this many
	lagPlaces    = 30000 // places per distance wanted
	stillRising  = 1.1   // power at distances 4 and 5 over that at 2 and 3 from which the longer ones are taken
	lagClip      = 3.0   // power above this many medians counts as this many
	leakLow      = 0.06  // excess of the least correlated axis taken for anatomy: all of it up to here,
	leakHigh     = 0.15  // none of it from here on
	inflateFrom  = 0.04  // inflation below this is not applied,
	inflateFully = 0.08  // and from here on all of it
)

// correlation measures the spatial autocorrelation of the noise on its
// components, and how much it lowers the power of differences between
// neighbours. With D(h) the mean power of the Haar difference whose edge along
// one axis is h voxels long, and 1 along the others, D(h) is proportional to
// 1-ρ(h) along that axis for separable correlation, so ρ(h) = 1 - D(h)/D(∞), and σ²
// is the power of the ordinary difference times the product over axes of
// D(∞)/D(1). D(∞) is the mean over distances 2 to 5 (over which the sinc-like
// correlation of zero-filled k-space averages out), or 4 and 5 if D still rises
// there. Anatomy leaks into longer differences more than into short ones:
// places where components of anatomy differ least are used.
func (e *estimator) correlation(ctx context.Context, m *Map) error {
	m.Inflation = 1
	d, err := e.lagPowers(ctx, m.Sigma)
	if err != nil {
		return err
	}
	var excess [3]float64
	least := math.Inf(1)
	for a := range 3 {
		excess[a] = d.excess(a)
		if d.known(a) {
			least = min(least, excess[a])
		}
	}
	leak := 0.0
	if least > 0 && least < math.Inf(1) {
		leak = least * min(1, max(0, (leakHigh-least)/(leakHigh-leakLow)))
	}
	product := 1.0
	for a := range 3 {
		if !d.known(a) {
			continue
		}
		ratio := (1 + excess[a]) / (1 + leak)
		if excess[a] < leak { // white but for sampling error
			ratio = 1 + min(excess[a], 0)
		}
		product *= ratio
		m.Correlation[a] = 1 - 1/ratio
		if excess[a] != 0 {
			m.Correlation2[a] = 1 - d.power[a][2]/d.power[a][1]/(1+excess[a])
		}
	}
	inflation := math.Sqrt(product)
	applied := min(1, max(0, (math.Abs(inflation-1)-inflateFrom)/(inflateFully-inflateFrom)))
	m.Inflation = 1 + applied*(inflation-1)
	for r := range m.Sigma {
		m.Sigma[r] *= float32(m.Inflation)
	}
	return nil
}

// lagPower holds, for every axis and distance, the mean power of the noise and
// its relative standard error; 0 where there is none.
type lagPower struct {
	power, err [3][longestLag + 1]float64
}

// known reports whether the axis is long enough to tell.
func (d *lagPower) known(axis int) bool { return d.power[axis][1] > 0 && d.power[axis][2] > 0 }

// excess returns D(∞)/D(1) - 1 along an axis, shrunk towards 0 by its own
// standard error.
func (d *lagPower) excess(axis int) float64 {
	if !d.known(axis) {
		return 0
	}
	p, se := &d.power[axis], &d.err[axis]
	far, farErr, n := 0.0, 0.0, 0.0
	for h := 2; h <= longestLag; h++ {
		if p[h] > 0 {
			far += p[h]
			farErr += p[h] * p[h] * se[h] * se[h]
			n++
		}
	}
	far /= n
	if p[5] > 0 && p[4]+p[5] > stillRising*(p[2]+p[3]) {
		far = (p[4] + p[5]) / 2
	}
	x := far/p[1] - 1
	variance := se[1]*se[1] + farErr/(n*n)/(far*far)
	return x * max(0, 1-4*variance/(x*x))
}

// place is one difference: its power in components of noise and of anatomy.
type place struct{ anatomy, noise float32 }

// lagPowers measures D along each axis, on places evenly spread over the
// foreground, each relative to its local level.
func (e *estimator) lagPowers(ctx context.Context, level []float32) (*lagPower, error) {
	noise := min(e.k, lagNoise)
	number, signal := e.noiseAndAnatomy(noise)
	taken := e.sample(lagPlaces)
	found := make([][3][longestLag + 1][]place, len(e.columns))
	bases := make([]basis, len(e.learned))
	scale := make([][]float32, len(e.learned))
	for f := range bases {
		bases[f] = e.learned[f].pick(number...)
		for i := range signal {
			v := max(e.learned[f].Values[len(e.volumes)-signal+i], 1e-30)
			scale[f] = append(scale[f], float32(1/v))
		}
	}
	scratch := make([]*lagColumn, signals.Threads(e.o.Threads))
	err := signals.EachTask(ctx, len(e.columns), e.o.Threads, func(worker, c int) error {
		if !taken[c] {
			return nil
		}
		if scratch[worker] == nil {
			scratch[worker] = &lagColumn{haar: e.newHaar(len(number)), noise: noise}
		}
		l := scratch[worker]
		l.load(e.columns[c], bases[e.columns[c].fold])
		l.weight = scale[e.columns[c].fold]
		l.collect(&found[c], level)
		return nil
	})
	if err != nil {
		return nil, err
	}
	d := &lagPower{}
	for a := range 3 {
		for h := 1; h <= longestLag; h++ {
			var all []place
			for c := range found {
				all = append(all, found[c][a][h]...)
			}
			d.power[a][h], d.err[a][h] = quietPower(all, noise)
		}
	}
	return d, nil
}

// quietPower returns the mean noise power over the quietest places and its
// relative standard error, 0 if places are few.
func quietPower(all []place, k int) (mean, relative float64) {
	n := min(len(all), max(int(quiet*float64(len(all))), leastQuiet))
	if n < leastQuiet {
		return 0, 0
	}
	slices.SortStableFunc(all, func(a, b place) int {
		switch {
		case a.anatomy < b.anatomy:
			return -1
		case a.anatomy > b.anatomy:
			return 1
		}
		return 0
	})
	power := make([]float32, n)
	for i := range power {
		power[i] = all[i].noise
	}
	slices.Sort(power)
	top := lagClip * power[n/2]
	for _, p := range power {
		mean += float64(min(p, top))
	}
	return mean / float64(n), math.Sqrt(2 * haarShare / float64(n) / float64(k))
}

// sample picks columns, evenly spread over the foreground, that hold about the
// given number of foreground voxels.
func (e *estimator) sample(voxels int) []bool {
	held := e.foregroundIn()
	total := 0
	for _, n := range held {
		total += n
	}
	taken := make([]bool, len(held))
	share := min(1, float64(voxels)/float64(max(total, 1)))
	due := 0.0 // a column is taken when its share is due
	seen := 0.0
	for c, n := range held {
		seen += float64(n) * share
		if n > 0 && seen > due {
			taken[c] = true
			due += float64(n)
		}
	}
	return taken
}

// foregroundIn counts the foreground voxels of every column.
func (e *estimator) foregroundIn() []int {
	g := e.s.Grid
	count := make([]int, len(e.columns))
	across := (g.NX + e.folds.tileX - 1) / e.folds.tileX
	for r := range g.Len() {
		if e.foreground[r] {
			x, y, _ := g.At(r)
			count[x/e.folds.tileX+across*(y/e.folds.tileY)]++
		}
	}
	return count
}

// lagColumn holds the coefficients of one column's voxels. One per worker.
type lagColumn struct {
	haar   *haar
	noise  int       // components of noise, the first ones
	weight []float32 // of the components of anatomy, the others
	col    column
	k      int
	latent []float32 // slices × area × k
	row    []int32   // slices × area, -1 outside the foreground
}

// load projects all voxels of a column.
func (l *lagColumn) load(c column, b basis) {
	e := l.haar.e
	area := (c.x1 - c.x0) * (c.y1 - c.y0)
	l.col, l.k = c, b.k
	if need := e.s.NZ * area * b.k; cap(l.latent) < need {
		l.latent = make([]float32, need)
	}
	l.row = l.row[:0]
	for z := range e.s.NZ {
		l.haar.project(c, z, b, l.latent[z*area*b.k:(z+1)*area*b.k])
		for y := c.y0; y < c.y1; y++ {
			for x := c.x0; x < c.x1; x++ {
				r := e.s.RowAt(x, y, z)
				if r >= 0 && !e.foreground[r] {
					r = -1
				}
				l.row = append(l.row, int32(r))
			}
		}
	}
}

// collect lists the differences of the column for every axis and distance.
func (l *lagColumn) collect(out *[3][longestLag + 1][]place, level []float32) {
	g := l.haar.e.s.Grid
	unit := unitCube(g)
	size := [3]int{l.col.x1 - l.col.x0, l.col.y1 - l.col.y0, g.NZ}
	for a := range 3 {
		out[a] = [longestLag + 1][]place{}
		for h := 1; h <= longestLag && unit.lag[a] > 0; h++ {
			c := unit
			c.lag[a] = h
			if a > 0 && h == 1 && unit.lag[0] > 0 {
				out[a][h] = slices.Clone(out[0][1]) // the same difference
				continue
			}
			out[a][h] = l.differences(c, size, level)
		}
	}
}

// differences lists the differences of one shape.
func (l *lagColumn) differences(c cube, size [3]int, level []float32) []place {
	var out []place
	step := [3]int{1, size[0], size[0] * size[1]}
	var at []int
	var sign []float32
	for corner := range 8 {
		offset, s, use := 0, float32(1), true
		for a := range 3 {
			if corner>>a&1 == 1 {
				use = use && c.lag[a] > 0
				offset += c.lag[a] * step[a]
				s = -s
			}
		}
		if use {
			at, sign = append(at, offset), append(sign, s)
		}
	}
	scale := 1 / float32(len(at))
	for z := 0; z < size[2]-c.lag[2]; z++ {
		for y := 0; y < size[1]-c.lag[1]; y++ {
			for x := 0; x < size[0]-c.lag[0]; x++ {
				i := x + step[1]*y + step[2]*z
				if p, ok := l.difference(i, at, sign, level); ok {
					p.noise *= scale
					out = append(out, p)
				}
			}
		}
	}
	return out
}

// difference returns the power of one difference, not yet scaled.
func (l *lagColumn) difference(first int, at []int, sign []float32, level []float32) (place, bool) {
	local := float32(0)
	for _, o := range at {
		r := l.row[first+o]
		if r < 0 {
			return place{}, false
		}
		local += level[r] * level[r]
	}
	if !(local > 0) {
		return place{}, false
	}
	var p place
	for j := range l.k {
		v := float32(0)
		for i, o := range at {
			v += sign[i] * l.latent[(first+o)*l.k+j]
		}
		if j < l.noise {
			p.noise += v * v
		} else {
			p.anatomy += v * v * l.weight[j-l.noise]
		}
	}
	p.noise *= float32(len(at)) / (local * float32(l.noise))
	return p, true
}
