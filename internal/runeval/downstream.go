package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A study is a phantom that maps are made from.
type study struct{ name, protocol, snr, shape, noise string }

var studies = []study{
	{"clinical, SNR 20", "clinical", "20", "48,48,18", ""},
	{"clinical, SNR 10, Rician", "clinical", "10", "48,48,18", "--rician"},
	{"multishell, SNR 15, Rician", "multishell", "15", "40,40,14", "--rician"},
}

// patch2self is DIPY's with its defaults: arguments in, bval, out.
const patch2self = `import sys, warnings
warnings.filterwarnings("ignore")
import nibabel as nib, numpy as np
from dipy.denoise.patch2self import patch2self
im = nib.load(sys.argv[1])
out = patch2self(im.get_fdata(dtype=np.float32), np.loadtxt(sys.argv[2]).ravel(), out_dtype=np.float32)
nib.save(nib.Nifti1Image(out, im.affine), sys.argv[3])
`

// downstream tells what denoising does to the maps that people make: MRtrix fits
// the same models to every version of a scan, and what it makes of the
// noise-free one is the truth.
func (e *evaluation) downstream() (string, error) {
	if _, err := exec.LookPath("dwi2fod"); err != nil {
		e.missing = append(e.missing, "MRtrix (maps)")
		return "MRtrix was not there.", nil
	}
	lines := []string{"| scan | version | FA | MD, µm²/ms | direction, ° | 90 % | CSD peak, ° | peaks counted right | kurtosis | implausible |", "|---|---|---|---|---|---|---|---|---|---|"}
	for _, s := range studies {
		dir, err := e.phantom("maps-"+s.protocol+"-"+s.snr, append([]string{"--protocol", s.protocol, "--snr", s.snr, "--seed", "81", "--shape", s.shape}, strings.Fields(s.noise)...)...)
		if err != nil {
			return "", err
		}
		rows, err := e.study(dir, s)
		if err != nil {
			return "", fmt.Errorf("%s: %w", s.name, err)
		}
		lines = append(lines, rows...)
	}
	return strings.Join(lines, "\n"), nil
}

// version is one version of a scan, and what makes it.
type version struct {
	name, file string
	command    []string
}

// study makes the versions of one scan and holds their maps against the truth's.
func (e *evaluation) study(dir string, s study) ([]string, error) {
	in := func(name string) string { return filepath.Join(dir, name) }
	threads := fmt.Sprint(e.threads)
	ours := []string{e.bin, "run", in("dwi.nii.gz"), in("ours.nii.gz"), "--mask", in("mask.nii.gz"), "--no-qc", "--force", "-q", "--nthreads", threads}
	versions := []version{
		{"noisy", in("dwi.nii.gz"), nil},
		{"dwidenoise", in("dwidenoise.nii.gz"), []string{"dwidenoise", "-quiet", "-force", "-nthreads", threads, "-mask", in("mask.nii.gz"), "-noise", in("dwidenoise-noise.nii.gz"), in("dwi.nii.gz"), in("dwidenoise.nii.gz")}},
		{"Patch2Self", in("p2s.nii.gz"), []string{"/usr/bin/python3", "-c", patch2self, in("dwi.nii.gz"), in("dwi.bval"), in("p2s.nii.gz")}},
		{"ours", in("ours.nii.gz"), ours},
	}
	if strings.Contains(s.noise, "rician") {
		// The bias of magnitudes keeps what is fitted plausible: like is to be held against like.
		left := append(slices.Clone(ours), "--rician", "off")
		left[3] = in("ours-biased.nii.gz")
		versions = append(versions, version{"ours, --rician off", left[3], left},
			version{"dwidenoise, √(x²-σ²)", in("dwidenoise-unbiased.nii.gz"), []string{"mrcalc", "-quiet", "-force", in("dwidenoise.nii.gz"), "2", "-pow", in("dwidenoise-noise.nii.gz"), "2", "-pow", "-sub", "0", "-max", "-sqrt", in("dwidenoise-unbiased.nii.gz")}})
	}
	truth, err := e.fit(dir, in("truth.nii.gz"), s.protocol == "multishell")
	if err != nil {
		return nil, err
	}
	var rows []string
	for _, v := range versions {
		if v.command != nil {
			if v.name == "Patch2Self" && output("/usr/bin/python3", "-c", "import dipy.denoise.patch2self, sklearn") == "" && exec.Command("/usr/bin/python3", "-c", "import dipy, sklearn").Run() != nil {
				e.missing = append(e.missing, "Patch2Self (python3-dipy, python3-sklearn)")
				continue
			}
			if _, err := e.timed(v.command[0], v.command[1:]...); err != nil {
				return nil, err
			}
		}
		m, err := e.fit(dir, v.file, s.protocol == "multishell")
		if err != nil {
			return nil, err
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s |", s.name, v.name, m.against(truth)))
	}
	return rows, nil
}

// fit has MRtrix fit tensor, kurtosis and fibre orientations to one version of
// the scan in dir. The response is the truth's for all.
func (e *evaluation) fit(dir, file string, kurtosis bool) (*maps, error) {
	work := filepath.Join(dir, "fit")
	if err := os.MkdirAll(work, 0o755); err != nil {
		return nil, err
	}
	at := func(name string) string { return filepath.Join(work, name) }
	grad := []string{"-fslgrad", filepath.Join(dir, "dwi.bvec"), filepath.Join(dir, "dwi.bval")}
	mask := []string{"-mask", filepath.Join(dir, "mask.nii.gz"), "-quiet", "-force"}
	response := filepath.Join(dir, "response.txt")
	var commands [][]string
	add := func(args ...any) {
		var flat []string
		for _, a := range args {
			switch a := a.(type) {
			case string:
				flat = append(flat, a)
			case []string:
				flat = append(flat, a...)
			}
		}
		commands = append(commands, flat)
	}
	// The tensor is fitted to the shells up to b = 1500, where it holds.
	add("dwiextract", file, at("low.mif"), grad, "-shells", lowShells(kurtosis), "-quiet", "-force")
	add("dwi2tensor", at("low.mif"), at("dt.nii"), mask)
	add("tensor2metric", at("dt.nii"), mask, "-fa", at("fa.nii"), "-adc", at("md.nii"), "-vector", at("v1.nii"), "-modulate", "none")
	if _, err := os.Stat(response); err != nil {
		add("dwi2response", "tournier", file, response, grad, mask)
	}
	add("dwi2fod", "csd", file, response, at("fod.nii"), grad, mask)
	add("sh2peaks", at("fod.nii"), at("peaks.nii"), "-num", "4", mask)
	if kurtosis {
		add("dwi2tensor", file, at("dt3.nii"), "-dkt", at("dkt.nii"), grad, mask)
	}
	for _, c := range commands {
		if _, err := e.timed(c[0], c[1:]...); err != nil {
			return nil, err
		}
	}
	return readMaps(e.ctx, dir, work, kurtosis)
}

func lowShells(multi bool) string {
	if multi {
		return "0,700,1000"
	}
	return "0,1000"
}
