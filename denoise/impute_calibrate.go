package denoise

import (
	"context"
	"math"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/denoise/noise"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// calibration gives the variance of the errors of prediction: the one that the
// q-space model claims, and what comes from the errors in the denoised series,
// of which the model knows little.
type calibration struct {
	line             // by the errors left in the denoised series
	input  *errorMap // those
	ratio  []float32 // per voxel, variance of the errors made over variance expected by the line
	scale  []float64 // per shell, correction of ratio
	factor float64   // of it all
}

// line gives the variance of errors as a linear function of another.
type line struct{ constant, slope float64 }

func (l line) at(x float64) float64 { return l.constant + l.slope*x }

// moments are the sums that a line is fitted from.
type moments struct{ n, x, y, xx, xy float64 }

func (m *moments) add(x, y float64) {
	m.n++
	m.x += x
	m.y += y
	m.xx += x * x
	m.xy += x * y
}

// fit returns a line whose mean is the mean of the errors made, at least floor,
// with neither part negative. Its slope is halfway between that of least squares
// and proportionality: x is uncertain too, which makes a line
// of least squares too flat.
func (m *moments) fit(floor float64) line {
	if m.n == 0 {
		return line{constant: floor}
	}
	x, y := m.x/m.n, max(m.y/m.n, floor)
	spread := m.xx/m.n - x*x
	if !(spread > 1e-12*x*x) || x <= 0 {
		return line{constant: y}
	}
	slope := (min(max((m.xy/m.n-x*m.y/m.n)/spread, 0), y/x) + y/x) / 2
	return line{constant: y - slope*x, slope: slope}
}

// variance returns the variance of errors at a voxel and b-value, for the one
// that the model claims; nil believes the model.
func (c *calibration) variance(v int32, b, claimed float64) float64 {
	if c == nil {
		return claimed
	}
	return c.shellVariance(v, c.input.shellNear(b), claimed)
}

func (c *calibration) shellVariance(v int32, shell int, claimed float64) float64 {
	return c.factor * (claimed + float64(c.ratio[v])*c.scale[shell]*c.at(float64(c.input.values[shell][v])))
}

const (
	heldOneIn        = 12   // directions of a shell held out for calibration
	leastHeldShell   = 8    // directions below which a shell gives none
	calibrationCount = 1000 // squared errors behind the local spread: its standard error is 5 to 10 %
	calibrationShare = 0.3  // weight of the average beside them
	leastRatio       = 0.2  // of local to average spread
	leastError       = 1e-3 // variance of errors that is never undercut, in σ²
	leastAmplitude   = 2.5  // signals below this many σ are floor as much as signal and do not calibrate
	nominal          = 0.9
	nominalWidth     = 1.6448536269514722
)

// heldVolumes picks one in so many directions of each shell, from the first-th.
func (j *imputation) heldVolumes(table *gradients.Table, oneIn, first int) []int {
	var held []int
	shells := table.Shells(j.o.B0Threshold)
	var weighted [][]int
	for _, s := range shells.All {
		if !s.IsB0 {
			weighted = append(weighted, s.Volumes)
		}
	}
	if shells.Gridded {
		weighted = [][]int{slices.Concat(weighted...)}
	}
	for _, volumes := range weighted {
		if len(volumes) < leastHeldShell {
			continue
		}
		for k, v := range volumes {
			if k%oneIn == first {
				held = append(held, v)
			}
		}
	}
	slices.Sort(held)
	return held
}

// calibrate finds out how large the errors of prediction are.
//
// Held-out measurements alone cannot tell: their noise variance is 1 where that of
// the errors is 0.05 to 0.2, so that a noise level 1 % off is an error off by a
// third. So a scan is simulated, the denoised one with fresh noise, and some of
// its directions are held out: there the errors are known without a noise level to
// take off. Predictions of the same directions from the measurements show whether
// the scan holds more than the simulation does.
func (j *imputation) calibrate(ctx context.Context, t *trial) (*calibration, error) {
	simulated, err := t.predict(ctx, simulate(t.r, j.o.Seed))
	if err != nil {
		return nil, err
	}
	t.square, t.claimed = simulated.square(t.r.Denoised), simulated.claimed
	t.input = newErrorMap(t.r.Denoised.Select(t.rest), simulated.g.series, simulated.sigma, t.table.Select(t.rest), j.o.B0Threshold,
		func(_, v int) bool { return t.r.Foreground[v] && simulated.mask[v] })
	simulated.g = nil // a series, and no longer needed
	real, err := t.foretold(ctx)
	if err != nil {
		return nil, err
	}
	c := t.maps()
	c.factor = t.likeness(simulated, real, t.series)
	c.factor *= t.lift(c, real, t.series)
	t.report(c, real, t.series)
	// With all directions to predict from, errors are smaller in proportion.
	c.factor *= float64(len(t.rest)) / float64(t.table.Len())
	return c, nil
}

// trial compares predictions of directions that were held out with what is known
// of them.
type trial struct {
	j          *imputation
	series     *nifti.Image
	table      *gradients.Table
	held, rest []int
	lost       *impute.Lost // entries of series that were filled in and are no measurements
	r          *Result      // with all directions
	magnitude  bool
	real       *foretold // from the measurements, once asked for
	nx, ny, nz int
	// Per voxel and held-out volume, in units of the noise variance.
	square, claimed []float32
	input           *errorMap
}

// newTrial holds out one in twelve directions of a series, nil if no shell can
// spare any.
func (j *imputation) newTrial(r *Result) *trial {
	return j.trialOf(r, j.heldVolumes(j.keptTable, heldOneIn, heldOneIn/2))
}

// trialOf holds out some directions, nil if none.
func (j *imputation) trialOf(r *Result, held []int) *trial {
	if len(held) == 0 {
		return nil
	}
	nx, ny, nz, _ := j.filled.Dims()
	t := &trial{j: j, series: j.filled, table: j.keptTable, held: held, lost: j.keptLost, r: r, magnitude: r.Summary.RicianCorrected, nx: nx, ny: ny, nz: nz}
	for n := range t.table.Len() {
		if !slices.Contains(held, n) {
			t.rest = append(t.rest, n)
		}
	}
	return t
}

// foretold returns the predictions from the measurements.
func (t *trial) foretold(ctx context.Context) (*foretold, error) {
	if t.real == nil {
		real, err := t.predict(ctx, t.series)
		if err != nil {
			return nil, err
		}
		t.real = real
	}
	return t.real, nil
}

// foretold are the predictions of the held-out volumes, per voxel and volume, and
// the variance that the model claims, in units of the noise; NaN where there is
// none.
type foretold struct {
	t             *trial
	mean, claimed []float32
	sigma         []float32
	mask          []bool
	g             *geometry // what they were made from
}

// predict denoises the rest of a series and predicts what was held out.
func (t *trial) predict(ctx context.Context, series *nifti.Image) (*foretold, error) {
	table := t.table.Select(t.rest)
	part, err := t.j.core(ctx, series.Select(t.rest), table, noiseLeft(t.lost, t.rest), t.j.passOptions(t.r))
	if err != nil {
		return nil, err
	}
	g, err := t.j.learn(ctx, part, table)
	if err != nil {
		return nil, err
	}
	p, err := t.j.newPredictor(g, numbers(len(t.rest)), impute.OwnTargets(t.table.Select(t.held)))
	if err != nil {
		return nil, err
	}
	n := len(t.held)
	f := &foretold{t: t, mean: make([]float32, t.nx*t.ny*t.nz*n), claimed: make([]float32, t.nx*t.ny*t.nz*n), sigma: g.sigma, mask: part.Mask, g: g}
	for i := range f.mean {
		f.mean[i] = float32(math.NaN())
	}
	return f, p.run(ctx, g.voxels, func(v int32, e *estimate) {
		for i, volume := range t.held {
			if !t.lost.Is(volume, int(v)/(t.nx*t.ny)) && t.r.Foreground[v] {
				f.mean[int(v)*n+i], f.claimed[int(v)*n+i] = float32(e.mean[i]), float32(e.std[i]*e.std[i])
			}
		}
	})
}

// likeness returns how many times larger squared errors are than simulated.
func (t *trial) likeness(simulated, real *foretold, series *nifti.Image) float64 {
	n, size := len(t.held), t.nx*t.ny*t.nz
	l := &likeness{}
	a, b := make([]float32, size), make([]float32, size)
	residual := make([]float32, len(real.mean))
	for i := range residual {
		residual[i] = float32(math.NaN())
	}
	real.each(series, func(at int, d, _ float64) { residual[at] = float32(d) })
	for i, volume := range t.held {
		for v := range size {
			a[v], b[v] = residual[v*n+i], t.r.Denoised.Volume(volume)[v]/simulated.sigma[v]-simulated.mean[v*n+i]
		}
		l.add(a, b, t.nx, t.ny, t.nz)
	}
	return l.factor()
}

// square returns the squared differences to a truth.
func (f *foretold) square(truth *nifti.Image) []float32 {
	out := make([]float32, len(f.mean))
	n := len(f.t.held)
	for at, x := range f.mean {
		v := at / n
		d := truth.Volume(f.t.held[at%n])[v]/f.sigma[v] - x
		out[at] = d * d
	}
	return out
}

// each visits the predictions that a measurement can be compared with: the
// difference, what noise explains of its square, and where.
func (f *foretold) each(series *nifti.Image, visit func(at int, d, explained float64)) {
	n := len(f.t.held)
	for at, x32 := range f.mean {
		if x32 != x32 {
			continue
		}
		v, x := at/n, float64(x32)
		d, explained := float64(series.Volume(f.t.held[at%n])[v]/f.sigma[v])-x, 1.0
		if f.t.magnitude {
			if x < leastAmplitude {
				continue
			}
			d, explained = d+x-noise.RicianMean(x), noise.KoayFactor(x)
		}
		visit(at, d, explained)
	}
}

// lift returns the factor by which the errors shown by held-out measurements
// are beyond doubt larger than the calibration says; at least 1.
func (t *trial) lift(c *calibration, real *foretold, series *nifti.Image) float64 {
	m := &excess{}
	real.each(series, func(at int, d, explained float64) {
		n := len(t.held)
		m.add(d*d-explained, c.shellVariance(int32(at/n), c.input.shellNear(t.table.BVals[t.held[at%n]]), float64(real.claimed[at])))
	})
	return m.lift()
}

// maps smooths over space what was found, and compares the shells.
func (t *trial) maps() *calibration {
	n, size := len(t.held), t.nx*t.ny*t.nz
	c := &calibration{input: t.input, ratio: make([]float32, size), factor: 1}
	shells := make([]int, n)
	for i, volume := range t.held {
		shells[i] = c.input.shellNear(t.table.BVals[volume])
	}
	input := func(at int) float64 { return float64(c.input.values[shells[at%n]][at/n]) }
	sums := &moments{}
	for at, square := range t.square {
		if square == square {
			sums.add(input(at), float64(square-t.claimed[at]))
		}
	}
	c.line = sums.fit(leastError)
	made, expected := make([]float32, size), make([]float32, size)
	weight := make([]float32, size)
	var allMade, allExpected float64
	shellMade, shellExpected := make([]float64, len(c.input.shells)), make([]float64, len(c.input.shells))
	for at, square := range t.square {
		if square != square {
			continue
		}
		v, k := at/n, shells[at%n]
		beyond, model := float64(square-t.claimed[at]), c.at(input(at))
		made[v] += float32(beyond)
		expected[v] += float32(model)
		weight[v]++
		shellMade[k] += beyond
		shellExpected[k] += model
		allMade += beyond
		allExpected += model
	}
	for v, w := range weight {
		made[v] /= max(w, 1)
		expected[v] /= max(w, 1)
	}
	// A Gaussian window of standard deviation sd holds 15.7·sd³ voxels.
	sd := max(math.Cbrt(calibrationCount/float64(n)/15.75), 0.8)
	again := slices.Clone(weight)
	impute.WeightedMean(made, weight, t.nx, t.ny, t.nz, sd, calibrationShare*calibrationCount)
	impute.WeightedMean(expected, again, t.nx, t.ny, t.nz, sd, calibrationShare*calibrationCount)
	for v := range c.ratio {
		c.ratio[v] = max(made[v]/max(expected[v], 1e-9), leastRatio)
	}
	for k := range c.input.shells {
		c.scale = append(c.scale, 1)
		if shellExpected[k] > 0 && allMade > 0 {
			c.scale[k] = max(shellMade[k]/shellExpected[k]*allExpected/allMade, leastRatio)
		}
	}
	return c
}

// report puts error and coverage of the held-out measurements into the summary.
func (t *trial) report(c *calibration, real *foretold, series *nifti.Image) {
	n := len(t.held)
	var inside, count, sum float64
	real.each(series, func(at int, d, explained float64) {
		variance := c.variance(int32(at/n), t.table.BVals[t.held[at%n]], float64(real.claimed[at]))
		if d*d <= nominalWidth*nominalWidth*(explained+variance) {
			inside++
		}
		sum += variance
		count++
	})
	if count > 0 {
		t.j.summary.Held = append(t.j.summary.Held, HeldOut{What: "volumes", Count: n, RMSE: math.Sqrt(sum / count),
			Nominal: nominal, Coverage: inside / count})
	}
}
