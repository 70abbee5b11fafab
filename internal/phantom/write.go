package phantom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// description is what phantom.json holds.
type description struct {
	Generator  string     `json:"generator"`
	Protocol   string     `json:"protocol,omitempty"`
	TableFiles []string   `json:"table_files,omitempty"`
	Volumes    int        `json:"volumes"`
	Shells     []shell    `json:"shells"`
	Shape      [3]int     `json:"shape"`
	VoxelSize  [3]float64 `json:"voxel_size_mm"`
	SNR        float64    `json:"snr"`
	Sigma      float64    `json:"sigma_mean_in_mask"`
	SigmaRatio float64    `json:"sigma_ratio_centre_to_rim"`
	Noise      string     `json:"noise"`
	Seed       uint64     `json:"seed"`
	MaskVoxels int        `json:"mask_voxels"`
	White      float64    `json:"white_matter_intensity_b0"`
	Physics    Physics    `json:"physics"`
}

type shell struct {
	B       float64 `json:"b_s_per_mm2"`
	Volumes int     `json:"volumes"`
}

func (p *Phantom) describe() description {
	o := p.Options
	d := description{
		Generator: "dmri-denoise phantom", Protocol: o.Protocol, Volumes: p.Table.Len(), Shape: o.Shape, VoxelSize: o.VoxelSize,
		SNR: o.SNR, Sigma: whiteIntensity / o.SNR, SigmaRatio: o.SigmaRatio, Noise: "gaussian", Seed: o.Seed,
		White: whiteIntensity, Physics: defaultPhysics(),
	}
	if o.Rician {
		d.Noise = "rician"
	}
	if o.Table != nil {
		d.Protocol = ""
		for _, name := range []string{o.Table.Files.BVal, o.Table.Files.BVec, o.Table.Files.Grad} {
			if name != "" {
				d.TableFiles = append(d.TableFiles, filepath.Base(name))
			}
		}
	}
	for _, s := range p.Table.Shells(gradients.DefaultB0Threshold).All {
		d.Shells = append(d.Shells, shell{s.B, len(s.Volumes)})
	}
	for _, m := range p.Mask.Voxels() {
		if m > 0 {
			d.MaskVoxels++
		}
	}
	return d
}

// Write saves the phantom into dir, which it makes if need be: dwi.nii.gz with dwi.bval and dwi.bvec, truth.nii.gz,
// mask.nii.gz, sigma.nii.gz and phantom.json with all parameters. Existing files are refused before anything is written,
// unless force is set. dwi.nii.gz is written last, so a new one is there only if the rest is.
func (p *Phantom) Write(ctx context.Context, dir string, force bool) error {
	path := func(name string) string { return filepath.Join(dir, name) }
	if !force {
		for _, name := range []string{"dwi.nii.gz", "dwi.bval", "dwi.bvec", "truth.nii.gz", "mask.nii.gz", "sigma.nii.gz", "phantom.json"} {
			if _, err := os.Lstat(path(name)); !errors.Is(err, fs.ErrNotExist) {
				if err == nil {
					err = fs.ErrExist
				}
				return fmt.Errorf("phantom: %s: %w; choose another folder or force overwriting", path(name), err)
			}
		}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("phantom: %w", err)
	}
	if err := p.writeDescription(path("phantom.json")); err != nil {
		return fmt.Errorf("phantom: %w", err)
	}
	if err := gradients.WriteFSL(p.Table, path("dwi.bval"), path("dwi.bvec"), force); err != nil {
		return fmt.Errorf("phantom: %w", err)
	}
	for _, out := range []struct {
		im   *nifti.Image
		name string
	}{{p.Mask, "mask.nii.gz"}, {p.Sigma, "sigma.nii.gz"}, {p.Truth, "truth.nii.gz"}, {p.Noisy, "dwi.nii.gz"}} {
		if err := out.im.Write(ctx, path(out.name), nifti.WriteOptions{Force: force}); err != nil {
			return fmt.Errorf("phantom: %w", err)
		}
	}
	return nil
}

// writeDescription writes phantom.json under a temporary name and renames it once it is on disk.
func (p *Phantom) writeDescription(path string) error {
	text, err := json.MarshalIndent(p.describe(), "", "  ")
	if err != nil {
		return err
	}
	temp := fmt.Sprintf("%s.tmp-%d", path, os.Getpid())
	file, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		os.Remove(temp)
	}
	return err
}
