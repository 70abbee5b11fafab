package qc

import (
	"fmt"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// Outcome is a scan before and after any denoiser, with what is known of it.
// Before and After are series on the grid with the same number of volumes.
type Outcome struct {
	Grid          Grid
	Before, After []float32
	Sigma         []float32        // standard deviation of the noise, one volume; nil means unknown
	Mask          []bool           // voxels that statistics are taken on; nil means [Foreground] of the mean of the lowest shell
	Table         *gradients.Table // nil means unknown
	Shells        gradients.Shells // of Table; filled in from it if empty
}

// Complete checks lengths and fills in what can be derived: shells from the table,
// the mask from the mean of the lowest shell. Errors are [ErrInput].
func (o Outcome) Complete() (Outcome, error) {
	n := o.Grid.Voxels()
	if n <= 0 || len(o.Before) == 0 || len(o.Before)%n != 0 || len(o.Before) != len(o.After) {
		return o, fmt.Errorf("series of %d and %d values on a grid of %d×%d×%d: both must hold the same number of whole volumes: %w",
			len(o.Before), len(o.After), o.Grid.NX, o.Grid.NY, o.Grid.NZ, ErrInput)
	}
	if o.Sigma != nil && len(o.Sigma) != n {
		return o, fmt.Errorf("noise map of %d voxels on a grid of %d: %w", len(o.Sigma), n, ErrInput)
	}
	if o.Table != nil {
		if err := o.Table.Check(o.volumes()); err != nil {
			return o, fmt.Errorf("%w: %w", err, ErrInput)
		}
		if len(o.Shells.All) == 0 {
			o.Shells = o.Table.Shells(gradients.DefaultB0Threshold)
		}
	}
	if err := checkShells(o.Shells.All, o.volumes()); err != nil {
		return o, err
	}
	if o.Mask == nil {
		o.Mask = Foreground(o.anatomy())
	}
	if len(o.Mask) != n {
		return o, fmt.Errorf("mask of %d voxels on a grid of %d: %w", len(o.Mask), n, ErrInput)
	}
	for _, in := range o.Mask {
		if in {
			return o, nil
		}
	}
	return o, fmt.Errorf("the mask is empty: %w", ErrInput)
}

func (o *Outcome) volumes() int { return len(o.Before) / o.Grid.Voxels() }

// volume returns volume v before and after.
func (o *Outcome) volume(v int) (before, after []float32) {
	n := o.Grid.Voxels()
	return o.Before[v*n : (v+1)*n], o.After[v*n : (v+1)*n]
}

// lowest returns the volumes of the lowest shell, the first volume without a
// table.
func (o *Outcome) lowest() []int {
	if len(o.Shells.All) > 0 {
		return o.Shells.All[0].Volumes
	}
	return []int{0}
}

// anatomy is the mean of the volumes of the lowest shell, before denoising.
func (o *Outcome) anatomy() []float32 {
	mean := make([]float32, o.Grid.Voxels())
	volumes := o.lowest()
	for _, v := range volumes {
		before, _ := o.volume(v)
		for i, y := range before {
			mean[i] += y / float32(len(volumes))
		}
	}
	return mean
}

// reportedShells are the shells that figures are given for one by one: all, or
// none if b-values form no shells.
func (o *Outcome) reportedShells() []gradients.Shell {
	if o.Shells.Gridded {
		return nil
	}
	return o.Shells.All
}

// ShellLabel names a shell in figures and files: b0, or the rounded b-value, such
// as b1000.
func ShellLabel(s gradients.Shell) string {
	if s.IsB0 {
		return "b0"
	}
	return fmt.Sprintf("b%.0f", s.B)
}
