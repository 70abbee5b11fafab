package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/impute/baseline"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// method is one column of a table.
type method struct {
	name    string
	predict func(dst []float64, y []float32)
}

// ridge is the usual Laplace-Beltrami penalty of spherical harmonic fits.
const ridge = 0.006

// baselines makes the established methods for two tables; rows are the signals
// that hyper-parameters are fitted to.
func baselines(measured, target *gradients.Table, rows []float32) ([]method, error) {
	const b0 = gradients.DefaultB0Threshold
	var out []method
	for _, order := range []int{4, 6, 8} {
		l, err := baseline.SHRidge(measured, target, b0, order, ridge)
		if err != nil {
			return nil, err
		}
		out = append(out, method{fmt.Sprintf("SH %d", order), l.Predict})
	}
	spherical, err := baseline.NewSpherical(measured, target, b0, rows)
	if err != nil {
		return nil, err
	}
	nearest, err := baseline.Nearest(measured, target, b0)
	if err != nil {
		return nil, err
	}
	return append(out, method{"spherical GP", spherical.Predict}, method{"tensor", baseline.NewTensor(measured, target).Predict},
		method{"nearest", nearest.Predict}), nil
}

// rowsOf reads the series voxel by voxel inside a mask.
func rowsOf(im *nifti.Image, in func(v int) bool) (rows []float32, voxels []int) {
	nx, ny, nz, nt := im.Dims()
	for v := range nx * ny * nz {
		if !in(v) {
			continue
		}
		voxels = append(voxels, v)
		for n := range nt {
			rows = append(rows, im.Volume(n)[v])
		}
	}
	return rows, voxels
}

// errors collects squared errors.
type squares struct{ sum, noise, n float64 }

func (q *squares) add(d, noise float64) {
	q.sum += d * d
	q.noise += noise * noise
	q.n++
}

// rmse takes off the noise that the truth itself carries.
func (q *squares) rmse() float64 { return math.Sqrt(max(q.sum-q.noise, 0) / max(q.n, 1)) }

// result of one scan: errors in units of the noise.
type row struct {
	name  string
	names []string
	error []float64
}

// bestSH and ratio compare with the best of the three SH fits.
func (r row) bestSH() float64 { return min(r.error[1], r.error[2], r.error[3]) }

func (r row) spherical() float64 { return r.error[4] }

// compare predicts the held volumes of a scan by our method and by the others,
// from the same denoised series.
func (e *evaluation) compare(s *scan, kept, held []int) (row, error) {
	r, err := denoise.Run(e.ctx, s.noisy.Select(kept), s.table.Select(kept), e.options(s, denoise.Imputing{Mode: denoise.ImputeOff, Target: s.table.Select(held), Std: true}))
	if err != nil {
		return row{}, err
	}
	rows, voxels := rowsOf(r.Denoised, func(v int) bool { return r.Mask[v] })
	methods, err := baselines(s.table.Select(kept), s.table.Select(held), rows)
	if err != nil {
		return row{}, err
	}
	noise, unit := 0.0, s.sigma
	if s.truthNoisy {
		noise, unit = r.Summary.Sigma.Median, r.Summary.Sigma.Median
	}
	out := row{name: s.name, names: []string{"ours"}}
	ours := &squares{}
	for t, n := range held {
		for _, v := range voxels {
			ours.add(float64(r.Imputed.Target.Volume(t)[v]-s.truth.Volume(n)[v]), noise)
		}
	}
	out.error = append(out.error, ours.rmse()/unit)
	for _, m := range methods {
		out.names = append(out.names, m.name)
		out.error = append(out.error, s.errorOf(m, rows, voxels, kept, held, noise)/unit)
	}
	e.addCoverage(s, r, held, voxels)
	return out, nil
}

// errorOf is the error of one method.
func (s *scan) errorOf(m method, rows []float32, voxels, kept, held []int, noise float64) float64 {
	q := &squares{}
	dst := make([]float64, len(held))
	for k, v := range voxels {
		m.predict(dst, rows[k*len(kept):(k+1)*len(kept)])
		for t, n := range held {
			q.add(dst[t]-float64(s.truth.Volume(n)[v]), noise)
		}
	}
	return q.rmse()
}

// table writes rows as Markdown, with the ratios that the targets are about.
func table(rows []row) string {
	if len(rows) == 0 {
		return "no scan\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| scan | %s | ours / best SH | ours / spherical GP |\n|---|%s---|---|\n", strings.Join(rows[0].names, " | "), strings.Repeat("---|", len(rows[0].names)))
	sumSH, sumGP := 0.0, 0.0
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s |", r.name)
		for i, x := range r.error {
			if i == 0 {
				fmt.Fprintf(&b, " **%.3f** |", x)
			} else {
				fmt.Fprintf(&b, " %.3f |", x)
			}
		}
		sh, gp := r.error[0]/r.bestSH(), r.error[0]/r.spherical()
		sumSH += sh
		sumGP += gp
		fmt.Fprintf(&b, " %.3f | %.3f |\n", sh, gp)
	}
	if n := float64(len(rows)); n > 1 {
		fmt.Fprintf(&b, "| mean |%s %.3f | %.3f |\n", strings.Repeat(" |", len(rows[0].names)), sumSH/n, sumGP/n)
	}
	return b.String()
}

// held holds out one in eight directions of each shell.
func (e *evaluation) held() (string, error) {
	scans, err := e.all()
	if err != nil {
		return "", err
	}
	var rows []row
	for _, s := range scans {
		kept, held := s.every(8)
		r, err := e.compare(s, kept, held)
		if err != nil {
			return "", fmt.Errorf("%s: %w", s.name, err)
		}
		rows = append(rows, r)
	}
	return table(rows), nil
}

// half predicts 32 directions from the 32 others.
func (e *evaluation) half() (string, error) {
	var rows []row
	for _, snr := range []float64{20, 12} {
		s, err := e.phantomScan(fmt.Sprintf("phantom clinical, SNR %.0f", snr), "clinical", [3]int{48, 48, 16}, snr, false, 14)
		if err != nil {
			return "", err
		}
		kept, held := s.every(2)
		r, err := e.compare(s, kept, held)
		if err != nil {
			return "", err
		}
		rows = append(rows, r)
	}
	return table(rows), nil
}
