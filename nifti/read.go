package nifti

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
)

// ReadOptions are the options of ReadImage. The zero value sets no limits.
type ReadOptions struct {
	// MaxBytes refuses images whose voxels would take more than this many bytes
	// as float32 (ErrTooLarge). 0 means no limit.
	MaxBytes int64
	// Voxels makes the array for the n voxels, all zero. The image, and those made from it by Like and Select, are kept
	// in such arrays. If nil they are on the heap, and an array grows with the data that proves to be there.
	Voxels func(n int) ([]float32, error)
}

// ReadHeader reads the header of an image, named by its single file or by
// either half of a pair. The voxels need not be of a type that ReadImage can
// read, and need not be there.
func ReadHeader(path string) (*Header, error) {
	r, err := openHeader(path)
	if err != nil {
		return nil, err
	}
	return &r.header, r.Close()
}

// ReadImage reads a whole image. Compressed voxels go through small buffers
// into the float32 array; there is never a second copy of the file. It stops
// with ctx.Err() if ctx ends first.
func ReadImage(ctx context.Context, path string, o ReadOptions) (*Image, error) {
	r, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	n := r.left * int64(r.volume)
	if o.MaxBytes > 0 && n > o.MaxBytes/4 {
		return nil, fmt.Errorf("nifti: read %s: %s voxels need %d bytes as float32, more than the limit of %d: %w", path, r.header.dimString(), 4*n, o.MaxBytes, ErrTooLarge)
	}
	voxels, err := r.readAll(ctx, int(n), o.Voxels)
	if err != nil {
		return nil, err
	}
	nx, ny, nz, nt := r.header.Shape()
	return &Image{Header: r.header, Data: newTensor(voxels, nx, ny, nz, nt), Warnings: r.warnings, voxels: o.Voxels}, nil
}

// Reader reads an image volume by volume. Close it after use.
type Reader struct {
	path      string // of the file with the voxels
	header    Header
	warnings  []string
	src       *source
	in        io.Reader
	convert   *converter
	buf       []byte
	volume    int   // voxels of one volume
	left      int64 // volumes not yet read
	bytesRead int64
	err       error
}

// chunkVoxels is how many voxels are converted at a time: small enough for the
// buffer to stay in the processor's cache, and to notice a cancelled context.
const chunkVoxels = 32 << 10

// Open opens an image for reading volume by volume, after checking everything
// that can be checked without the voxels.
func Open(path string) (*Reader, error) {
	r, err := openHeader(path)
	if err != nil {
		return nil, err
	}
	if err := r.start(); err != nil {
		r.Close()
		return nil, fmt.Errorf("nifti: read %s: %w", path, err)
	}
	return r, nil
}

// start checks the header against what can be read and the file's size, and
// moves to the first voxel.
func (r *Reader) start() error {
	h := &r.header
	if !h.Datatype.Readable() {
		return fmt.Errorf("voxels are %v; only real numbers are read (int8 to uint64, float32, float64): %w", h.Datatype, ErrUnsupported)
	}
	note, err := h.squeeze()
	if err != nil {
		return err
	}
	if note != "" {
		r.warn(note)
	}
	r.warn(h.voxelNotes()...)
	r.warn(h.orientationNotes()...)
	nx, ny, nz, nt := h.Shape()
	r.volume, r.left = nx*ny*nz, int64(nt)
	if err := r.toVoxels(); err != nil {
		return err
	}
	if r.src.gz != nil {
		r.src.ahead = newReadAhead(r.src.content)
		r.src.content = r.src.ahead
	}
	r.in = r.src.content
	r.convert = newConverter(h)
	r.buf = newVoxelBuffer(min(chunkVoxels, r.volume) * r.convert.size)
	return nil
}

// toVoxels opens the voxel file of a pair, compares sizes, and moves to the
// first voxel.
func (r *Reader) toVoxels() error {
	h := &r.header
	need, _ := h.voxelBytes(int64(h.Datatype.bytes()))
	if h.Pair {
		if r.path == "" {
			return fmt.Errorf("header of a pair, but there is no .img or .img.gz beside it: %w (%w)", fs.ErrNotExist, ErrTruncated)
		}
		r.src.Close()
		src, err := openSource(r.path)
		if err != nil {
			return fmt.Errorf("voxels in %s: %w", r.path, err)
		}
		r.src = src
		if src.gz == nil && h.VoxOffset > 0 && src.size == need {
			r.warn(fmt.Sprintf("vox_offset = %d, but the .img file holds the voxels and nothing else; taken as 0", h.VoxOffset))
			h.VoxOffset = 0
		}
	}
	end := h.VoxOffset + need
	if end < need || end > r.src.capacity() {
		return r.truncated(need, max(r.src.size-h.VoxOffset, 0))
	}
	if extra := r.src.size - end; r.src.gz == nil && extra > 0 {
		r.warn(fmt.Sprintf("%d bytes after the voxels are ignored", extra))
	}
	if h.Pair {
		if n, err := io.CopyN(io.Discard, r.src.content, h.VoxOffset); err != nil {
			return fmt.Errorf("vox_offset = %d, but the content ends after %d bytes: %w", h.VoxOffset, n, r.src.explain(err))
		}
	}
	return nil
}

