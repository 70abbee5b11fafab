package batch

import (
	"fmt"
	"path/filepath"

	"github.com/dmri-denoise/dmri-denoise/internal/bids"
)

// Prepare makes the output folder a derived data set of d: its description, and what else belongs to its root. It refuses
// a folder in which another program's data set lives.
func (e *Executor) Prepare(d *bids.Dataset) error {
	if err := bids.CheckOutput(e.OutDir, e.Generator.Name); err != nil {
		return err
	}
	for name, text := range map[string]string{
		bids.IgnoreFile: bids.IgnoreText, "descriptions.tsv": bids.DescriptionsTable,
		filepath.Join(logFolder, "CITATION.md"): e.citation(),
	} {
		if path := filepath.Join(e.OutDir, name); !exists(path) { // the user may have added to it
			if err := writeBytes(path, []byte(text)); err != nil {
				return err
			}
		}
	}
	return writeJSON(filepath.Join(e.OutDir, bids.DescriptionFile), d.Derived(e.OutDir, e.Generator))
}

// citation is a paragraph for the methods section of a paper.
func (e *Executor) citation() string {
	return fmt.Sprintf(`Diffusion-weighted images were denoised with %s %s (%s), before any interpolation. The noise level of every voxel was
estimated from the scan; the denoised image is the posterior mean of a denoising diffusion model (Ho et al. 2020; Nichol &
Dhariwal 2021) started at the timestep that matches the noise, under a prior learned from the scan. Settings and figures of each
scan are in the .json beside it.
`, e.Generator.Name, e.Version, e.Generator.CodeURL)
}
