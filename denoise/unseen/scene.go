package unseen

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/denoise/impute/baseline"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// ErrTable reports a gradient table or points that the prior is not made for:
// q-space grids, and points on no shell of the scan.
var ErrTable = errors.New("unseen: not for such gradient tables")

// Scene is one scan from which points of q-space are foretold: its denoised
// volumes, and the Gaussian prediction of the points.
type Scene struct {
	Grid   *signals.Grid
	D      int
	Clean  []float32        // rows × D, denoised, in units of the noise
	Table  *gradients.Table // of the D volumes
	Points *gradients.Table // what is foretold, on shells of the table
	Mean   []float32        // rows × points: the Gaussian prediction
	Claim  []float32        // rows × points: the variance that the Gaussian model claims
	// Error is the variance of the errors of Mean beyond Claim, per shell of the
	// table in the order of Table.Shells.
	Error []float64

	given   *impute.QConditional
	tensor  *baseline.Tensor
	sh      *baseline.Linear
	shells  []gradients.Shell
	of      []int       // per point, its shell
	kernels [][]float32 // per point, kernelCount × volumes of its shell
	gap     []float32   // per point, sin² of the angle to the nearest direction
}

// kernelWidths are the widths of averages over q-space, as the sine of an angle:
// about 12° and 30°, and the whole shell.
var kernelWidths = [...]float64{0.2, 0.5, 3}

const (
	kernelCount = len(kernelWidths)
	classCount  = 3 // parts of the Gaussian mixture
	shOrder     = 4
	shRidge     = 0.006
)

// NewScene prepares a scene; the caller fills in Mean, Claim and Error. given is
// the conditional of the points given the table's volumes. Tables without shells,
// and points that lie on none, are an [ErrTable].
func NewScene(grid *signals.Grid, clean []float32, table, points *gradients.Table, given *impute.QConditional, b0Threshold float64) (*Scene, error) {
	shells := table.Shells(b0Threshold)
	if shells.Gridded {
		return nil, fmt.Errorf("%w: a q-space grid", ErrTable)
	}
	s := &Scene{Grid: grid, D: table.Len(), Clean: clean, Table: table, Points: points, given: given, shells: shells.All, tensor: baseline.NewTensor(table, points)}
	var err error
	if s.sh, err = baseline.SHRidge(table, points, b0Threshold, shOrder, shRidge); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTable, err)
	}
	for p, b := range points.BVals {
		k := 0
		for i := range s.shells {
			if math.Abs(s.shells[i].B-b) < math.Abs(s.shells[k].B-b) {
				k = i
			}
		}
		s.of = append(s.of, k)
		kernels, gap := kernelsAt(points.BVecs[p], table, s.shells[k])
		s.kernels, s.gap = append(s.kernels, kernels), append(s.gap, gap)
	}
	return s, nil
}

// kernelsAt returns the weights exp(-sin²θ/2w²) of the directions of a shell
// about an axis for each width (Watson's distribution), and the least sin²θ.
// Volumes without diffusion weighting all count the same.
func kernelsAt(g [3]float64, t *gradients.Table, s gradients.Shell) (weights []float32, gap float32) {
	n := len(s.Volumes)
	weights, gap = make([]float32, kernelCount*n), 1
	for k, width := range kernelWidths {
		row, sum := weights[k*n:(k+1)*n], 0.0
		for j, v := range s.Volumes {
			u := t.BVecs[v]
			cos := u[0]*g[0] + u[1]*g[1] + u[2]*g[2]
			away := max(1-cos*cos, 0)
			if s.IsB0 {
				away = 0
			}
			gap = min(gap, float32(away))
			f := math.Exp(-away / (2 * width * width))
			row[j] = float32(f)
			sum += f
		}
		for j := range row {
			row[j] /= float32(max(sum, 1e-30))
		}
	}
	return weights, gap
}

// variance returns τ² of a point in a row.
func (s *Scene) variance(row, point int) float64 {
	return float64(s.Claim[row*s.Points.Len()+point]) + s.Error[s.of[point]]
}

// Shells returns how many shells Error is for.
func (s *Scene) Shells() int { return len(s.shells) }

// ShellOf returns the shell of a point.
func (s *Scene) ShellOf(point int) int { return s.of[point] }

// Foretell fills in Mean and Claim by the Gaussian model.
func (s *Scene) Foretell(ctx context.Context, threads int) error {
	n := s.Points.Len()
	s.Mean, s.Claim = make([]float32, s.Grid.Len()*n), make([]float32, s.Grid.Len()*n)
	type work struct {
		voxel *impute.QVoxel
		x     []float64
	}
	workers := make([]*work, signals.Threads(threads))
	return signals.EachRange(ctx, s.Grid.Len(), rowsAtOnce, threads, func(worker, from, to int) error {
		if workers[worker] == nil {
			workers[worker] = &work{s.given.NewVoxel(), make([]float64, n)}
		}
		w := workers[worker]
		put := func(dst []float32) {
			for p, x := range w.x {
				dst[p] = float32(x)
			}
		}
		for r := from; r < to; r++ {
			w.voxel.Read(s.Clean[r*s.D : (r+1)*s.D])
			w.voxel.Mean(w.x)
			put(s.Mean[r*n : (r+1)*n])
			w.voxel.Variance(w.x)
			put(s.Claim[r*n : (r+1)*n])
		}
		return nil
	})
}

// ErrorsBeyond sets Error from values that are known of the points, over rows for
// which wanted is true (nil meaning all).
func (s *Scene) ErrorsBeyond(known Known, wanted []bool) {
	sums, counts := make([]float64, len(s.shells)), make([]float64, len(s.shells))
	points := s.Points.Len()
	for r := range s.Grid.Len() {
		if wanted != nil && !wanted[r] {
			continue
		}
		for p := range points {
			if value, noise, ok := known(r, p); ok {
				d := value - float64(s.Mean[r*points+p])
				sums[s.of[p]] += d*d - noise - float64(s.Claim[r*points+p])
				counts[s.of[p]]++
			}
		}
	}
	for k, n := range counts {
		sums[k] = max(sums[k]/max(n, 1), leastVariance)
	}
	s.Error = sums
}
