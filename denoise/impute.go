package denoise

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// ImputeMode says what is done about lost slices and volumes.
type ImputeMode int

// Impute modes. Auto finds them, Off takes every measurement as it is, and
// Named takes those of Imputing.Lost. Slices without any measurement (zero-filled,
// one value throughout, not finite) count as lost in all modes but Off.
const (
	ImputeAuto ImputeMode = iota
	ImputeOff
	ImputeNamed
)

// Imputing sets what is estimated without having been measured. The zero value
// finds lost slices and replaces them.
type Imputing struct {
	Mode        ImputeMode
	Lost        []impute.Span    // for ImputeNamed
	Target      *gradients.Table // estimate the scan on this table too; nil means no
	Extrapolate bool             // allow b-values of Target outside the measured range
	Std         bool             // posterior standard deviations, calibrated on directions held out for it
	Samples     int              // draws from the posterior of what was imputed
}

// StageImpute is the stage of work that imputation adds before denoising.
const StageImpute Stage = "impute"

// Errors that Run's errors wrap.
var (
	// ErrNotImputable reports that something named as lost, or a target
	// direction, cannot be estimated from what was measured.
	ErrNotImputable = errors.New("denoise: cannot be estimated from what was measured")
)

// Imputed is what a run made without measurements.
type Imputed struct {
	Lost *impute.Lost // lost slices of the scan
	// Std is the posterior standard deviation of every imputed value of
	// Denoised, 0 where measured; Samples are draws of Denoised that differ in
	// what was imputed. Both on request only.
	Std     *nifti.Image
	Samples []*nifti.Image
	// Target is the scan on the target table, 0 outside the mask, with its own
	// standard deviation and samples on request.
	Target        *nifti.Image
	TargetStd     *nifti.Image
	TargetSamples []*nifti.Image
}

// ImputationSummary records what was made up.
type ImputationSummary struct {
	Mode       string         `json:"mode"`
	Percent    float64        `json:"percent_imputed"` // of all slices of all volumes
	Slices     int            `json:"slices_imputed"`
	Lost       []impute.Entry `json:"lost,omitempty"`
	LargestZ   float64        `json:"largest_z_score_kept,omitempty"`
	Geometric  *float64       `json:"weight_of_q_space_model,omitempty"` // in the estimate of lost slices, the rest is the local denoiser's
	Directions int            `json:"target_volumes,omitempty"`
	Held       []HeldOut      `json:"held_out,omitempty"`
	Unseen     *UnseenSummary `json:"learned_prior,omitempty"` // of directions that were not measured
	Notes      []string       `json:"notes,omitempty"`
}

// HeldOut tells how well measurements that were held out were foretold.
type HeldOut struct {
	What     string  `json:"what"`             // slices or volumes
	Count    int     `json:"count"`            // of them
	RMSE     float64 `json:"rmse_over_sigma"`  // of the clean signal: noise taken off
	Nominal  float64 `json:"nominal_coverage"` // of the intervals
	Coverage float64 `json:"coverage"`         // share of the measurements inside
}

// runImputing is Run for scans with something to impute: it hands whole series,
// with what was lost filled in, to the pipeline, which need not know.
func runImputing(ctx context.Context, im *nifti.Image, table *gradients.Table, o Options) (*Result, error) {
	j := &imputation{o: o, im: im, table: table, summary: ImputationSummary{Mode: o.Imputing.Mode.String()}}
	if table != nil {
		affine, _ := im.Header.Affine()
		j.table = table.ToFSL(affine)
	}
	if err := j.find(ctx); err != nil {
		return nil, err
	}
	if err := j.separate(); err != nil {
		return nil, err
	}
	r, err := j.denoise(ctx)
	if err != nil {
		return nil, err
	}
	j.finish(r)
	return r, nil
}

// imputation carries one run with imputation from step to step. Volumes of
// which nothing is measured are kept out of the series altogether; the others
// make the kept series.
type imputation struct {
	o       Options
	im      *nifti.Image
	table   *gradients.Table // in the FSL frame; nil if there is none
	lost    *impute.Lost
	mask    []bool // where statistics are taken
	summary ImputationSummary

	whole     []int // volumes lost altogether
	kept      []int // the others
	keptLost  *impute.Lost
	keptTable *gradients.Table
	filled    *nifti.Image // the kept series with predictions in place of what was lost
}

