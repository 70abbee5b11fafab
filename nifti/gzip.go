package nifti

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"

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

// gzipSink writes header and voxels as one gzip member without name or time.
// Blocks of fixed size are compressed independently, each ending on a byte
// boundary, so any number of goroutines and any division into calls of write
// produce the same stream. Goroutines of its own compress and write while the
// caller makes the next voxels.
type gzipSink struct {
	w       io.Writer
	ctx     context.Context // of the goroutines
	group   *errgroup.Group
	free    chan *block
	work    chan *block
	ordered chan *block
	current *block // being filled
	room    int    // bytes still to come into it
	sum     uint32
	size    int64
}

// newGzipSink starts the goroutines, which end with close.
func newGzipSink(ctx context.Context, w io.Writer, header []byte, level, threads int) *gzipSink {
	s := &gzipSink{w: w}
	s.group, s.ctx = errgroup.WithContext(ctx)
	blocks := 2*threads + 2
	s.free, s.work, s.ordered = make(chan *block, blocks), make(chan *block, blocks), make(chan *block, blocks)
	for range blocks - 1 {
		s.free <- &block{done: make(chan struct{}, 1)}
	}
	s.begin(&block{done: make(chan struct{}, 1)})
	s.current.raw = append(s.current.raw, header...)
	for range threads {
		s.group.Go(func() error { return deflateBlocks(s.work, level) })
	}
	s.group.Go(func() error { return writeBlocks(s.ctx, w, s.ordered, s.free) })
	return s
}

func (s *gzipSink) begin(b *block) {
	b.raw, b.last = b.raw[:0], false
	s.current, s.room = b, 4*blockVoxels
}

// write takes voxels in. A full block waits for what follows, since the last
// one is compressed as such.
func (s *gzipSink) write(voxels []float32) error {
	for len(voxels) > 0 {
		if s.room == 0 {
			s.send()
			select {
			case b := <-s.free:
				s.begin(b)
			case <-s.ctx.Done():
				s.current = nil
				return context.Cause(s.ctx)
			}
		}
		n := min(len(voxels), s.room/4)
		b := s.current
		at := len(b.raw)
		b.raw = slices.Grow(b.raw, 4*n)[:at+4*n]
		putFloats(b.raw[at:], voxels[:n])
		s.room -= 4 * n
		voxels = voxels[n:]
	}
	return nil
}

// send hands the current block over. It never blocks: there is room for every
// block there is.
func (s *gzipSink) send() {
	s.sum = crc32.Update(s.sum, crc32.IEEETable, s.current.raw)
	s.size += int64(len(s.current.raw))
	s.work <- s.current
	s.ordered <- s.current
	s.current = nil
}

// close waits for the goroutines and completes the stream, or with whole false
// only ends them.
func (s *gzipSink) close(whole bool) error {
	if whole && s.current != nil {
		s.current.last = true
		s.send()
	}
	close(s.work)
	close(s.ordered)
	if err := s.group.Wait(); err != nil || !whole {
		return err
	}
	trailer := binary.LittleEndian.AppendUint32(nil, s.sum)
	trailer = binary.LittleEndian.AppendUint32(trailer, uint32(s.size))
	_, err := s.w.Write(trailer)
	return err
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
