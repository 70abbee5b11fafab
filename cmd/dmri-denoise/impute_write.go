package main

import (
	"context"
	"fmt"
	"image"
	"path/filepath"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/nifti"
	"github.com/dmri-denoise/dmri-denoise/qc"
)

// imputed stages what was asked for about imputed values: standard deviations, draws and the mask.
func (w *resultWriter) imputed(ctx context.Context, before *nifti.Image, result *denoise.Result) error {
	f, made := w.plan.options.impute, result.Imputed
	std, samples := made.Std, made.Samples
	if w.plan.target != nil {
		std, samples = made.TargetStd, made.TargetSamples
	}
	_, _, _, nt := before.Dims()
	if f.stdOut != "" {
		if std == nil {
			std = before.Like(nt) // nothing was imputed
		}
		if err := w.image(ctx, f.stdOut, std); err != nil {
			return err
		}
	}
	for k, name := range f.sampleNames(w.plan.image) {
		sample := result.Denoised
		if k < len(samples) {
			sample = samples[k]
		}
		if w.plan.target == nil {
			sample = w.keepMeasured(before, sample, made.Lost)
		}
		if err := w.image(ctx, name, sample); err != nil {
			return err
		}
	}
	if f.maskOut == "" {
		return nil
	}
	return w.image(ctx, f.maskOut, maskOfLost(before, made.Lost))
}

// outputImage is what the command is for: the scan on the target table if there is one, else the denoised scan; for the
// impute command the scan as it was, with values in place of those lost.
func (w *resultWriter) outputImage(before *nifti.Image, result *denoise.Result) *nifti.Image {
	if w.plan.target != nil {
		return result.Imputed.Target
	}
	return w.keepMeasured(before, result.Denoised, result.Imputed.Lost)
}

// keepMeasured puts the measured values back for the impute command.
func (w *resultWriter) keepMeasured(before, after *nifti.Image, lost *impute.Lost) *nifti.Image {
	if !w.plan.options.impute.only {
		return after
	}
	nx, ny, nz, nt := before.Dims()
	out := after.Like(nt)
	for n := range nt {
		for z := range nz {
			from, to := z*nx*ny, (z+1)*nx*ny
			source := before
			if lost.Is(n, z) {
				source = after
			}
			copy(out.Volume(n)[from:to], source.Volume(n)[from:to])
		}
	}
	return out
}

// maskOfLost is 1 in lost slices.
func maskOfLost(like *nifti.Image, lost *impute.Lost) *nifti.Image {
	nx, ny, nz, nt := like.Dims()
	mask := like.Like(nt)
	mask.Header.CalMin, mask.Header.CalMax = 0, 1
	for n := range nt {
		for z := range nz {
			if lost.Is(n, z) {
				slice := mask.Volume(n)[z*nx*ny : (z+1)*nx*ny]
				for i := range slice {
					slice[i] = 1
				}
			}
		}
	}
	return mask
}

// measuredOnly returns the scan with the output's values in lost slices: there nothing was removed. The scan itself if
// nothing is lost.
func measuredOnly(before *nifti.Image, result *denoise.Result) *nifti.Image {
	lost := result.Imputed.Lost
	if lost.Len() == 0 {
		return before
	}
	nx, ny, nz, nt := before.Dims()
	out := before.Like(nt)
	copy(out.Voxels(), before.Voxels())
	for n := range nt {
		for z := range nz {
			if lost.Is(n, z) {
				from, to := z*nx*ny, (z+1)*nx*ny
				copy(out.Volume(n)[from:to], result.Denoised.Volume(n)[from:to])
			}
		}
	}
	return out
}

// replacedColumns is the number of replaced slices in one picture.
const replacedColumns = 6

