package nifti

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// Volume by volume gives the bytes of Image.Write, in every form and for any
// number of threads.
func TestWriterWritesWhatImageWrites(t *testing.T) {
	im := noisy(5)
	for _, name := range []string{"a.nii", "a.nii.gz", "a.hdr", "a.img.gz"} {
		whole, parts := t.TempDir(), t.TempDir()
		if err := im.Write(t.Context(), filepath.Join(whole, name), WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		w, err := Create(t.Context(), filepath.Join(parts, name), &im.Header, WriteOptions{Threads: 3})
		if err != nil {
			t.Fatal(err)
		}
		volume := make([]float32, len(im.Volume(0)))
		for n := range 5 {
			copy(volume, im.Volume(n))
			if err := w.WriteVolume(volume); err != nil {
				t.Fatal(err)
			}
			clear(volume) // the caller's again
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		w.Abort() // after Close it does nothing
		if err := w.Close(); err != nil {
			t.Errorf("%s: a second Close: %v", name, err)
		}
		for _, file := range files(t, whole) {
			if !bytes.Equal(mustReadFile(t, filepath.Join(parts, file)), mustReadFile(t, filepath.Join(whole, file))) {
				t.Errorf("%s: %s differs", name, file)
			}
		}
	}
}

// Whatever goes wrong, nothing is left behind, and no goroutine.
func TestWriterLeavesNothingBehind(t *testing.T) {
	im := noisy(3)
	before := runtime.NumGoroutine()
	for name, c := range map[string]struct {
		end  func(w *Writer, cancel func()) error
		want error
	}{
		"abort": {func(w *Writer, _ func()) error { w.Abort(); return w.WriteVolume(im.Volume(1)) }, ErrAborted},
		"close": {func(w *Writer, _ func()) error { return w.Close() }, ErrTruncated},
		"ctx": {func(w *Writer, cancel func()) error {
			cancel()
			for n := range 2 {
				_ = w.WriteVolume(im.Volume(n + 1))
			}
			return w.Close()
		}, context.Canceled},
	} {
		for _, form := range []string{"a.nii", "a.nii.gz", "a.hdr.gz"} {
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			w, err := Create(ctx, filepath.Join(dir, form), &im.Header, WriteOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.WriteVolume(im.Volume(0)); err != nil {
				t.Fatal(err)
			}
			if err := c.end(w, cancel); !errors.Is(err, c.want) {
				t.Errorf("%s, %s: err = %v, want %v", name, form, err, c.want)
			}
			cancel()
			if left := files(t, dir); left != nil {
				t.Errorf("%s, %s: left behind: %v", name, form, left)
			}
		}
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

func TestCreateRefuses(t *testing.T) {
	im, dir := noisy(1), t.TempDir()
	taken := put(t, dir, "taken.nii", []byte("mine"))
	for name, c := range map[string]struct {
		path string
		o    WriteOptions
		want error
	}{
		"name":  {filepath.Join(dir, "a.txt"), WriteOptions{}, ErrUnsupported},
		"level": {filepath.Join(dir, "a.nii.gz"), WriteOptions{Level: 10}, ErrUnsupported},
		"taken": {taken, WriteOptions{}, ErrExists},
	} {
		if _, err := Create(t.Context(), c.path, &im.Header, c.o); !errors.Is(err, c.want) {
			t.Errorf("%s: err = %v, want %v", name, err, c.want)
		}
	}
	if left := files(t, dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWriteVolumePanicsOnAnotherSize(t *testing.T) {
	im := noisy(1)
	w, err := Create(t.Context(), filepath.Join(t.TempDir(), "a.nii"), &im.Header, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	_ = w.WriteVolume(im.Voxels()[1:])
}
