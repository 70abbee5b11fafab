package denoise

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// find fills lost.
func (j *imputation) find(ctx context.Context) error {
	nx, ny, nz, nt := j.im.Dims()
	j.lost = impute.NewLost(nt, nz)
	if j.o.Imputing.Mode == ImputeOff {
		return nil
	}
	j.o.Progress(StageImpute, 0, 1)
	defer j.o.Progress(StageImpute, 1, 1)
	if err := j.lost.AddSpans(j.o.Imputing.Lost); err != nil {
		return err
	}
	impute.FindMissing(j.im.Voxels(), nx, ny, j.lost)
	if nt-len(j.lost.WholeVolumes()) < 2 {
		if j.o.Imputing.Mode == ImputeNamed {
			return fmt.Errorf("%w: fewer than two volumes are left", ErrNotImputable)
		}
		j.lost = impute.NewLost(nt, nz) // nothing to lean on; the pipeline says what is wrong
		return nil
	}
	if j.mask = j.o.Mask; j.mask == nil {
		j.mask = signals.Foreground(impute.MeanOfMeasured(j.im.Voxels(), nx, ny, j.lost), nx, ny, nz, nil)
	}
	if j.o.Imputing.Mode == ImputeAuto {
		return j.detect(ctx, nx, ny)
	}
	return nil
}

// detect looks for slices that do not belong. A scan in which no prediction
// can be learned has none.
func (j *imputation) detect(ctx context.Context, nx, ny int) error {
	moments, err := impute.NewMoments(ctx, j.im.Voxels(), nx, ny, j.mask, j.lost, j.o.Threads)
	if err != nil {
		return err
	}
	largest, err := impute.Detect(moments, j.lost, j.groups(), impute.DetectOptions{})
	if errors.Is(err, impute.ErrTooLittle) {
		return nil
	}
	j.summary.LargestZ = largest
	return err
}

// groups are the volumes of each shell; none on a q-space grid, or without a
// table.
func (j *imputation) groups() [][]int {
	if j.table == nil {
		return nil
	}
	shells := j.table.Shells(j.o.B0Threshold)
	if shells.Gridded {
		return nil
	}
	var out [][]int
	for _, s := range shells.All {
		out = append(out, s.Volumes)
	}
	return out
}

// separate keeps the volumes lost altogether apart. Those that nothing left
// can predict are an error if the user named them, and stay as they are
// otherwise.
func (j *imputation) separate() error {
	for {
		j.whole = j.lost.WholeVolumes()
		j.kept = nil
		for n := range j.lost.Volumes {
			if !slices.Contains(j.whole, n) {
				j.kept = append(j.kept, n)
			}
		}
		j.keptTable = j.table.Select(j.kept)
		hopeless, reason := j.hopeless()
		if hopeless < 0 {
			break
		}
		why, _ := j.lost.Why(hopeless, 0)
		if why == impute.Named {
			return fmt.Errorf("%w: volume %d: %w", ErrNotImputable, hopeless, reason)
		}
		j.note("volume %d is lost (%s) but stays as it is: %v", hopeless, why, reason)
		j.lost.Restore(hopeless)
	}
	j.keptLost = j.lost.Without(j.whole)
	return j.checkTarget()
}

// checkTarget refuses a target table that cannot be predicted before any work.
func (j *imputation) checkTarget() error {
	target := j.o.Imputing.Target
	if target == nil {
		return nil
	}
	if j.table == nil {
		return fmt.Errorf("%w: %w", ErrNotImputable, errNoTable)
	}
	space, err := gradients.NewQSpace(j.keptTable, j.o.B0Threshold, 2)
	if err == nil {
		err = impute.CheckTargets(space, target, j.o.Imputing.Extrapolate)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotImputable, err)
	}
	return nil
}

var errNoTable = errors.New("directions that were not measured cannot be predicted without a gradient table")

// hopeless returns a whole volume that cannot be predicted, and why; -1 if
// there is none.
func (j *imputation) hopeless() (int, error) {
	if len(j.whole) == 0 {
		return -1, nil
	}
	if j.table == nil {
		return j.whole[0], errNoTable
	}
	space, err := gradients.NewQSpace(j.keptTable, j.o.B0Threshold, 2)
	if err != nil {
		return j.whole[0], err
	}
	for _, n := range j.whole {
		if err := impute.CheckTargets(space, j.table.Select([]int{n}), false); err != nil {
			return n, err
		}
	}
	return -1, nil
}

// keptSeries returns the series without the volumes lost altogether: the image
// itself if there are none.
func (j *imputation) keptSeries() *nifti.Image {
	if len(j.whole) == 0 {
		return j.im
	}
	return j.im.Select(j.kept)
}
