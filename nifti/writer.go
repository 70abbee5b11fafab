package nifti

import (
	"context"
	"fmt"
	"os"
)

// Writer writes an image volume by volume. Compression runs in goroutines of
// its own, so that the next volumes can be made meanwhile. It belongs to one
// goroutine and must be ended by Close or Abort.
type Writer struct {
	path   string
	ctx    context.Context
	o      WriteOptions
	files  []output
	temps  []string
	file   *os.File // of the voxels
	sink   sink
	volume int   // voxels of one volume
	left   int64 // voxels still to come
	err    error // sticky
	ended  bool
}

// Create begins an image with the header and dimensions of h, whose datatype
// and scaling do not matter; Header.Like makes one for results. What
// Image.Write says of names, overwriting and bytes holds for it too: the same
// voxels give the same bytes. When ctx ends, writing stops with its error.
func Create(ctx context.Context, path string, h *Header, o WriteOptions) (*Writer, error) {
	w, err := create(ctx, path, h, o)
	if err != nil {
		return nil, fmt.Errorf("nifti: write %s: %w", path, err)
	}
	return w, nil
}

func create(ctx context.Context, path string, h *Header, o WriteOptions) (*Writer, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	files, err := outputsFor(path, h)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := checkOverwrite(f.path, o); err != nil {
			return nil, err
		}
	}
	nx, ny, nz, nt := h.Shape()
	w := &Writer{path: path, ctx: ctx, o: o, files: files, volume: nx * ny * nz}
	w.left = int64(w.volume) * int64(nt)
	if w.file, w.sink, err = w.begin(files[0]); err != nil {
		w.Abort()
		return nil, err
	}
	return w, nil
}

// begin makes the temporary file for f.
func (w *Writer) begin(f output) (*os.File, sink, error) {
	file, err := createTemp(f.path)
	if err != nil {
		return nil, nil, err
	}
	w.temps = append(w.temps, file.Name())
	s, err := newSink(w.ctx, file, f, w.o)
	return file, s, err
}

const badWriteSize = "nifti: WriteVolume: not exactly one volume, or one too many"

// WriteVolume writes the next volume, of nx·ny·nz voxels, which may be changed
// afterwards. It panics if v has another length or all volumes are written.
// After an error all further calls return it.
func (w *Writer) WriteVolume(v []float32) error {
	if len(v) != w.volume || w.left == 0 && w.err == nil {
		panic(badWriteSize)
	}
	if w.take(v); w.err != nil {
		return fmt.Errorf("nifti: write %s: %w", w.path, w.err)
	}
	return nil
}

func (w *Writer) take(voxels []float32) {
	if w.err == nil {
		w.err = w.sink.write(voxels)
		w.left -= int64(len(voxels))
	}
}

// Close completes the image and gives it its name. After an error, or with
// volumes missing (ErrTruncated), it leaves nothing behind.
func (w *Writer) Close() error {
	if err := w.finish(); err != nil {
		return fmt.Errorf("nifti: write %s: %w", w.path, err)
	}
	return nil
}

func (w *Writer) finish() error {
	if w.ended {
		return w.err
	}
	if w.err == nil && w.left > 0 {
		w.err = fmt.Errorf("%d volumes were not written: %w", w.left/int64(w.volume), ErrTruncated)
	}
	w.end()
	for _, f := range w.files[1:] {
		if w.err != nil {
			break
		}
		w.file, w.sink, w.err = w.begin(f)
		w.end()
	}
	if w.err == nil {
		w.err = rename(w.ctx, w.temps, w.files, w.o)
	}
	w.discard()
	return w.err
}

// Abort gives up what is not closed and removes what was written of it. It can
// be deferred.
func (w *Writer) Abort() {
	if w.ended {
		return
	}
	if w.err == nil {
		w.err = ErrAborted
	}
	w.end()
	w.discard()
}

// end closes the file at hand, on disk if all went well. It keeps the first
// error: later ones follow from it.
func (w *Writer) end() {
	keep := func(err error) {
		if w.err == nil {
			w.err = err
		}
	}
	if w.sink != nil {
		keep(w.sink.close(w.err == nil))
	}
	if w.file != nil {
		if w.err == nil {
			keep(w.file.Sync())
		}
		keep(w.file.Close())
	}
	w.sink, w.file = nil, nil
}

// discard removes temporary files that were not renamed.
func (w *Writer) discard() {
	if w.err != nil {
		for _, temp := range w.temps {
			os.Remove(temp)
		}
	}
	w.ended = true
}
