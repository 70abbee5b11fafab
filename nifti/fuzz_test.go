package nifti

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// seeds are small images of every kind.
func seeds(f *testing.F) [][]byte {
	f.Helper()
	all := [][]byte{
		small().with(eight), packed(f, small().with(eight)), crowded1(be).with(eight), crowded2(le).with(eight), crowded2(be).with(eight),
		header1(le, 16, 32, 5, 2, 1, 1, 1, 4).f32(112, 2).with(eight), small().text(344, "ni1\x00").with(eight), []byte("<html>"),
	}
	for _, name := range []string{"extensions-big-endian.nii.gz", "float64-be2.nii.gz", "pair2.hdr"} {
		b, err := os.ReadFile(filepath.Join(fixtureDir, name))
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// FuzzHeader decodes arbitrary headers. What is accepted must have sane sizes,
// an answer to every question, and must decode to itself after encoding.
func FuzzHeader(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		version, order, ok := headerKind(b)
		if !ok {
			return
		}
		h, _, err := decodeHeader(b, version, order)
		if err != nil {
			return
		}
		nx, ny, nz, nt := h.Shape()
		if nx < 1 || ny < 1 || nz < 1 || nt < 1 {
			t.Fatalf("Shape() = %d, %d, %d, %d", nx, ny, nz, nt)
		}
		if a, _ := h.Affine(); !invertible(a) {
			t.Fatalf("Affine() = %v is not invertible", a)
		}
		h.voxelNotes()
		h.orientationNotes()
		encoded, err := h.forOutput(h.Pair).encode()
		if err != nil {
			t.Fatalf("encoding a header that was read: %v", err)
		}
		again, _, err := decodeHeader(encoded, version, binary.LittleEndian)
		if err != nil {
			t.Fatalf("decoding it again: %v", err)
		}
		if again.Dim != h.Dim || again.Descrip != h.Descrip || again.Legacy != h.Legacy || again.SliceEnd != h.SliceEnd {
			t.Fatalf("header changed: %+v, was %+v", again, h)
		}
	})
}

// FuzzReadImage reads arbitrary files, as they are and compressed. What is
// read must survive writing.
func FuzzReadImage(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b, false)
		f.Add(b, true)
	}
	dir := f.TempDir()
	compressor := gzip.NewWriter(nil)
	f.Fuzz(func(t *testing.T, b []byte, gz bool) {
		if gz {
			var out bytes.Buffer
			compressor.Reset(&out)
			compressor.Write(b)
			compressor.Close()
			b = out.Bytes()
		}
		im, err := ReadImage(t.Context(), put(t, dir, "in.img", b), ReadOptions{MaxBytes: 64 << 20})
		if err != nil {
			return
		}
		// The parts of Write, without waiting for the disk.
		out, err := outputsFor("out.nii", &im.Header)
		if err != nil {
			t.Fatalf("writing what was read: %v", err)
		}
		var content bytes.Buffer
		if err := sinkAll(t.Context(), &content, out[0], im.Voxels(), 1, 1, len(im.Voxels())); err != nil {
			t.Fatal(err)
		}
		again, err := ReadImage(t.Context(), put(t, dir, "out.nii", content.Bytes()), ReadOptions{})
		if err != nil {
			t.Fatalf("reading what was written: %v", err)
		}
		if !sameVoxels(again.Voxels(), im.Voxels()) || again.Header.Dim != im.Header.Dim {
			t.Fatal("voxels or dimensions changed on the way")
		}
	})
}

// FuzzGzipStream reads arbitrary bytes as a compressed image: nothing but an
// image or an error with a name comes of it, the same in one piece and volume
// by volume, and never more memory than the bytes can stand for.
func FuzzGzipStream(f *testing.F) {
	for _, b := range seeds(f) {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		z.Write(b)
		z.Close()
		f.Add(out.Bytes())
		f.Add(append(out.Bytes(), "rest"...))
		f.Add(append(out.Bytes(), out.Bytes()...))
		f.Add(out.Bytes()[:out.Len()/2])
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 2 || string(b[:2]) != gzipMagic {
			b = append([]byte(gzipMagic), b...)
		}
		path := put(t, dir, "in.nii.gz", b)
		im, err := ReadImage(t.Context(), path, ReadOptions{MaxBytes: 64 << 20})
		if err != nil {
			if im != nil {
				t.Fatalf("an image with the error %v", err)
			}
			if exported(err) == nil {
				t.Fatalf("an error without a name: %v", err)
			}
			return
		}
		r, err := Open(path)
		if err != nil {
			t.Fatalf("opening what was read: %v", err)
		}
		defer r.Close()
		nx, ny, nz, nt := im.Dims()
		volume := make([]float32, nx*ny*nz)
		for n := range nt {
			if err := r.ReadVolume(volume); err != nil {
				t.Fatalf("volume %d of what was read whole: %v", n, err)
			}
			if !sameVoxels(volume, im.Volume(n)) {
				t.Fatalf("volume %d differs", n)
			}
		}
	})
}

// exported returns the sentinel of the package that an error wraps.
func exported(err error) error {
	for _, kind := range []error{ErrNotNIfTI, ErrUnsupported, ErrTruncated, ErrCorrupt, ErrInvalidHeader, ErrTooLarge, fs.ErrNotExist} {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return nil
}
