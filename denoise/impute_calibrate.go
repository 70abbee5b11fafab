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

// calibration corrects the spread that the q-space model claims. The model
// takes the denoised series for its input and knows little of the errors left in
// it; measurements that were held out before denoising show the errors made.
type calibration struct {
	line
	ratio  []float32 // per voxel, variance of the errors made over variance expected by the line
	shells []gradients.Shell
	scale  []float64 // per shell, correction of ratio
	scale2 float64   // average variance that the model claimed there
}

// line gives the variance of errors as a linear function of the variance that
// the model claims.
type line struct{ constant, slope float64 }

func (l line) at(claimed float64) float64 { return l.constant + l.slope*claimed }

// moments are the sums that a line is fitted from.
type moments struct{ n, x, y, xx, xy float64 }

func (m *moments) add(claimed, made float64) {
	m.n++
	m.x += claimed
	m.y += made
	m.xx += claimed * claimed
	m.xy += claimed * made
}

// scale multiplies the errors made.
func (m *moments) scale(f float64) { m.y, m.xy = m.y*f, m.xy*f }

// fit returns a line whose mean is the mean of the errors made, at least floor,
// with neither part negative. Its slope is halfway between that of least squares
// and proportionality: the claimed variance is uncertain too, which makes a line
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
	best := 0
	for k, s := range c.shells {
		if math.Abs(s.B-b) < math.Abs(c.shells[best].B-b) {
			best = k
		}
	}
	return float64(c.ratio[v]) * c.scale[best] * c.at(claimed)
}

const (
	heldOneIn        = 8    // directions of a shell held out for calibration
	leastHeldShell   = 8    // directions below which a shell gives none
	calibrationCount = 8000 // held-out measurements behind the local spread, which a narrower window makes unsteady
	calibrationShare = 1.0  // weight of the average beside them
	leastError       = 1e-3 // variance of errors that is never undercut, in σ²
	leastAmplitude   = 2.5  // signals below this many σ are floor as much as signal and do not calibrate
	nominal          = 0.9
	nominalWidth     = 1.6448536269514722
)

// heldVolumes picks one in eight directions of each shell.
func (j *imputation) heldVolumes(table *gradients.Table) []int {
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
			if k%heldOneIn == heldOneIn/2 {
				held = append(held, v)
			}
		}
	}
	slices.Sort(held)
	return held
}

// calibrate denoises the series once more without some directions and compares
// their prediction with what was measured. r is the result with all of them; lost
// marks entries of series that were filled in and are no measurements.
func (j *imputation) calibrate(ctx context.Context, r *Result, series *nifti.Image, table *gradients.Table, lost *impute.Lost) (*calibration, error) {
	held := j.heldVolumes(table)
	if len(held) == 0 {
		j.note("no shell has the %d directions needed to hold some out: standard deviations are the model's own", leastHeldShell)
		return nil, nil
	}
	var rest []int
	for n := range table.Len() {
		if !slices.Contains(held, n) {
			rest = append(rest, n)
		}
	}
	o := j.passOptions(r)
	part, err := j.core(ctx, series.Select(rest), table.Select(rest), o)
	if err != nil {
		return nil, err
	}
	g, err := j.learn(ctx, part, table.Select(rest))
	if err != nil {
		return nil, err
	}
	all := make([]int, len(rest))
	for i := range all {
		all[i] = i
	}
	p, err := j.newPredictor(g, all, impute.OwnTargets(table.Select(held)))
	if err != nil {
		return nil, err
	}
	t := &trial{j: j, table: table, held: held, series: series, lost: lost, sigma: g.sigma, magnitude: r.Summary.RicianCorrected}
	return t.run(ctx, p, g.voxels, r.Foreground)
}

// trial compares predictions with measurements that were held out.
type trial struct {
	j         *imputation
	table     *gradients.Table
	held      []int
	series    *nifti.Image
	lost      *impute.Lost
	sigma     []float32
	magnitude bool
	// Per voxel and held-out volume, in units of the noise variance.
	residual, square, claimed []float32
	explained                 []float32 // by the noise of the measurement
	power                     power
}

// residualOf returns the difference of a measurement y to the prediction x of its
// clean signal (in σ), and whether it counts.
func residualOf(y, x float64, magnitude bool) (float64, bool) {
	if !magnitude {
		return y - x, true
	}
	return y - noise.RicianMean(x), x >= leastAmplitude
}

