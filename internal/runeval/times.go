package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// times holds wall time and memory against dwidenoise with the same threads.
func (e *evaluation) times() (string, error) {
	_, peer := exec.LookPath("dwidenoise")
	lines := []string{"| scan | command | wall | peak memory | of the scan in float32 |", "|---|---|---|---|---|"}
	for _, c := range []struct{ name, protocol, must string }{
		{"64×64×24×70, mask", "clinical", "must ≤ 0.5, aim ≤ 0.15"}, {"64×64×24×288, mask", "hcp", "must ≤ 0.1, aim ≤ 0.02"},
	} {
		dir, err := e.phantom("time-"+c.protocol, "--protocol", c.protocol, "--snr", "20", "--rician", "--seed", "71")
		if err != nil {
			return "", err
		}
		scan, mask, out, threads := filepath.Join(dir, "dwi.nii.gz"), filepath.Join(dir, "mask.nii.gz"), filepath.Join(dir, "out.nii.gz"), fmt.Sprint(e.threads)
		h, err := nifti.ReadHeader(scan)
		if err != nil {
			return "", err
		}
		nx, ny, nz, nt := h.Shape()
		size := float64(nx*ny*nz*nt) * 4
		ours, err := e.best(3, e.bin, "run", scan, out, "--mask", mask, "--no-qc", "--force", "-q", "--nthreads", threads)
		if err != nil {
			return "", err
		}
		fast, err := e.best(3, e.bin, "run", scan, out, "--mask", mask, "--no-qc", "--force", "-q", "--nthreads", threads, "--prior", "gaussian")
		if err != nil {
			return "", err
		}
		line := func(command string, u usage) {
			lines = append(lines, fmt.Sprintf("| %s | %s | %.2f s | %.0f MB | %.2f × |", c.name, command, u.seconds, float64(u.peak)/1e6, float64(u.peak)/size))
		}
		line("dmri-denoise run", ours)
		line("dmri-denoise run --prior gaussian", fast)
		if peer != nil {
			continue
		}
		theirs, err := e.best(1, "dwidenoise", "-quiet", "-force", "-nthreads", threads, "-mask", mask, scan, filepath.Join(dir, "dwidenoise.nii.gz"))
		if err != nil {
			return "", err
		}
		line("dwidenoise", theirs)
		lines = append(lines, fmt.Sprintf("| | ratio of wall times (%s) | **%.3f**, --prior gaussian %.3f | | |", c.must, ours.seconds/theirs.seconds, fast.seconds/theirs.seconds))
	}
	if peer != nil {
		e.missing = append(e.missing, "dwidenoise")
	}
	return strings.Join(lines, "\n"), nil
}

// best is the fastest of some runs.
func (e *evaluation) best(n int, name string, args ...string) (usage, error) {
	var least usage
	for i := range n {
		u, err := e.timed(name, args...)
		if err != nil {
			return u, err
		}
		if i == 0 || u.seconds < least.seconds {
			least = u
		}
	}
	return least, nil
}
