package qc

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// eachVolume calls do for the volumes 0 to n-1 from several goroutines, each
// volume once, and returns the first error. Results are the same for any
// number of threads as long as do writes only to places of its own volume.
func eachVolume(ctx context.Context, n, threads int, do func(v int) error) error {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	group, running := errgroup.WithContext(ctx)
	group.SetLimit(threads)
	for v := range n {
		if running.Err() != nil {
			break
		}
		group.Go(func() error {
			if err := running.Err(); err != nil {
				return err
			}
			return do(v)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}
