package qc

import (
	"context"
	"fmt"
	"math"

	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// Known is what the denoiser itself knows of its result and no comparison of
// before and after tells. Zero values mean unknown.
type Known struct {
	Schedule  diffusion.Schedule // timesteps are given on it; zero means cosine with T = 1000
	Timestep  *float64           // t* of the whole scan
	Prior     string             // the prior that was used
	Risks     []Risk             // of the candidates, by Stein's estimate
	Loss      []LossPoint        // of a learned prior's training
	Imputed   *Imputation
	Magnitude bool     // whether the Rician mean was undone
	B0Sigma   *float64 // σ by repeated b0 volumes
	Noise     string   // where σ comes from, in a word or two
	// NoiseCorrelation is that of the noise of neighbouring voxels along x, y and z.
	NoiseCorrelation *[3]float64
	Timings          *Timings // left out of reports that must be the same every time
	// Residual holds the figures of what was removed, if they are there already.
	Residual *Residual
}

// Risk is the error to expect of one prior in units of σ, whole and by shell in
// the order of the table's shells.
type Risk struct {
	Prior    string
	RMSE     float64
	MSE      float64 // in σ²; may be below zero
	StdErr   float64 // of MSE
	Voxels   int     // it was measured in
	ByShell  []float64
	Accepted bool // whether this prior was used
}

// LossPoint is one point of a learned prior's training; HeldOut is NaN where it
// was not measured.
type LossPoint struct {
	Step           int
	Train, HeldOut float64
}

// Imputation says what was made up.
type Imputation struct {
	Percent float64 // of all slices of all volumes
	Slices  int
	Lost    []LostSlices
	Notes   []string
}

// LostSlices are neighbouring slices of one volume that were replaced.
type LostSlices struct {
	Volume, First, Last int
	Reason              string
	Z                   float64 // 0 where the reason is not a score
}

// Timings are what a run cost.
type Timings struct {
	Seconds    float64
	Threads    int
	PeakMemory int64 // bytes, 0 if unknown
}

// Measured holds the figures of a scan and what the plots of a report need
// beside them.
type Measured struct {
	Metrics  Metrics
	Residual Residual
	// NoiseCorrelation is the denoiser's, nil if it is not known.
	NoiseCorrelation *[3]float64
	// VolumeRMS is the root mean square of (before - after)/σ of every volume,
	// VolumeMean its mean; in units of the signal without σ.
	VolumeRMS, VolumeMean []float64
	Shells                []ShellMeasured
	// Spread is the standard deviation of the clean signal over voxels and volumes
	// in units of σ, and Timestep where that puts the noise on the schedule; NaN
	// without σ. Both are the denoiser's own if it is known to have t*.
	Spread, Timestep float64
	// Histogram counts (before - after)/σ in equal bins from -4.5 to 4.5.
	Histogram []float64
}

const (
	histogramSpan = 4.5
	histogramBins = 90
)

// ShellMeasured are the figures of one shell, NaN where not defined.
type ShellMeasured struct {
	Shell         gradients.Shell
	Label         string
	Before, After float64 // mean signal
	SNR           float64 // median over voxels of (mean after)/σ
	CNR           float64 // median over voxels of (SD over directions after)/σ; NaN for b0
	Variance      float64 // removed, in σ²: mean of (before - after)²/σ²
	Mean          float64 // removed, in σ
	Spread        float64 // SD of the clean signal over voxels and volumes, in σ
	Timestep      float64 // at which this shell's noise sits on the schedule
	Risk          float64 // expected error of the prior used, in σ
}

// Measure computes the figures of a scan. Every figure is taken over the mask;
// docs/qc.md defines each. threads is the number of goroutines, 0 meaning one
// for each processor. Errors are [ErrInput] or the context's.
func Measure(ctx context.Context, o Outcome, k Known, threads int) (*Measured, error) {
	o, err := o.Complete()
	if err != nil {
		return nil, fmt.Errorf("qc: measure: %w", err)
	}
	if k.Schedule.T() == 0 {
		if k.Schedule, err = diffusion.Cosine(defaultSteps); err != nil {
			return nil, fmt.Errorf("qc: measure: %w", err)
		}
	}
	m := &Measured{NoiseCorrelation: k.NoiseCorrelation}
	if k.Residual != nil {
		m.Residual = *k.Residual
	} else if m.Residual, err = residualFigures(ctx, &o, threads); err != nil {
		return nil, err
	}
	sums := make([]volumeSums, o.volumes())
	err = eachVolume(ctx, len(sums), threads, func(v int) error {
		before, after := o.volume(v)
		sums[v] = sumVolume(before, after, o.Sigma, o.Mask)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var whole volumeSums
	m.Histogram = make([]float64, histogramBins)
	for _, s := range sums {
		whole.add(s)
		for i, c := range s.counts {
			m.Histogram[i] += c
		}
		m.VolumeRMS = append(m.VolumeRMS, math.Sqrt(s.square/s.n))
		m.VolumeMean = append(m.VolumeMean, s.removed/s.n)
	}
	m.Spread, m.Timestep = whole.spread(o.Sigma != nil), math.NaN()
	if k.Timestep != nil {
		m.Timestep = *k.Timestep
		m.Spread = math.Sqrt(k.Schedule.SNR(m.Timestep)) // of the voxels that the denoiser took
	} else if t, err := k.Schedule.TimestepFor(1 / m.Spread); err == nil {
		m.Timestep = t
	}
	for i, shell := range o.Shells.All {
		s, err := measureShell(ctx, &o, shell, sums, k, threads)
		if err != nil {
			return nil, err
		}
		s.Risk = riskOf(k, i)
		m.Shells = append(m.Shells, s)
	}
	before, after := math.NaN(), math.NaN()
	if o.Table != nil {
		if before, err = NeighbourCorrelation(ctx, o.Before, o.Table, o.Mask, threads); err != nil {
			return nil, err
		}
		if after, err = NeighbourCorrelation(ctx, o.After, o.Table, o.Mask, threads); err != nil {
			return nil, err
		}
	}
	m.Metrics = m.list(&o, k, before, after)
	return m, nil
}

func residualFigures(ctx context.Context, o *Outcome, threads int) (Residual, error) {
	r, err := ResidualStats(ctx, o.Before, o.After, o.Sigma, o.Mask, o.Grid, threads)
	if err != nil {
		return r, err
	}
	return r, r.CorrelateEdges(ctx, o.Before, o.After, o.Sigma, o.Mask, o.anatomy(), o.Grid, threads)
}

// riskOf returns the expected error in a shell of the prior that was used.
func riskOf(k Known, shell int) float64 {
	for _, r := range k.Risks {
		if r.Accepted && shell < len(r.ByShell) {
			return r.ByShell[shell]
		}
	}
	return math.NaN()
}

// volumeSums are sums over the mask of one volume; in units of σ where it is
// known, over the voxels where it is of use.
type volumeSums struct {
	n, removed, square float64 // (before-after)/σ and its square
	y, yy              float64 // before/σ and its square
	inside             float64 // voxels, σ or not
	before, after      float64 // signal
	counts             []float64
}

func (s *volumeSums) add(o volumeSums) {
	s.n += o.n
	s.removed += o.removed
	s.square += o.square
	s.y += o.y
	s.yy += o.yy
	s.inside += o.inside
	s.before += o.before
	s.after += o.after
}

// spread returns the standard deviation of the clean signal in units of σ: that of
// the measurements with the variance of the noise, 1, taken off.
func (s *volumeSums) spread(scaled bool) float64 {
	if !scaled || s.n == 0 {
		return math.NaN()
	}
	mean := s.y / s.n
	return math.Sqrt(max(s.yy/s.n-mean*mean-1, 0))
}

func sumVolume(before, after, sigma []float32, mask []bool) volumeSums {
	s := volumeSums{counts: make([]float64, histogramBins)}
	for i, in := range mask {
		if !in {
			continue
		}
		y, x := float64(before[i]), float64(after[i])
		s.inside++
		s.before += y
		s.after += x
		inv, ok := inverse(sigma, i)
		if !ok {
			continue
		}
		r := (y - x) * inv
		s.n++
		s.removed += r
		s.square += r * r
		if bin := (r + histogramSpan) * (histogramBins / (2 * histogramSpan)); sigma != nil && bin >= 0 && bin < histogramBins {
			s.counts[int(bin)]++
		}
		s.y += y * inv
		s.yy += y * y * inv * inv
	}
	return s
}

func measureShell(ctx context.Context, o *Outcome, shell gradients.Shell, sums []volumeSums, k Known, threads int) (ShellMeasured, error) {
	var t volumeSums
	for _, v := range shell.Volumes {
		t.add(sums[v])
	}
	m := ShellMeasured{Shell: shell, Label: ShellLabel(shell), Before: t.before / t.inside, After: t.after / t.inside,
		SNR: math.NaN(), CNR: math.NaN(), Variance: math.NaN(), Mean: math.NaN(), Spread: math.NaN(), Timestep: math.NaN()}
	if o.Sigma == nil || t.n == 0 {
		return m, nil
	}
	m.Variance, m.Mean = t.square/t.n, t.removed/t.n
	m.Spread = t.spread(true)
	if step, err := k.Schedule.TimestepFor(1 / m.Spread); err == nil {
		m.Timestep = step
	}
	var err error
	m.SNR, m.CNR, err = signalToNoise(ctx, o, shell, threads)
	if shell.IsB0 || len(shell.Volumes) < 2 {
		m.CNR = math.NaN()
	}
	return m, err
}

// signalToNoise returns the medians over the mask of the mean and of the
// standard deviation over a shell's volumes after denoising, in units of σ.
func signalToNoise(ctx context.Context, o *Outcome, shell gradients.Shell, threads int) (snr, cnr float64, err error) {
	n := o.Grid.Voxels()
	mean, spread := make([]float32, n), make([]float32, n)
	plane := o.Grid.NX * o.Grid.NY
	err = eachVolume(ctx, o.Grid.NZ, threads, func(z int) error {
		for i := z * plane; i < (z+1)*plane; i++ {
			inv, ok := inverse(o.Sigma, i)
			mean[i], spread[i] = float32(math.NaN()), float32(math.NaN())
			if !ok || !o.Mask[i] {
				continue
			}
			var sum, square float64
			for _, v := range shell.Volumes {
				x := float64(o.After[v*n+i]) * inv
				sum += x
				square += x * x
			}
			d := float64(len(shell.Volumes))
			mean[i] = float32(sum / d)
			spread[i] = float32(math.Sqrt(max(square/d-sum*sum/d/d, 0)))
		}
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	middle := func(values []float32) float64 {
		m, ok := median(values, o.Mask)
		if !ok {
			return math.NaN()
		}
		return m
	}
	return middle(mean), middle(spread), nil
}
