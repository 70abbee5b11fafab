package main

import (
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
	"github.com/dmri-denoise/dmri-denoise/qc"
)

// name is what the report and the row of metrics call the scan.
func (w *resultWriter) name() string {
	stem, _ := imageStem(filepath.Base(w.plan.options.input))
	return stem
}

// reportInput gathers what the report shows. It holds no path and no time but with --timings, so that the same work
// gives the same bytes.
func (w *resultWriter) reportInput(before *nifti.Image, result *denoise.Result) qc.ReportInput {
	o := w.plan.options
	known := knownOf(result.Summary, o.schedule)
	known.Residual = w.residual
	if o.timings {
		known.Timings = &qc.Timings{Seconds: roundTo(time.Since(w.started).Seconds(), 2), Threads: o.threads, PeakMemory: peakMemory()}
	}
	header := before.Header
	in := qc.ReportInput{
		Title: w.name(), Subtitle: subtitleOf(&header),
		Outcome: qc.Outcome{Grid: qc.GridOf(&header), Before: measuredOnly(before, result).Voxels(), After: result.Denoised.Voxels(),
			Sigma: result.Sigma.Volume(0), Mask: result.Foreground, Table: scannerTable(w.plan.table, &header), Shells: w.plan.shells},
		Known: known, Warnings: result.Summary.Warnings, Seed: o.seed,
		Method: qc.Method{Program: programName, Version: programVersion(), Settings: settingsLine(o.parameters()), Sampler: o.sampler,
			Given: o.noiseFile != "" || o.noiseNumber > 0, Rician: result.Summary.RicianCorrected, Target: w.plan.target != nil},
		Provenance: [][2]string{{"Program", programName + " " + programVersion()}, {"Input", filepath.Base(o.input)}},
	}
	if o.timings {
		in.Provenance = append(in.Provenance, [2]string{"Date", time.Now().UTC().Format("2006-01-02 15:04 UTC")},
			[2]string{"Machine", runtime.GOOS + "/" + runtime.GOARCH})
	}
	return in
}

// knownOf puts the record of a run into the terms of a report.
func knownOf(s denoise.Summary, schedule diffusion.Schedule) qc.Known {
	k := qc.Known{Schedule: schedule, Timestep: &s.Timestep, Prior: s.Prior.Chosen, Magnitude: s.RicianCorrected,
		B0Sigma: s.Sigma.B0Repeats, NoiseCorrelation: s.Sigma.Correlation, Noise: map[string]string{"measured": "measured from the scan", "map": "map given", "level": "level given"}[s.Sigma.Source]}
	for _, r := range s.Prior.Risks {
		risk := qc.Risk{Prior: r.Prior, RMSE: r.RMSE, MSE: r.MSE, StdErr: r.StdErr, Voxels: r.Voxels, Accepted: r.Prior == s.Prior.Chosen}
		for _, shell := range r.Shells {
			risk.ByShell = append(risk.ByShell, shell.RMSE)
		}
		k.Risks = append(k.Risks, risk)
	}
	if l := s.Prior.Learned; l != nil {
		for _, p := range l.Loss {
			point := qc.LossPoint{Step: p.Step, Train: p.Train, HeldOut: p.HeldOut}
			if p.Step == 0 {
				point.Train = math.NaN() // nothing was trained yet
			}
			k.Loss = append(k.Loss, point)
		}
	}
	if i := s.Imputation; i != nil {
		k.Imputed = &qc.Imputation{Percent: i.Percent, Slices: i.Slices, Notes: i.Notes}
		if i.Unseen != nil {
			k.Imputed.Notes = append(slices.Clone(i.Notes), unseenText(i.Unseen))
		}
		for _, e := range i.Lost {
			k.Imputed.Lost = append(k.Imputed.Lost, qc.LostSlices{Volume: e.Volume, First: e.First, Last: e.Last, Reason: string(e.Reason), Z: e.Z})
		}
	}
	return k
}

// subtitleOf is the geometry of a scan in one line.
func subtitleOf(h *nifti.Header) string {
	nx, ny, nz, nt := h.Shape()
	v := h.VoxelSize()
	return fmt.Sprintf("%d × %d × %d voxels of %.3g × %.3g × %.3g mm, %d volumes", nx, ny, nz, v[0], v[1], v[2], nt)
}

// scannerTable turns directions to scanner axes where the file tells them.
func scannerTable(t *gradients.Table, h *nifti.Header) *gradients.Table {
	affine, how := h.Affine()
	if t == nil || how == nifti.NoOrientation {
		return t
	}
	return t.ToScanner(affine)
}

// settingsLine is the parameters in one line, such as "Prior auto, Schedule cosine".
func settingsLine(p runParameters) string {
	data, err := encodeJSON(p)
	if err != nil {
		return ""
	}
	return strings.Join(strings.Fields(strings.NewReplacer("{", "", "}", "", `"`, "", ":", "").Replace(string(data))), " ")
}
