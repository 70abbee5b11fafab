package nifti

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
	"golang.org/x/sync/errgroup"
)

// blockVoxels is the number of voxels that are compressed as one block. It is
// part of the output's bytes: changing it changes every file's checksum.
const blockVoxels = 256 << 10

// block is a piece of the file on its way through compression.
type block struct {
	raw    []byte
	packed bytes.Buffer
	last   bool
	done   chan struct{} // receives one value when packed is complete
}

// writeGzip writes header and voxels as one gzip member without name or time.
// Blocks of fixed size are compressed independently, each ending on a byte
// boundary, so any number of goroutines produce the same stream.
func writeGzip(ctx context.Context, w io.Writer, header []byte, voxels []float32, level, threads int) error {
	g, ctx := errgroup.WithContext(ctx)
	free := make(chan *block, 2*threads+2)
	for range cap(free) {
		free <- &block{done: make(chan struct{}, 1)}
	}
	work := make(chan *block, cap(free))
	ordered := make(chan *block, cap(free))
	var sum uint32
	var size int64
	g.Go(func() (err error) {
		defer close(work)
		defer close(ordered)
		sum, size, err = cut(ctx, header, voxels, free, work, ordered)
		return err
	})
	for range threads {
		g.Go(func() error { return deflateBlocks(work, level) })
	}
	g.Go(func() error { return writeBlocks(ctx, w, ordered, free) })
	if err := g.Wait(); err != nil {
		return err
	}
	trailer := binary.LittleEndian.AppendUint32(nil, sum)
	trailer = binary.LittleEndian.AppendUint32(trailer, uint32(size))
	_, err := w.Write(trailer)
	return err
}

// cut splits header and voxels into blocks, the header with the first voxels,
// and sends each to work and, in file order, to ordered. It returns checksum
// and length of the whole.
func cut(ctx context.Context, header []byte, voxels []float32, free <-chan *block, work, ordered chan<- *block) (sum uint32, size int64, err error) {
	for first := true; first || len(voxels) > 0; first = false {
		var b *block
		select {
		case b = <-free:
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		}
		n := min(len(voxels), blockVoxels)
		b.raw = append(b.raw[:0], header...)
		b.raw = append(b.raw, make([]byte, 4*n)...)
		putFloats(b.raw[len(header):], voxels[:n])
		header, voxels = nil, voxels[n:]
		b.last = len(voxels) == 0
		sum = crc32.Update(sum, crc32.IEEETable, b.raw)
		size += int64(len(b.raw))
		work <- b // never blocks, like ordered: there is room for every block
		ordered <- b
	}
	return sum, size, nil
}

// deflateBlocks compresses blocks until work is closed.
func deflateBlocks(work <-chan *block, level int) error {
	w, err := flate.NewWriter(io.Discard, level)
	if err != nil {
		return err
	}
	for b := range work {
		b.packed.Reset()
		w.Reset(&b.packed)
		if _, err = w.Write(b.raw); err == nil && b.last {
			err = w.Close()
		} else if err == nil {
			err = w.Flush() // ends with an empty stored block on a byte boundary
		}
		if err != nil {
			return err
		}
		b.done <- struct{}{}
	}
	return nil
}

// gzipHeader says deflate, no name, no time, unknown operating system.
const gzipHeader = gzipMagic + "\x08\x00\x00\x00\x00\x00\x00\xff"

// writeBlocks writes compressed blocks in file order.
func writeBlocks(ctx context.Context, w io.Writer, ordered <-chan *block, free chan<- *block) error {
	if _, err := io.WriteString(w, gzipHeader); err != nil {
		return err
	}
	for b := range ordered {
		select {
		case <-b.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if _, err := b.packed.WriteTo(w); err != nil {
			return err
		}
		free <- b
	}
	return nil
}
