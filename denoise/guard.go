package denoise

import (
	"context"
	"math"

	"github.com/dmri-denoise/dmri-denoise/denoise/noise"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// GuardSummary counts what a result may not have silently: changes that the
// noise does not explain, and values that no signal has. It is taken over all
// denoised voxels and speaks about the measurement y and its estimate x; for
// magnitudes, about y and the mean E[y|x] of the Rice distribution.
type GuardSummary struct {
	Values int     `json:"values"` // compared
	Limit  float64 `json:"limit_over_sigma"`
	// Beyond counts |y - E[y|x]| > Limit·σ, and Explained how many of them Gaussian
	// noise has by chance. More are artefacts that were smoothed away, or signal.
	Beyond    int     `json:"values_changed_beyond_limit"`
	Explained float64 `json:"explained_by_noise"`
	Voxels    int     `json:"voxels_changed_beyond_limit"`
	// Means counts the means over a shell's n volumes in one voxel of the foreground that differ by
	// more than Limit·σ/√n: a change that all directions share, such as that of a
	// lesion smoothed away.
	Means int `json:"shell_means_changed_beyond_limit"`
	// Negative counts estimates below zero of signals that are never measured
	// below zero, Outside those further than Limit·σ outside what was measured in
	// the voxel in any volume, and AboveB0 the estimates of a weighted signal that
	// exceed the estimate of the voxel's mean b0 by more than Limit·σ though the
	// measurement does not by half of that.
	Negative int `json:"negative_values"`
	Outside  int `json:"values_outside_measured_range"`
	AboveB0  int `json:"values_above_b0"`
	// Standard deviation and excess kurtosis of (y - x)/σ over the foreground.
	RemovedSD       float64 `json:"removed_sd_over_sigma"`
	RemovedKurtosis float64 `json:"removed_excess_kurtosis"`
	// ShellShifts are the means of (y - E[y|x])/σ over the foreground, one for
	// each of the summary's shells.
	ShellShifts []float64 `json:"shell_mean_shift_over_sigma,omitempty"`
}

const (
	guardLimit     = 5.0  // in σ: 6 values in ten million are further out by chance
	guardShare     = 1e-4 // share of the values beyond the limit from which a run warns
	guardMeans     = 5e-4 // share of the voxels whose shell mean is, and
	fewestMeans    = 10   // how many at least
	shiftFloor     = 0.02 // change of a shell's mean, in σ, below which it is not looked at
	processedSD    = 0.72 // a scan of white noise loses 0.9 σ and more: below this,
	processedTails = 0.3  // and with more than this excess kurtosis, the noise is not the scanner's
	smoothed       = 0.3  // correlation of neighbours along every axis
	guardChunk     = 2048 // rows looked at together
)

// guard compares measurement and estimate, both whole images. The second result
// counts, per voxel, the values beyond the limit.
func (p *pipeline) guard(ctx context.Context, clean *nifti.Image) (*GuardSummary, *nifti.Image, error) {
	flagged := p.im.Header.NewImage(1)
	g := &guarding{p: p, y: p.im.Voxels(), x: clean.Voxels(), size: len(flagged.Voxels()), flagged: flagged.Voxels(), rice: riceTable()}
	shells := [][]int{}
	b0 := []int(nil)
	if p.table != nil {
		for _, shell := range p.table.Shells(p.o.B0Threshold).All {
			shells = append(shells, shell.Volumes)
			if shell.IsB0 {
				b0 = shell.Volumes
			}
		}
	} else {
		all := make([]int, p.y.D)
		for n := range all {
			all[n] = n
		}
		shells = append(shells, all)
	}
	g.shells, g.b0, g.foreground = shells, b0, rowsOf(p.y.Grid, p.chosen.foreground)
	parts := make([]guardPart, (p.y.Grid.Len()+guardChunk-1)/guardChunk)
	err := signals.EachRange(ctx, p.y.Grid.Len(), guardChunk, p.o.Threads, func(_, from, to int) error {
		parts[from/guardChunk] = g.look(from, to)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	s := g.sum(parts)
	p.warnGuard(s)
	return s, flagged, nil
}

// guarding is one comparison.
type guarding struct {
	p          *pipeline
	y, x       []float32 // volume-major
	size       int       // of a volume
	shells     [][]int   // volumes
	b0         []int
	foreground []bool // rows
	flagged    []float32
	rice       []float32
}

// guardPart is what was found in some rows.
type guardPart struct {
	beyond, voxels, means, negative, outside, above int
	removed                                         [5]float64 // sums of powers 0 to 4 of (y-x)/σ over the foreground
	shift, count                                    []float64  // per shell
}

// row is what is known of one row on the way through the volumes.
type guardRow struct {
	low, high, b0 float32
	sum           float32 // over the shell at hand
	changed       bool
}

// look compares rows from to to, volume by volume, as the images lie in memory.
func (g *guarding) look(from, to int) guardPart {
	part := guardPart{shift: make([]float64, len(g.shells)), count: make([]float64, len(g.shells))}
	rows := make([]guardRow, to-from)
	voxel := g.p.y.Voxel[from:to]
	for i := range rows {
		rows[i].low, rows[i].high = math.MaxFloat32, -math.MaxFloat32
	}
	for n := range g.p.y.D {
		for i, v := range voxel {
			y := g.y[n*g.size+int(v)]
			rows[i].low, rows[i].high = min(rows[i].low, y), max(rows[i].high, y)
		}
	}
	for _, n := range g.b0 {
		for i, v := range voxel {
			rows[i].b0 += g.x[n*g.size+int(v)] / float32(len(g.b0))
		}
	}
	for k, volumes := range g.shells {
		for i := range rows {
			rows[i].sum = 0
		}
		weighted := len(g.b0) > 0 && k > 0
		for _, n := range volumes {
			g.lookAt(&part, rows, from, n, weighted)
		}
		g.closeShell(&part, rows, from, k)
	}
	for i := range rows {
		if rows[i].changed {
			part.voxels++
		}
	}
	return part
}

// lookAt compares one volume.
func (g *guarding) lookAt(part *guardPart, rows []guardRow, from, n int, weighted bool) {
	base := n * g.size
	for i := range rows {
		r, v := &rows[i], int(g.p.y.Voxel[from+i])
		y, x := g.y[base+v], g.x[base+v]
		inverse := 1 / g.p.sigma[from+i]
		d := (y - x) * inverse
		if g.foreground[from+i] {
			f := float64(d)
			for k, power := 0, 1.0; k < len(part.removed); k++ {
				part.removed[k] += power
				power *= f
			}
		}
		if g.p.magnitude {
			d = y*inverse - g.mean(x*inverse)
		}
		r.sum += d
		if d > guardLimit || d < -guardLimit {
			part.beyond++
			r.changed = true
			g.flagged[v]++
		}
		if x < 0 && r.low >= 0 {
			part.negative++
		}
		margin := guardLimit * g.p.sigma[from+i]
		if x > r.high+margin || x < r.low-margin {
			part.outside++
		}
		if weighted && x > r.b0+margin && y < r.b0+margin/2 {
			part.above++
		}
	}
}

// closeShell judges the means over a shell.
func (g *guarding) closeShell(part *guardPart, rows []guardRow, from, k int) {
	n := float64(len(g.shells[k]))
	root := float32(math.Sqrt(n))
	for i := range rows {
		r := &rows[i]
		if !g.foreground[from+i] {
			continue // air is no Rice distribution where coils are combined
		}
		if d := r.sum / root; d > guardLimit || d < -guardLimit {
			part.means++
		}
		part.shift[k] += float64(r.sum)
		part.count[k] += n
	}
}

const (
	riceStep = 64 // entries of the table per σ
	riceMost = 12 // σ: from here on the mean is a + 1/(2a)
)

// riceTable holds the mean of a magnitude by its amplitude, in σ.
func riceTable() []float32 {
	table := make([]float32, riceMost*riceStep+2)
	for i := range table {
		table[i] = float32(noise.RicianMean(float64(i) / riceStep))
	}
	return table
}

// mean is E[y|x] of a magnitude in units of σ; estimates below zero count as zero.
func (g *guarding) mean(a float32) float32 {
	if a <= 0 {
		return g.rice[0]
	}
	if a >= riceMost {
		return a + 1/(2*a)
	}
	at := a * riceStep
	i := int(at)
	return g.rice[i] + (at-float32(i))*(g.rice[i+1]-g.rice[i])
}

// sum puts the parts together, in their order.
func (g *guarding) sum(parts []guardPart) *GuardSummary {
	s := &GuardSummary{Values: g.p.y.Grid.Len() * g.p.y.D, Limit: guardLimit}
	s.Explained = math.Erfc(guardLimit/math.Sqrt2) * float64(s.Values)
	var removed [5]float64
	shift, count := make([]float64, len(g.shells)), make([]float64, len(g.shells))
	for _, part := range parts {
		s.Beyond += part.beyond
		s.Voxels += part.voxels
		s.Means += part.means
		s.Negative += part.negative
		s.Outside += part.outside
		s.AboveB0 += part.above
		for k, v := range part.removed {
			removed[k] += v
		}
		for k := range shift {
			shift[k] += part.shift[k]
			count[k] += part.count[k]
		}
	}
	if n := removed[0]; n > 0 {
		m1, m2, m3, m4 := removed[1]/n, removed[2]/n, removed[3]/n, removed[4]/n
		variance := max(m2-m1*m1, 0)
		s.RemovedSD = math.Sqrt(variance)
		if variance > 0 {
			s.RemovedKurtosis = (m4-4*m1*m3+6*m1*m1*m2-3*m1*m1*m1*m1)/(variance*variance) - 3
		}
	}
	if g.p.table != nil {
		for k := range shift {
			s.ShellShifts = append(s.ShellShifts, shift[k]/max(count[k], 1))
		}
	}
	return s
}

// warnGuard says what the user should look at.
func (p *pipeline) warnGuard(s *GuardSummary) {
	values := float64(max(s.Values, 1))
	if float64(s.Beyond) > s.Explained+guardShare*values {
		p.warn("%d values (%.3f %%) in %d voxels were changed by more than %.0f sigma, which noise does not explain: outliers were "+
			"smoothed away, or signal was; --guard-out maps them", s.Beyond, 100*float64(s.Beyond)/values, s.Voxels, s.Limit)
	}
	if float64(s.Means) > max(fewestMeans, guardMeans*float64(p.y.Grid.Len())) {
		p.warn("in %d voxels the mean over a shell was changed by more than its noise explains: signal that all directions share was "+
			"changed there; look at the residual", s.Means)
	}
	if out := s.Outside + s.AboveB0; float64(out) > guardShare*values {
		p.warn("%d values lie outside what was measured in their voxel, and %d above its b0: they are not to be trusted", s.Outside, s.AboveB0)
	}
	if p.processed(s) {
		p.warn("the noise is not that of a scanner (%.2f of its standard deviation was removed, its excess kurtosis is %.1f): the scan looks "+
			"denoised, filtered or interpolated already; denoise the data as they came from the scanner", s.RemovedSD, s.RemovedKurtosis)
	}
}

// processed tells whether the noise is that of a scan that was denoised or smoothed: it cannot be removed, or is
// correlated along all three axes, as no scanner's is.
func (p *pipeline) processed(s *GuardSummary) bool {
	if p.noise == nil || p.y.D < leastVolumes {
		return false
	}
	c := p.noise.Correlation
	return s.RemovedSD < processedSD && s.RemovedKurtosis > processedTails || min(c[0], c[1], c[2]) > smoothed
}
