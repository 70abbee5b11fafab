package denoise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/dmri-denoise/dmri-denoise/denoise/learned"
	"github.com/dmri-denoise/dmri-denoise/denoise/posterior"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/denoise/unseen"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// RicianMode says whether the image is a magnitude with Rician noise, whose
// bias is to be removed.
type RicianMode int

// Rician modes. Auto takes images without a negative value for magnitudes.
const (
	RicianAuto RicianMode = iota
	RicianOn
	RicianOff
)

// Sampler says what is read off the diffusion model.
type Sampler int

// Samplers. Mean is the posterior mean, the estimate of least squared error,
// by one evaluation at the noise-matched timestep. Ancestral and SDE draw one
// sample of the posterior by the reverse process. DDIM follows the
// probability flow: neither mean nor sample.
const (
	Mean Sampler = iota
	Ancestral
	SDE
	DDIM
)

// Stage names a part of the work in progress callbacks.
type Stage string

// Stages, in order.
const (
	StageNoise   Stage = "noise map"
	StageChoice  Stage = "choice of prior"
	StageDenoise Stage = "denoise"
)

// Errors that Run's errors wrap.
var (
	// ErrSingleVolume reports an image with one volume: there is nothing to
	// learn from across directions.
	ErrSingleVolume = errors.New("denoise: single volume: nothing to denoise across volumes")
	// ErrEmptyMask reports that no voxel is left to denoise.
	ErrEmptyMask = errors.New("denoise: no voxel to denoise")
	// ErrMismatch reports a mask, noise map or table that does not fit the image.
	ErrMismatch = errors.New("denoise: sizes do not match")
	// ErrInvalidNoise reports a given noise level that is not positive and finite.
	ErrInvalidNoise = errors.New("denoise: noise level must be positive and finite")
)

// Options set a run. The zero value is the default run on every voxel.
type Options struct {
	Mask         []bool             // voxels to denoise, others become 0; nil means every voxel that varies, others are copied
	NoiseMap     []float32          // σ per voxel (nx*ny*nz), instead of measuring it; only voxels to denoise are read
	NoiseLevel   float64            // one σ for all voxels, instead of measuring it; 0 means measure
	Rician       RicianMode         // magnitude image or not
	Prior        PriorMode          // zero value means the one with the lower estimated risk
	Model        *learned.Model     // of the learned prior, taken as it is; nil means the one shipped, weighed on the scan
	Unseen       *unseen.Model      // of directions that were not measured, weighed on the scan; nil means the one shipped
	Schedule     diffusion.Schedule // zero value means cosine with 1000 timesteps
	Sampler      Sampler            // zero value means the posterior mean
	SamplerSteps int                // evaluations of the samplers other than Mean; 0 means 50 for SDE, 200 for Ancestral, 100 for DDIM
	Extent       [3]int             // block size of the prior's local stage in voxels, odd; zero value means 5×5×5
	B0Threshold  float64            // volumes with b ≤ this count as b0 in the summary; 0 means gradients.DefaultB0Threshold
	ZeroNaN      bool               // NaN and Inf become 0 instead of being copied; the finite values beside them are copied all the same
	Imputing     Imputing           // lost measurements and new gradient tables; zero value finds and replaces lost slices
	Seed         uint64             // of the samplers and of the estimate of risk
	Threads      int                // 0 means one per core
	// Reload reads the image anew. If set, and nothing is to be imputed, Run lets go of the image's voxels while it
	// works and has them read again for the end: one copy of the scan less at the peak. The image is then unusable
	// until Run returns, and after an error.
	Reload func(ctx context.Context) (*nifti.Image, error)
	// Calibrated is called by Draws alone, while the measurement is still there that gauges of the posterior read. Its
	// error is returned as it is.
	Calibrated func(*Result, *posterior.Posterior) error
	// Arrays makes the arrays of the scan's size that the posterior mean needs; nil means the heap. Beside it the image's
	// own array and those made from it (nifti.ReadOptions.Voxels) decide where a run is kept.
	Arrays   signals.Arrays
	Logger   *slog.Logger // nil means silent
	Progress func(stage Stage, done, total int)

	foreground []bool // of a first run, for its second; nil means found or the mask
}

// samplerSteps returns the number of evaluations. The defaults keep the variance
// of samples within about 2 % (SDE) and 6 % (Ancestral) of the posterior's, and
// DDIM within 5 % of the probability flow, at a cost that suits whole scans; the
// diffusion package tabulates the bias and has defaults that take it below 1 %.
func (o Options) samplerSteps() int {
	switch {
	case o.SamplerSteps > 0:
		return o.SamplerSteps
	case o.Sampler == SDE:
		return 50
	case o.Sampler == Ancestral:
		return 200
	default:
		return 100
	}
}

func (o Options) withDefaults() (Options, error) {
	if o.Schedule.T() == 0 {
		schedule, err := diffusion.Cosine(1000)
		if err != nil {
			return o, err
		}
		o.Schedule = schedule
	}
	if o.B0Threshold == 0 {
		o.B0Threshold = gradients.DefaultB0Threshold
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if (o.Model != nil || o.Unseen != nil) && o.Prior == PriorFast {
		o.Prior = PriorAuto // a model is given to be considered
	}
	if o.Progress == nil {
		o.Progress = func(Stage, int, int) {}
	}
	if o.Arrays == nil {
		o.Arrays = signals.Heap{}
	}
	return o, nil
}

// check holds the options against the image they are for.
func (o Options) check(nx, ny, nz int) error {
	size := nx * ny * nz
	if o.Mask != nil && len(o.Mask) != size {
		return fmt.Errorf("%w: mask has %d voxels, image has %d×%d×%d", ErrMismatch, len(o.Mask), nx, ny, nz)
	}
	if o.NoiseMap != nil && len(o.NoiseMap) != size {
		return fmt.Errorf("%w: noise map has %d voxels, image has %d×%d×%d", ErrMismatch, len(o.NoiseMap), nx, ny, nz)
	}
	if o.NoiseLevel != 0 && !finitePositive(float32(o.NoiseLevel)) {
		return fmt.Errorf("%w: got %v", ErrInvalidNoise, o.NoiseLevel)
	}
	for axis, e := range o.Extent {
		if o.Extent != [3]int{} && (e < 1 || e%2 == 0 || e > 127) {
			return fmt.Errorf("denoise: block extent %v: axis %d must be odd, from 1 to 127", o.Extent, axis)
		}
	}
	return nil
}
