package signals

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// Signals are the values of every voxel of a grid in every volume.
type Signals struct {
	*Grid
	D      int       // number of volumes
	Values []float32 // Len() × D, voxel-major
}

// New returns zero signals on a grid.
func New(g *Grid, d int) *Signals {
	return &Signals{Grid: g, D: d, Values: make([]float32, g.Len()*d)}
}

// Row returns the D values of one voxel; writing to it writes the signals.
func (s *Signals) Row(r int) []float32 { return s.Values[r*s.D : (r+1)*s.D : (r+1)*s.D] }

// gatherTile is the number of rows transposed together, small enough that a
// tile of all volumes stays in cache.
const gatherTile = 64

// Gather transposes the grid's voxels of a 4-D image (volume-major, length
// nx*ny*nz*d) into signals.
func Gather(ctx context.Context, g *Grid, image []float32, d, threads int) (*Signals, error) {
	s := New(g, d)
	return s, s.Gather(ctx, image, threads)
}

// Gather replaces the signals by those of a 4-D image (volume-major).
func (s *Signals) Gather(ctx context.Context, image []float32, threads int) error {
	size, d := s.NX*s.NY*s.NZ, s.D
	if len(image) != size*d {
		panic("signals: image length does not match grid and volumes")
	}
	return EachRange(ctx, s.Len(), gatherTile, threads, func(_, from, to int) error {
		for n := range d {
			volume := image[n*size : (n+1)*size]
			for r := from; r < to; r++ {
				s.Values[r*d+n] = volume[s.Voxel[r]]
			}
		}
		return nil
	})
}

// Scatter writes the signals back into a 4-D image (volume-major) and leaves
// voxels outside the grid as they are.
func (s *Signals) Scatter(ctx context.Context, image []float32, threads int) error {
	size := s.NX * s.NY * s.NZ
	if len(image) != size*s.D {
		panic("signals: image length does not match grid and volumes")
	}
	return EachRange(ctx, s.Len(), gatherTile, threads, func(_, from, to int) error {
		for n := range s.D {
			volume := image[n*size : (n+1)*size]
			for r := from; r < to; r++ {
				volume[s.Voxel[r]] = s.Values[r*s.D+n]
			}
		}
		return nil
	})
}

// Threads resolves a thread count: 0 or less means one per available core.
func Threads(n int) int {
	if n > 0 {
		return n
	}
	return runtime.GOMAXPROCS(0)
}

// EachRange calls f for consecutive ranges [from, to) of at most chunk items
// that together cover [0, n), on up to threads goroutines. worker is below the
// resolved thread count and distinct among calls that run at the same time, so
// it can select scratch. The ranges do not depend on the number of threads. It
// stops early when f fails or ctx ends.
func EachRange(ctx context.Context, n, chunk, threads int, f func(worker, from, to int) error) error {
	return EachTask(ctx, (n+chunk-1)/chunk, threads, func(worker, task int) error {
		return f(worker, task*chunk, min((task+1)*chunk, n))
	})
}

// EachTask calls f for every task in [0, n) on up to threads goroutines, with
// worker as in [EachRange].
func EachTask(ctx context.Context, n, threads int, f func(worker, task int) error) error {
	threads = min(Threads(threads), max(n, 1))
	next := make(chan int)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(next)
		for task := range n {
			select {
			case next <- task:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return ctx.Err()
	})
	for worker := range threads {
		group.Go(func() error {
			for task := range next {
				if err := f(worker, task); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}
