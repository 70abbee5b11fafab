package impute

import (
	"context"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// sliceMoments are the sums over the sampled voxels of one slice, signals taken
// relative to a reference: all that estimation and detection need, because
// everything lost is lost for a whole slice.
type sliceMoments struct {
	n    int
	sum  []float64 // D
	gram []float64 // D×D, both triangles
}

// Moments are the sufficient statistics of a scan, slice by slice.
type Moments struct {
	D         int
	reference []float64 // D, taken off every signal
	slices    []sliceMoments
}

// sampledRows is the number of voxels per volume, over the whole scan, that
// moments are taken from: enough for a covariance; leastPerSlice keeps slices
// testable one by one.
const (
	sampledRows   = 60
	leastPerSlice = 200
)

// NewMoments gathers the moments of a volume-major image (nx*ny*nz voxels a
// volume) over the voxels of within, a subset where there are many. What stands
// in lost slices is not read; values that are not finite count as their volume's
// mean.
func NewMoments(ctx context.Context, image []float32, nx, ny int, within []bool, lost *Lost, threads int) (*Moments, error) {
	d, nz := lost.Volumes, lost.Slices
	m := &Moments{D: d, slices: make([]sliceMoments, nz), reference: make([]float64, d)}
	perSlice := max(leastPerSlice, sampledRows*d/max(nz, 1))
	picked := make([][]int, nz)
	for z := range nz {
		picked[z] = sample(within[z*nx*ny:(z+1)*nx*ny], perSlice)
	}
	size := nx * ny * nz
	err := signals.EachTask(ctx, d, threads, func(_, i int) error {
		sum, n := 0.0, 0
		for z, rows := range picked {
			if lost.Is(i, z) {
				continue
			}
			for _, v := range rows {
				if x := float64(image[i*size+z*nx*ny+v]); x-x == 0 {
					sum += x
					n++
				}
			}
		}
		m.reference[i] = sum / float64(max(n, 1))
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = signals.EachTask(ctx, nz, threads, func(_, z int) error {
		rows := make([]float64, len(picked[z])*d)
		for i := range d {
			if lost.Is(i, z) {
				continue
			}
			volume := image[i*size+z*nx*ny : i*size+(z+1)*nx*ny]
			for r, v := range picked[z] {
				if x := float64(volume[v]); x-x == 0 {
					rows[r*d+i] = x - m.reference[i]
				}
			}
		}
		m.slices[z] = newSliceMoments(rows, d)
		return nil
	})
	return m, err
}

// sample picks at most n of the voxels of within, evenly.
func sample(within []bool, n int) []int {
	total := 0
	for _, in := range within {
		if in {
			total++
		}
	}
	n = min(n, total)
	out := make([]int, 0, n)
	seen := 0
	for v, in := range within {
		if in {
			if len(out) < n && seen*n/total >= len(out) {
				out = append(out, v)
			}
			seen++
		}
	}
	return out
}

func newSliceMoments(rows []float64, d int) sliceMoments {
	s := sliceMoments{n: len(rows) / d, sum: make([]float64, d), gram: make([]float64, d*d)}
	if s.n == 0 {
		return s
	}
	for r := range s.n {
		for i, x := range rows[r*d : (r+1)*d] {
			s.sum[i] += x
		}
	}
	blas64.Syrk(blas.Trans, 1, blas64.General{Rows: s.n, Cols: d, Stride: d, Data: rows}, 0,
		blas64.Symmetric{N: d, Stride: d, Data: s.gram, Uplo: blas.Upper})
	mirror(s.gram, d)
	return s
}

// mirror copies the upper triangle of a d×d matrix to the lower one.
func mirror(a []float64, d int) {
	for i := range d {
		for j := range i {
			a[i*d+j] = a[j*d+i]
		}
	}
}