// truncated describes a voxel file with found bytes where need are expected.
func (r *Reader) truncated(need, found int64) error {
	packed := ""
	if r.src.gz != nil && found < need {
		packed = " compressed"
		if r.bytesRead > 0 {
			packed, found = " decompressed", r.bytesRead
		}
	}
	return fmt.Errorf("%s voxels of %v need %d bytes, found %d%s in %s: %w", r.header.dimString(), r.header.Datatype, need, found, packed, r.path, ErrTruncated)
}

// Header returns the header, with dimensions beyond the fourth squeezed. It
// must not be changed.
func (r *Reader) Header() *Header { return &r.header }

// Warnings says what was unusual so far and how it was read. What concerns the
// voxels is complete after the last volume.
func (r *Reader) Warnings() []string { return r.warnings }

func (r *Reader) warn(notes ...string) { r.warnings = append(r.warnings, notes...) }

// Close releases the file. The Reader must not be used afterwards.
func (r *Reader) Close() error { return r.src.Close() }

const badVolumeSize = "nifti: ReadVolume: dst does not hold exactly one volume"

// ReadVolume reads the next volume into dst, whose length must be nx·ny·nz; it
// panics otherwise. After the last volume it returns io.EOF. The end of a
// compressed file, with its checksum, is checked together with the last volume.
func (r *Reader) ReadVolume(dst []float32) error {
	if len(dst) != r.volume {
		panic(badVolumeSize)
	}
	if r.err == nil && r.left == 0 {
		r.err = io.EOF
	}
	if r.err != nil {
		return r.err
	}
	for len(dst) > 0 && r.err == nil {
		n := min(len(dst), chunkVoxels)
		r.err = r.readChunk(dst[:n])
		dst = dst[n:]
	}
	if r.left--; r.err == nil && r.left == 0 {
		r.err = r.finish()
	}
	return r.err
}

// growth is by how much the array of a compressed file may be larger than the
// data that has proved to be there.
const growth = 32

// readAll reads all n voxels. For a compressed file the array starts at a size
// that is plausible for it and grows as data arrives, so that a header that
// promises too much costs no memory: the system provides pages of a large array
// only when they are first written. Growing in large steps keeps what is copied
// and thrown away, for images of mostly one value, at a few per cent.
func (r *Reader) readAll(ctx context.Context, n int, voxelsOf func(n int) ([]float32, error)) ([]float32, error) {
	plausible := n
	if r.src.gz != nil {
		plausible = int(min(int64(n), max(1<<20, growth*r.src.size/int64(r.convert.size))))
	}
	var voxels []float32
	if voxelsOf == nil {
		voxels = make([]float32, plausible)
	} else {
		var err error
		if voxels, err = voxelsOf(n); err != nil {
			return nil, fmt.Errorf("nifti: read %s: %w", r.path, err)
		}
	}
	for done := 0; done < n; {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("nifti: read %s: %w", r.path, err)
		}
		if done == len(voxels) {
			more := make([]float32, min(int64(n), growth*int64(done)))
			copy(more, voxels)
			voxels = more
		}
		k := min(chunkVoxels, len(voxels)-done)
		if err := r.readChunk(voxels[done : done+k]); err != nil {
			return nil, err
		}
		done += k
	}
	return voxels, r.finish()
}

func (r *Reader) readChunk(dst []float32) error {
	if len(r.buf) < len(dst)*r.convert.size {
		r.buf = newVoxelBuffer(len(dst) * r.convert.size)
	}
	raw := r.buf[:len(dst)*r.convert.size]
	n, err := io.ReadFull(r.in, raw)
	r.bytesRead += int64(n)
	if err == nil {
		r.convert.run(dst, raw)
		return nil
	}
	err = r.src.explain(err)
	if errors.Is(err, ErrTruncated) {
		need, _ := r.header.voxelBytes(int64(r.convert.size))
		err = r.truncated(need, r.bytesRead)
	}
	return fmt.Errorf("nifti: read %s: %w", r.path, err)
}

// maxTrailing bounds how much decompressed data after the voxels is read in
// search of the end, where the checksum is.
const maxTrailing = 1 << 20

// finish checks the end of a compressed file and notes what the voxels held.
func (r *Reader) finish() error {
	if c := r.convert; c.notFinite > 0 {
		r.warn(fmt.Sprintf("%d values are NaN or infinite", c.notFinite))
	}
	if r.convert.overflow > 0 {
		r.warn(fmt.Sprintf("%d voxels are beyond ±%.3g, the range of float32, and were read as infinite", r.convert.overflow, math.MaxFloat32))
	}
	if r.convert.rounded > 0 {
		r.warn(fmt.Sprintf("%d voxels are whole numbers beyond ±2²⁴, of which float32 holds only some exactly; the others were rounded", r.convert.rounded))
	}
	if r.src.gz == nil {
		return nil
	}
	extra, err := io.CopyN(io.Discard, r.in, maxTrailing)
	switch {
	case err == nil:
		r.warn(fmt.Sprintf("more than %d bytes after the voxels are ignored; the checksum behind them was not checked", maxTrailing))
		return nil
	case err != io.EOF:
		return fmt.Errorf("nifti: read %s: after the voxels: %w", r.path, r.src.explain(err))
	}
	if extra > 0 {
		r.warn(fmt.Sprintf("%d bytes after the voxels are ignored", extra))
	}
	if r.src.gz.garbage {
		r.warn("data after the end of the gzip stream is ignored")
	}
	return nil
}