// String returns the mode's name on the command line.
func (m ImputeMode) String() string {
	return [...]string{"auto", "off", "named"}[m]
}

func (j *imputation) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	j.summary.Notes = append(j.summary.Notes, text)
	j.o.Logger.Warn(text)
}

// core denoises a series as if everything in it were measured. Where noise is
// not nil, it holds the noise variance of each volume relative to a
// measurement's.
func (j *imputation) core(ctx context.Context, im *nifti.Image, table *gradients.Table, noise []float64, o Options) (*Result, error) {
	o.Imputing = Imputing{Mode: ImputeOff}
	return (&pipeline{o: o, im: im, table: table, level: noise}).run(ctx)
}

// noiseLeft returns the noise variance of each volume, relative to a
// measurement's, when predictions without noise stand in its lost slices; nil
// if nothing is lost.
func noiseLeft(lost *impute.Lost, volumes []int) []float64 {
	if lost.Len() == 0 {
		return nil
	}
	out := make([]float64, len(volumes))
	for i, n := range volumes {
		out[i] = 1 - float64(len(lost.OfVolume(n)))/float64(lost.Slices)
	}
	return out
}

// denoise runs the steps that there is something to do for.
func (j *imputation) denoise(ctx context.Context) (*Result, error) {
	if j.lost.Len() == 0 && j.o.Imputing.Target == nil {
		return j.core(ctx, j.im, j.table, nil, j.o)
	}
	j.o.Reload = nil // imputation reads the image all along
	series := j.keptSeries()
	var r *Result
	var err error
	if j.keptLost.Len() > 0 {
		r, err = j.refine(ctx, series)
	} else {
		r, err = j.core(ctx, series, j.keptTable, nil, j.o)
	}
	if err != nil {
		return nil, err
	}
	if r.Imputed == nil {
		r.Imputed = &Imputed{}
	}
	r.Imputed.Lost = j.lost
	if j.filled == nil {
		j.filled = series
	}
	if len(j.whole) == 0 && j.o.Imputing.Target == nil {
		return r, nil
	}
	return r, j.extend(ctx, r)
}

// extend predicts what the series has no volume for: volumes lost altogether
// and the target table.
func (j *imputation) extend(ctx context.Context, r *Result) error {
	g, err := j.learn(ctx, r, j.keptTable)
	if errors.Is(err, gradients.ErrFewDirections) || errors.Is(err, impute.ErrTooLittle) {
		return fmt.Errorf("%w: %w", ErrNotImputable, err)
	}
	if err != nil {
		return err
	}
	var trust *calibration
	if t := j.newTrial(r); t != nil {
		if j.learns() {
			if g.correction, err = j.chooseUnseen(ctx, t); err != nil {
				return err
			}
		}
		if j.uncertain() {
			if trust, err = j.calibrate(ctx, t); err != nil {
				return err
			}
		}
	} else if j.uncertain() {
		j.note("no shell has the %d directions needed to hold some out: standard deviations are the model's own", leastHeldShell)
	}
	if err := j.target(ctx, r, g, trust); err != nil {
		return err
	}
	return j.restoreWhole(ctx, r, g, trust)
}

// finish puts the record into the summary.
func (j *imputation) finish(r *Result) {
	if r.Imputed == nil {
		r.Imputed = &Imputed{Lost: j.lost}
	}
	s := &j.summary
	s.Lost, s.Slices, s.Percent = j.lost.Entries(), j.lost.Len(), 100*j.lost.Share()
	r.Summary.Imputation = s
	if s.Slices > 0 {
		text := fmt.Sprintf("%d slices (%.2f %% of the scan) were lost and are imputed: %v", s.Slices, s.Percent, j.lost)
		r.Summary.Warnings = append(r.Summary.Warnings, text)
		j.o.Logger.Warn(text)
	}
	r.Summary.Warnings = append(r.Summary.Warnings, s.Notes...)
}