func (t *trial) run(ctx context.Context, p *predictor, voxels []int32, foreground []bool) (*calibration, error) {
	nx, ny, nz, _ := t.series.Dims()
	size, n := nx*ny*nz, len(t.held)
	t.residual, t.claimed, t.explained = make([]float32, size*n), make([]float32, size*n), make([]float32, size*n)
	for i := range t.residual {
		t.residual[i] = float32(math.NaN())
	}
	err := p.run(ctx, voxels, func(v int32, e *estimate) {
		for i, volume := range t.held {
			if t.lost.Is(volume, int(v)/(nx*ny)) || !foreground[v] {
				continue
			}
			y := float64(t.series.Volume(volume)[v] / t.sigma[v])
			if d, ok := residualOf(y, e.mean[i], t.magnitude); ok {
				at := int(v)*n + i
				t.residual[at], t.claimed[at], t.explained[at] = float32(d), float32(e.std[i]*e.std[i]), 1
				if t.magnitude {
					t.explained[at] = float32(noise.KoayFactor(e.mean[i]))
				}
			}
		}
	})
	if err != nil {
		return nil, err
	}
	for i, r := range t.residual {
		if r == r {
			t.power.add(float64(r), float64(t.explained[i]))
		}
	}
	t.square = squaredErrors(t.residual, nx, ny, nz, n)
	var products, count float64
	for _, s := range t.square {
		if s == s {
			products += float64(s)
			count++
		}
	}
	lift := float32(t.power.lift(products, count))
	for i := range t.square {
		t.square[i] *= lift
	}
	c := t.maps(nx, ny, nz)
	c.scale2 = p.process.Variance()
	t.report(c)
	return c, nil
}

// maps smooths what was found over space and compares the shells.
func (t *trial) maps(nx, ny, nz int) *calibration {
	n, size := len(t.held), nx*ny*nz
	c := &calibration{ratio: make([]float32, size)}
	c.shells = t.table.Shells(t.j.o.B0Threshold).All
	sums := &moments{}
	for i, square := range t.square {
		if square == square {
			sums.add(float64(t.claimed[i]), float64(square))
		}
	}
	c.line = sums.fit(leastError)
	made, claimed := make([]float32, size), make([]float32, size)
	weight := make([]float32, size)
	var allMade, allClaimed float64
	shellMade, shellClaimed := make([]float64, len(c.shells)), make([]float64, len(c.shells))
	for v := range size {
		for i, volume := range t.held {
			square := t.square[v*n+i]
			if square != square {
				continue
			}
			model := float32(c.at(float64(t.claimed[v*n+i])))
			made[v] += square
			claimed[v] += model
			weight[v]++
			k := shellOf(c.shells, volume)
			shellMade[k] += float64(square)
			shellClaimed[k] += float64(model)
			allMade += float64(square)
			allClaimed += float64(model)
		}
		if weight[v] > 0 {
			made[v] /= weight[v]
			claimed[v] /= weight[v]
		}
	}
	// A Gaussian window of standard deviation s holds 15.7·s³ voxels.
	sd := max(math.Cbrt(calibrationCount/float64(n)/15.75), 0.8)
	prior := calibrationShare * calibrationCount
	again := slices.Clone(weight)
	impute.WeightedMean(made, weight, nx, ny, nz, sd, prior)
	impute.WeightedMean(claimed, again, nx, ny, nz, sd, prior)
	floor := 0.1 * allMade / max(allClaimed, 1e-12)
	for v := range c.ratio {
		c.ratio[v] = float32(max(float64(made[v])/max(float64(claimed[v]), 1e-12), floor, 1e-3))
	}
	for k := range c.shells {
		c.scale = append(c.scale, 1)
		if shellClaimed[k] > 0 && allMade > 0 {
			c.scale[k] = max(shellMade[k]/shellClaimed[k]*allClaimed/allMade, 0.1)
		}
	}
	return c
}

func shellOf(shells []gradients.Shell, volume int) int {
	for k, s := range shells {
		if slices.Contains(s.Volumes, volume) {
			return k
		}
	}
	panic("denoise: a volume without a shell")
}

// report puts error and coverage of the held-out measurements into the summary.
func (t *trial) report(c *calibration) {
	n := len(t.held)
	inside, count, sum := 0, 0, 0.0
	for at, square := range t.square {
		if square != square {
			continue
		}
		spread := 1 + c.variance(int32(at/n), t.table.BVals[t.held[at%n]], float64(t.claimed[at]))
		if r := float64(t.residual[at]); r*r <= nominalWidth*nominalWidth*spread {
			inside++
		}
		count++
		sum += float64(square)
	}
	t.j.summary.Held = append(t.j.summary.Held, HeldOut{What: "volumes", Count: n, RMSE: math.Sqrt(max(sum/float64(max(count, 1)), 0)),
		Nominal: nominal, Coverage: float64(inside) / float64(max(count, 1))})
}