// replacedSketches plans a picture of measured, imputed and difference for every replaced slice, some slices of one
// volume in each.
func (w *resultWriter) replacedSketches(before *nifti.Image, result *denoise.Result) []sketch {
	var list []sketch
	lost := result.Imputed.Lost
	grid := qc.GridOf(&before.Header)
	for n := range lost.Volumes {
		slices := lost.OfVolume(n)
		for from := 0; from < len(slices); from += replacedColumns {
			part := slices[from:min(from+replacedColumns, len(slices))]
			why, z := lost.Why(n, part[0])
			reason := string(why)
			if z != 0 {
				reason = fmt.Sprintf("%s, z = %.1f", why, z)
			}
			options := qc.ReplacedOptions{Volume: n, BValue: w.plan.bvalueOf(n), Slices: part, Reason: reason}
			file := filepath.Join(w.plan.options.qcDir, figuresFolder, fmt.Sprintf("imputed_v%03d_z%03d-%03d.png", n, part[0], part[len(part)-1]))
			alt := fmt.Sprintf("Replaced slices of volume %d: measured, imputed and difference", n)
			list = append(list, sketch{file, alt, func() (image.Image, error) {
				return qc.Replaced(before.Volume(n), result.Denoised.Volume(n), result.Foreground, grid, options)
			}})
		}
	}
	return list
}

// sayImputed tells what was made up.
func sayImputed(u *ui, s *denoise.ImputationSummary) {
	if s == nil {
		return
	}
	if s.Slices > 0 {
		for _, e := range s.Lost {
			u.detail("volume %d, slices %d to %d: %s, z = %.1f", e.Volume, e.First, e.Last, e.Reason, e.Z)
		}
	}
	if s.Directions > 0 {
		u.say("the output is estimated on %d volumes of the target table; none of them is a measurement", s.Directions)
	}
	if s.Unseen != nil {
		u.say("%s", unseenText(s.Unseen))
	}
	for _, h := range s.Held {
		u.say("held-out %s: %d, error %.3f sigma, %.0f %% intervals cover %.1f %%", h.What, h.Count, h.RMSE, 100*h.Nominal, 100*h.Coverage)
	}
}

// unseenText tells which prior foretold directions that were not measured.
func unseenText(s *denoise.UnseenSummary) string {
	used := "gaussian prior"
	if s.Used {
		var shells []string
		for _, shell := range s.Shells {
			if shell.Used {
				shells = append(shells, fmt.Sprintf("%.0f", shell.BValue))
			}
		}
		used = "learned prior at b = " + strings.Join(shells, ", ")
	}
	return fmt.Sprintf("directions not measured: %s; squared error on held-out directions, in sigma²: gaussian %.4f, learned %.4f ± %.4f", used, s.All.Gaussian, s.All.Learned, s.All.StdErr)
}

// imputeParameters are the settings of imputation that a result depends on.
type imputeParameters struct {
	Impute      string   `json:"Impute"`
	Target      []string `json:"Target,omitempty"`
	Extrapolate bool     `json:"Extrapolate,omitempty"`
	Samples     int      `json:"Samples,omitempty"`
}

func (f imputeFlags) parameters() imputeParameters {
	p := imputeParameters{Impute: f.text, Extrapolate: f.extrapolate, Samples: f.samples}
	if f.target.bval != "" {
		p.Target = []string{filepath.Base(f.target.bval), filepath.Base(f.target.bvec)}
	}
	return p
}

// describeImputing says in the sidecar where the output is not a denoised measurement throughout.
func (p *runPlan) describeImputing(fields map[string]any, s *denoise.ImputationSummary) {
	switch {
	case p.target != nil:
		fields["Description"] = "Diffusion series estimated by dmri-denoise on a gradient table that was not measured"
		method := "posterior mean of a mixture of rotation-invariant Gaussian processes over q-space"
		if s != nil && s.Unseen != nil && s.Unseen.Used {
			method += ", corrected by a network"
		}
		fields["DenoiseMethod"] = method + ", given the denoised scan"
	case p.options.impute.only:
		fields["Description"] = "Diffusion series in which lost slices were replaced by dmri-denoise; measured values are as they were"
	}
}
