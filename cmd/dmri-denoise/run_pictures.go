package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"path/filepath"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/nifti"
	"github.com/dmri-denoise/dmri-denoise/qc"
)

// sketch is one picture of the QC folder, not drawn yet.
type sketch struct {
	file string
	alt  string
	draw func() (image.Image, error)
}

// pictures draws the QC folder and returns the files drawn. A scan that cannot be drawn costs the picture and a
// warning, not the result.
func (w *resultWriter) pictures(ctx context.Context, before *nifti.Image, result *denoise.Result) ([]string, error) {
	names := w.plan.pictures
	if names.report == "" {
		return nil, nil
	}
	in := w.reportInput(before, result)
	var err error
	if in.Forward, err = w.drawn(ctx, []sketch{{names.strip, "Forward diffusion of a slice of the denoised scan", func() (image.Image, error) {
		return w.strip(result, in.Outcome.Grid)
	}}}); err != nil {
		return nil, err
	}
	if in.Replaced, err = w.drawn(ctx, w.replacedSketches(before, result)); err != nil {
		return nil, err
	}
	report, err := qc.NewReport(ctx, in, w.plan.options.threads)
	if errors.Is(err, qc.ErrInput) {
		w.warn("no report and no pictures of this scan: %v", err)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	figures, page, err := writeReport(w.files, w.plan.options.qcDir, report, w.name())
	w.report = page
	return figures, err
}

// drawn draws pictures made for this program's own results.
func (w *resultWriter) drawn(ctx context.Context, list []sketch) ([]qc.Figure, error) {
	var figures []qc.Figure
	for _, s := range list {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		picture, err := s.draw()
		if errors.Is(err, qc.ErrInput) {
			w.warn("no picture %s: %v", s.file, err)
			continue
		}
		if err != nil {
			return nil, err
		}
		var data bytes.Buffer
		if err := qc.EncodePNG(&data, picture, qc.DefaultDPI); err != nil {
			return nil, err
		}
		figures = append(figures, qc.Figure{Alt: s.alt, Data: data.Bytes(), File: filepath.Base(s.file)})
	}
	return figures, nil
}

// strip draws the forward process of the model that was used, on the largest slice of the first volume of the
// lowest shell.
func (w *resultWriter) strip(result *denoise.Result, grid qc.Grid) (image.Image, error) {
	n := 0
	if montages := w.plan.pictures.montages; len(montages) > 0 {
		n = montages[0].shell.Volumes[0]
	}
	k := qc.MiddleSlice(result.Foreground, grid, qc.Axial)
	slice := qc.CutSlice(result.Denoised.Volume(n), grid, qc.Axial, k, false)
	picture, _, err := qc.ForwardStrip(slice, qc.StripOptions{Schedule: w.plan.options.schedule, Seed: w.plan.options.seed})
	return picture, err
}

// figuresFolder holds the pictures of a QC folder.
const figuresFolder = "figures"

// metricsNames are the files of the figures of one scan.
type metricsNames struct{ values, row, dictionary string }

// nameMetrics gives the names that begin with a path.
func nameMetrics(stem string) metricsNames {
	return metricsNames{stem + ".json", stem + ".tsv", stem + "_dictionary.json"}
}

func (n metricsNames) all() []string { return []string{n.values, n.row, n.dictionary} }

// writeMetrics stages the figures of a scan.
func (n metricsNames) write(files *outputs, m qc.Metrics, name string) error {
	values, err := encodeJSON(m)
	if err != nil {
		return err
	}
	dictionary, err := m.Dictionary()
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{n.values, values}, {n.row, []byte(m.TSV(name))}, {n.dictionary, dictionary}} {
		if err := files.write(f.name, f.data); err != nil {
			return err
		}
	}
	return nil
}

// writeReport stages a report with its figures and metrics, and returns the files of the figures and of the page.
func writeReport(files *outputs, dir string, report *qc.Report, name string) (written []string, page string, err error) {
	figures, err := report.Page.Files()
	if err != nil {
		return nil, "", err
	}
	for _, f := range figures {
		file := filepath.Join(dir, figuresFolder, f.Name)
		if err := files.write(file, f.Data); err != nil {
			return nil, "", err
		}
		written = append(written, file)
	}
	if err := nameMetrics(filepath.Join(dir, "metrics")).write(files, report.Measured.Metrics, name); err != nil {
		return nil, "", err
	}
	var html bytes.Buffer
	if err := report.Page.Write(&html); err != nil {
		return nil, "", fmt.Errorf("report of %s: %w", name, err)
	}
	page = filepath.Join(dir, "report.html")
	return written, page, files.write(page, html.Bytes())
}
