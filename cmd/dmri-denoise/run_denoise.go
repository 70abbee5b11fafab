package main

import (
	"context"
	"errors"
	"math"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/denoise/noise"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

var (
	samplers    = map[string]denoise.Sampler{"mean": denoise.Mean, "ancestral": denoise.Ancestral, "sde": denoise.SDE, "ddim": denoise.DDIM}
	priors      = map[string]denoise.PriorMode{"fast": denoise.PriorFast, "auto": denoise.PriorAuto, "gaussian": denoise.PriorGaussian, "soft": denoise.PriorSoft, "local": denoise.PriorLocal, "learned": denoise.PriorLearned}
	ricianModes = map[string]denoise.RicianMode{"auto": denoise.RicianAuto, "on": denoise.RicianOn, "off": denoise.RicianOff}
)

// reloadFrom is the size of a scan in bytes from which it is read twice rather than kept while the work goes on.
const reloadFrom = 64 << 20

// denoiseScan hands the scan to the library, with the flags in its terms.
func denoiseScan(ctx context.Context, u *ui, o runOptions, plan *runPlan, s *scan) (*denoise.Result, error) {
	bar := newProgress(u)
	defer bar.finish()
	settings := denoise.Options{
		Mask: s.mask, NoiseLevel: o.noiseNumber, Rician: ricianModes[o.rician], Prior: priors[o.prior],
		Schedule: o.schedule, Sampler: samplers[o.sampler], SamplerSteps: o.samplerSteps, Extent: o.extent,
		B0Threshold: o.tables.b0Threshold, ZeroNaN: o.nan == "zero", Seed: o.seed, Threads: o.threads,
		Imputing: o.impute.settings(plan.target),
		Logger:   u.logger(),
		Progress: func(stage denoise.Stage, done, total int) { bar.report(string(stage), done, total) },
	}
	if plan.scratch {
		settings.Arrays = s.space
	} else if size := int64(len(s.image.Voxels())) * 4; size >= reloadFrom {
		settings.Reload = func(ctx context.Context) (*nifti.Image, error) {
			debug.FreeOSMemory() // what the work needed makes room for the image
			return nifti.ReadImage(ctx, o.input, nifti.ReadOptions{})
		}
	}
	if settings.B0Threshold == 0 { // the library takes 0 for its default; here it means exactly 0
		settings.B0Threshold = math.SmallestNonzeroFloat64
	}
	if s.sigma != nil {
		settings.NoiseMap = s.sigma.Volume(0)
	}
	if o.model != "" {
		models, err := readModel(o.model)
		if err != nil {
			return nil, err
		}
		settings.Model, settings.Unseen = models.Learned, models.Unseen
	}
	started := time.Now()
	result, err := denoise.Run(ctx, s.image, plan.table, settings)
	if err != nil {
		return nil, explainDenoise(o, err)
	}
	u.detail("denoised in %.1f s", time.Since(started).Seconds())
	return result, nil
}

// explainDenoise names the file at fault and the remedy.
func explainDenoise(o runOptions, err error) error {
	switch {
	case errors.Is(err, denoise.ErrSingleVolume):
		return badInputHint("give the 4-D series", "%s: %w", o.input, err)
	case errors.Is(err, denoise.ErrEmptyMask):
		return badInputHint("is this a diffusion series, does the mask belong to it, and is there a number in every volume?", "%s: %w", o.input, err)
	case errors.Is(err, denoise.ErrInvalidNoise) && o.noiseFile != "":
		return badInputHint("give a map that is above zero in the whole mask, or let the noise be measured", "--noise-in %s: %w", o.noiseFile, err)
	case errors.Is(err, noise.ErrNoNoise):
		return badInputHint("give the noise level with --noise-in FILE|NUMBER, or check the mask", "%s: %w", o.input, err)
	case errors.Is(err, denoise.ErrNotImputable), errors.Is(err, impute.ErrList):
		return explainImpute(o, err)
	case errors.Is(err, denoise.ErrNoTable):
		return badInputHint("name it with --bval FILE --bvec FILE, or take another --prior", "%s: %w", o.input, err)
	case errors.Is(err, denoise.ErrModelMismatch):
		return badInputHint("train one on scans of this protocol, or leave out --model for the one that comes with the program", "--model %s: %w", o.model, err)
	case errors.Is(err, denoise.ErrMismatch):
		return badInput(err)
	}
	return err
}

// parseExtent reads a block size as dwidenoise does: one odd number or three. Empty text leaves the choice to the
// method.
func parseExtent(text string) ([3]int, error) {
	var extent [3]int
	if text == "" {
		return extent, nil
	}
	parts := strings.Split(text, ",")
	if len(parts) == 1 {
		parts = []string{parts[0], parts[0], parts[0]}
	}
	if len(parts) != 3 {
		return extent, usagef("--extent %q: one odd number or three are needed, such as 5,5,5", text)
	}
	for i, part := range parts {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n < 1 || n%2 == 0 || n > maxExtent {
			return extent, usagef("--extent %q: %q is not an odd number from 1 to %d", text, part, maxExtent)
		}
		extent[i] = n
	}
	return extent, nil
}

const maxExtent = 127

// maxSamplerSteps keeps a slip of the finger from becoming a run of days.
const maxSamplerSteps = 100000
