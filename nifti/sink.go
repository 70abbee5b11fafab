package nifti

import (
	"context"
	"io"
)

// sink is one file being written: its header, then voxels in any number of
// calls. close must be called once, with whole false to give up; it returns the
// first error of the sink's own goroutines.
type sink interface {
	write(voxels []float32) error
	close(whole bool) error
}

// newSink begins file f.
func newSink(ctx context.Context, w io.Writer, f output, o WriteOptions) (sink, error) {
	if f.gz {
		return newGzipSink(ctx, w, f.header, o.Level, o.Threads), nil
	}
	_, err := w.Write(f.header)
	return &plainSink{ctx: ctx, w: w}, err
}

// plainSink writes without compression.
type plainSink struct {
	ctx context.Context
	w   io.Writer
	buf []byte
}

func (s *plainSink) write(voxels []float32) error {
	if need := 4 * min(len(voxels), blockVoxels); len(s.buf) < need {
		s.buf = make([]byte, need)
	}
	for len(voxels) > 0 {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		n := min(len(voxels), blockVoxels)
		putFloats(s.buf, voxels[:n])
		if _, err := s.w.Write(s.buf[:4*n]); err != nil {
			return err
		}
		voxels = voxels[n:]
	}
	return nil
}

func (s *plainSink) close(bool) error { return nil }
