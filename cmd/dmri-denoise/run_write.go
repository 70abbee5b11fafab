package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/nifti"
	"github.com/dmri-denoise/dmri-denoise/qc"
)

// Bounds of what was removed, above which run warns. On phantoms (docs/accuracy.md) neighbours correlate by at most
// 0.02 and edges by at most 0.1; scanner interpolation gives 0.4 and more.
const (
	correlatedResidual = 0.3 // of neighbouring voxels
	edgesInResidual    = 0.4 // with the edges of the mean b0
	strongResidual     = 1.1 // standard deviation in units of sigma
)

// resultWriter puts the results of one run aside, ready to be published together.
type resultWriter struct {
	ui    *ui
	plan  *runPlan
	files *outputs

	residual *qc.Residual // what was removed, in figures; nil if it has none
	started  time.Time    // of the run, for --timings
	report   string       // the page, "" if there is none
}

// write stages every output, the image last, and returns the pictures that could be drawn.
func (w *resultWriter) write(ctx context.Context, s *scan, result *denoise.Result) ([]string, error) {
	before := measuredOnly(s.image, result)
	if err := w.measureResidual(ctx, before, result); err != nil {
		return nil, err
	}
	if err := w.tables(s.image); err != nil {
		return nil, err
	}
	if err := w.sidecar(result); err != nil {
		return nil, err
	}
	if w.plan.noise != "" {
		if err := w.image(ctx, w.plan.noise, result.Sigma); err != nil {
			return nil, err
		}
	}
	if guard := w.plan.options.guardOut; guard != "" {
		if err := w.image(ctx, guard, result.Flagged); err != nil {
			return nil, err
		}
	}
	if err := w.imputed(ctx, s.image, result); err != nil {
		return nil, err
	}
	pictures, err := w.pictures(ctx, s.image, result)
	if err != nil {
		return nil, err
	}
	if w.plan.residual != "" {
		if err := w.residualImage(ctx, before, result.Denoised); err != nil {
			return nil, err
		}
	}
	return pictures, w.image(ctx, w.plan.image, w.outputImage(s.image, result))
}

// measureResidual fills in the figures of what was removed from the foreground.
func (w *resultWriter) measureResidual(ctx context.Context, before *nifti.Image, result *denoise.Result) error {
	figures, err := qc.ResidualStats(ctx, before.Voxels(), result.Denoised.Voxels(), result.Sigma.Volume(0), result.Foreground,
		qc.GridOf(&before.Header), w.plan.options.threads)
	if errors.Is(err, qc.ErrInput) {
		w.warn("no figures of the residual: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	if err := figures.CorrelateEdges(ctx, before.Voxels(), result.Denoised.Voxels(), result.Sigma.Volume(0), result.Foreground,
		w.anatomy(before), qc.GridOf(&before.Header), w.plan.options.threads); err != nil {
		return err
	}
	w.residual = &figures
	if largest := slices.Max(figures.Lag1[:]); largest > correlatedResidual {
		w.warn("neighbouring voxels are correlated in what was removed (x %.2f, y %.2f, z %.2f): the scan was interpolated, "+
			"filtered or processed before, or signal was removed; look at the pictures", figures.Lag1[0], figures.Lag1[1], figures.Lag1[2])
	}
	if figures.Edges > edgesInResidual {
		w.warn("what was removed is stronger at the edges of the anatomy (correlation %.2f): signal may have been removed; look at the pictures", figures.Edges)
	}
	if figures.StdOverSigma > strongResidual {
		w.warn("more was removed than the noise explains (standard deviation %.2f sigma): sigma may be too small, or signal was removed; look at the pictures", figures.StdOverSigma)
	}
	return nil
}

// anatomy is the mean of the volumes of the lowest shell.
func (w *resultWriter) anatomy(im *nifti.Image) []float32 {
	mean := make([]float32, len(im.Volume(0)))
	volumes := []int{0}
	if len(w.plan.shells.All) > 0 {
		volumes = w.plan.shells.All[0].Volumes
	}
	for _, n := range volumes {
		for i, v := range im.Volume(n) {
			mean[i] += v / float32(len(volumes))
		}
	}
	return mean
}

// warn tells the user and keeps the warning for --json.
func (w *resultWriter) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.plan.warnings = append(w.plan.warnings, text)
	w.ui.warn("%s", text)
}

func (w *resultWriter) tables(im *nifti.Image) error {
	if w.plan.table == nil {
		return nil
	}
	bval, err := w.files.plan(w.plan.bval)
	if err != nil {
		return err
	}
	bvec, err := w.files.plan(w.plan.bvec)
	if err != nil {
		return err
	}
	affine, _ := im.Header.Affine()
	if w.plan.target != nil {
		return w.plan.target.Export(bval, bvec, affine, false)
	}
	return w.plan.table.Export(bval, bvec, affine, false)
}

func (w *resultWriter) sidecar(result *denoise.Result) error {
	data, warnings, err := w.plan.sidecarJSON(result, w.residual)
	if err != nil {
		return err
	}
	for _, warning := range warnings {
		w.warn("%s", warning)
	}
	return w.files.write(w.plan.sidecar, data)
}

func (w *resultWriter) image(ctx context.Context, final string, im *nifti.Image) error {
	staged, err := w.files.plan(final)
	if err != nil {
		return err
	}
	if err := im.Write(ctx, staged, nifti.WriteOptions{Threads: w.plan.options.threads}); err != nil {
		return fmt.Errorf("write %s: %w", final, err)
	}
	return nil
}

// residualImage writes what was removed, volume by volume: a second image of
// the scan's size is not needed for it.
func (w *resultWriter) residualImage(ctx context.Context, before, after *nifti.Image) error {
	staged, err := w.files.plan(w.plan.residual)
	if err != nil {
		return err
	}
	_, _, _, nt := before.Dims()
	header := before.Header.Like(nt)
	out, err := nifti.Create(ctx, staged, &header, nifti.WriteOptions{Threads: w.plan.options.threads})
	if err != nil {
		return fmt.Errorf("write %s: %w", w.plan.residual, err)
	}
	defer out.Abort()
	volume := make([]float32, len(before.Volume(0)))
	for n := range nt {
		subtract(volume, before.Volume(n), after.Volume(n))
		if err := out.WriteVolume(volume); err != nil {
			return fmt.Errorf("write %s: %w", w.plan.residual, err)
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("write %s: %w", w.plan.residual, err)
	}
	return nil
}

// subtract sets out to a - b; 0 where either is not a number.
func subtract(out, a, b []float32) {
	for i := range out {
		out[i] = 0
		if d := a[i] - b[i]; d-d == 0 {
			out[i] = d
		}
	}
}
