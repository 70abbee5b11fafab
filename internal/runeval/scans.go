package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/denoise"
)

// told is what `run --json` says.
type told struct {
	Summary  denoise.Summary
	Residual struct {
		Mean  float64    `json:"mean"`
		Std   float64    `json:"std_over_sigma"`
		Lag1  [3]float64 `json:"lag1_autocorrelation_xyz"`
		Edges float64    `json:"edge_correlation"`
	}
	Warnings []string
	Seconds  float64
	Peak     int64 `json:"peak_memory_bytes"`
}

// denoised runs the program on a scan and returns what it told.
func (e *evaluation) denoised(scan, out string, args ...string) (*told, error) {
	args = append([]string{"run", scan, out, "--force", "-q", "--json", "--nthreads", fmt.Sprint(e.threads)}, args...)
	data, err := exec.CommandContext(e.ctx, e.bin, args...).Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", e.bin, strings.Join(args, " "), err)
	}
	t := &told{}
	return t, json.Unmarshal(data, t)
}

const residualHeader = "| scan | volumes | σ, median | noise ρ(1) x, y, z | removed / σ² | removed, ρ(1) x, y, z | with edges | prior | estimated error |\n|---|---|---|---|---|---|---|---|---|"

func (t *told) line(name string) string {
	error := "–"
	for _, r := range t.Summary.Prior.Risks {
		if r.Prior == t.Summary.Prior.Chosen {
			error = fmt.Sprintf("%.2f", r.RMSE)
		}
	}
	rho := "–"
	if c := t.Summary.Sigma.Correlation; c != nil {
		rho = fmt.Sprintf("%.2f %.2f %.2f", c[0], c[1], c[2])
	}
	lag := t.Residual.Lag1
	return fmt.Sprintf("| %s | %d | %.4g | %s | %.2f | %+.2f %+.2f %+.2f | %+.2f | %s | %s |", name, t.Summary.Volumes, t.Summary.Sigma.Median, rho,
		t.Residual.Std*t.Residual.Std, lag[0], lag[1], lag[2], t.Residual.Edges, t.Summary.Prior.Chosen, error)
}

// real tells what was removed from real scans.
func (e *evaluation) real() (string, error) {
	lines := []string{residualHeader}
	for _, scan := range []string{"head-raw/10_DWI_dir80_PA.nii.gz", "tissue-tiny/dwi.nii.gz", "uint16/dti_tra_dir16_AP_9_134431.nii.gz",
		"interpolated/Galan_8006_DTI_AX_30d.nii.gz", "small-64dir/small_64D.nii", "noise-phantom/dwi.nii.gz", "tissue-msmt/dwi.nii.gz"} {
		path, name := filepath.Join(e.data, scan), filepath.Dir(scan)
		if _, err := os.Stat(path); err != nil {
			e.missing = append(e.missing, name)
			continue
		}
		t, err := e.denoised(path, filepath.Join(e.work, name+".nii.gz"), "--no-qc")
		if err != nil {
			return "", err
		}
		lines = append(lines, t.line(name))
	}
	return strings.Join(lines, "\n"), nil
}

// residuals tells the same of phantoms, from which the bounds come.
func (e *evaluation) residuals() (string, error) {
	lines := []string{residualHeader}
	for _, protocol := range []string{"small", "clinical", "multishell"} {
		for _, snr := range []string{"12", "25"} {
			name := protocol + " " + snr
			dir, err := e.phantom("residual-"+protocol+"-"+snr, "--protocol", protocol, "--snr", snr, "--rician", "--seed", "51", "--shape", "48,48,18")
			if err != nil {
				return "", err
			}
			t, err := e.denoised(filepath.Join(dir, "dwi.nii.gz"), filepath.Join(dir, "out.nii.gz"), "--no-qc", "--mask", filepath.Join(dir, "mask.nii.gz"))
			if err != nil {
				return "", err
			}
			lines = append(lines, t.line(name+", Rician"))
		}
	}
	return strings.Join(lines, "\n"), nil
}

// compared is what `compare --json` says.
type compared struct {
	Shells []struct {
		BValue  float64        `json:"b_value"`
		Figures comparedValues `json:"figures"`
	} `json:"shells"`
	All comparedValues `json:"all"`
}

type comparedValues struct {
	RMSE float64 `json:"rmse_over_sigma"`
	Bias float64 `json:"bias_over_sigma"`
}

// compare holds a result of a phantom against its truth.
func (e *evaluation) compare(dir, out string, sigma float64) (*compared, error) {
	args := []string{"compare", filepath.Join(dir, "truth.nii.gz"), out, "--mask", filepath.Join(dir, "mask.nii.gz"),
		"--bval", filepath.Join(dir, "dwi.bval"), "--sigma", fmt.Sprint(sigma), "--json"}
	data, err := exec.CommandContext(e.ctx, e.bin, args...).Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", e.bin, strings.Join(args, " "), err)
	}
	c := &compared{}
	return c, json.Unmarshal(data, c)
}

// rician tells the bias that is left of magnitude noise, shell by shell.
func (e *evaluation) rician() (string, error) {
	lines := []string{"| scan | RMSE | bias, all | bias by shell | with --rician off |", "|---|---|---|---|---|"}
	for _, c := range []struct {
		protocol string
		snr      float64
		shape    string
	}{{"clinical", 10, "48,48,18"}, {"clinical", 5, "48,48,18"}, {"multishell", 15, "36,36,16"}, {"multishell", 10, "36,36,16"}} {
		dir, err := e.phantom(fmt.Sprintf("rician-%s-%.0f", c.protocol, c.snr), "--protocol", c.protocol, "--snr", fmt.Sprint(c.snr), "--rician", "--seed", "61", "--shape", c.shape)
		if err != nil {
			return "", err
		}
		var figures [2]*compared
		for i, mode := range []string{"on", "off"} {
			out := filepath.Join(dir, "out.nii.gz")
			if _, err := e.denoised(filepath.Join(dir, "dwi.nii.gz"), out, "--no-qc", "--rician", mode, "--mask", filepath.Join(dir, "mask.nii.gz")); err != nil {
				return "", err
			}
			if figures[i], err = e.compare(dir, out, 1000/c.snr); err != nil { // phantoms count SNR from 1000
				return "", err
			}
		}
		var shells []string
		for _, s := range figures[0].Shells {
			shells = append(shells, fmt.Sprintf("b %.0f %+.3f", s.BValue, s.Figures.Bias))
		}
		lines = append(lines, fmt.Sprintf("| %s, SNR %.0f | %.3f | **%+.4f** | %s | %+.3f |", c.protocol, c.snr, figures[0].All.RMSE, figures[0].All.Bias,
			strings.Join(shells, ", "), figures[1].All.Bias))
	}
	return strings.Join(lines, "\n"), nil
}
