package nifti

import (
	"bytes"
	stdgzip "compress/gzip"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// rawHeader is a header under construction, written field by field at the
// offsets of the format's definition, independently of the package's layout.
type rawHeader struct {
	b       []byte
	order   binary.ByteOrder
	version int
}

// header1 is a NIfTI-1 header of a single file with the given datatype and dim field.
func header1(order binary.ByteOrder, datatype, bitpix int16, dim ...int16) *rawHeader {
	h := &rawHeader{b: make([]byte, 352), order: order, version: 1}
	h.i32(0, 348)
	copy(h.b[344:], "n+1\x00")
	for i, d := range dim {
		h.i16(40+2*i, d)
	}
	h.i16(70, datatype).i16(72, bitpix)
	for i := range 4 {
		h.f32(76+4*i, 1) // pixdim
	}
	h.f32(108, 352).f32(112, 1)
	h.i16(254, 1) // sform_code, an identity
	h.f32(280, 1).f32(300, 1).f32(320, 1)
	return h
}

// header2 is the same for NIfTI-2.
func header2(order binary.ByteOrder, datatype, bitpix int16, dim ...int64) *rawHeader {
	h := &rawHeader{b: make([]byte, 544), order: order, version: 2}
	h.i32(0, 540)
	copy(h.b[4:], "n+2\x00\r\n\x1a\n")
	h.i16(12, datatype).i16(14, bitpix)
	for i, d := range dim {
		h.i64(16+8*i, d)
	}
	for i := range 4 {
		h.f64(104+8*i, 1)
	}
	h.i64(168, 544).f64(176, 1)
	h.i32(348, 1)
	h.f64(400, 1).f64(440, 1).f64(480, 1)
	return h
}

func (h *rawHeader) i16(at int, v int16) *rawHeader {
	h.order.PutUint16(h.b[at:], uint16(v))
	return h
}

func (h *rawHeader) i32(at int, v int32) *rawHeader {
	h.order.PutUint32(h.b[at:], uint32(v))
	return h
}

func (h *rawHeader) i64(at int, v int64) *rawHeader {
	h.order.PutUint64(h.b[at:], uint64(v))
	return h
}

func (h *rawHeader) f32(at int, v float64) *rawHeader {
	h.order.PutUint32(h.b[at:], math.Float32bits(float32(v)))
	return h
}

func (h *rawHeader) f64(at int, v float64) *rawHeader {
	h.order.PutUint64(h.b[at:], math.Float64bits(v))
	return h
}

func (h *rawHeader) text(at int, s string) *rawHeader {
	copy(h.b[at:], s)
	return h
}

// with appends bytes: extensions and voxels.
func (h *rawHeader) with(parts ...[]byte) []byte {
	return append(bytes.Clone(h.b), bytes.Join(parts, nil)...)
}

// encodeAs encodes values with the given byte order.
func encodeAs(t testing.TB, order binary.ByteOrder, values any) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := binary.Write(&b, order, values); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// packed compresses b as one gzip member.
func packed(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// unpacked returns the content of a gzip file.
func unpacked(t testing.TB, b []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := out.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// put writes a file into dir and returns its path.
func put(t testing.TB, dir, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// mustRead reads an image that must be readable.
func mustRead(t testing.TB, path string) *Image {
	t.Helper()
	im, err := ReadImage(t.Context(), path, ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// sameVoxels reports whether two slices hold the same bits, any NaN being
// equal to any other.
func sameVoxels(a, b []float32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) && (a[i] == a[i] || b[i] == b[i]) {
			return false
		}
	}
	return true
}

func mustReadFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// stdlibGunzip decompresses with compress/gzip and counts the members.
func stdlibGunzip(t testing.TB, b []byte) (content []byte, members int) {
	t.Helper()
	file := bytes.NewReader(b)
	r, err := stdgzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for {
		r.Multistream(false)
		if _, err := out.ReadFrom(r); err != nil {
			t.Fatal(err)
		}
		members++
		if err := r.Reset(file); err != nil {
			return out.Bytes(), members
		}
	}
}
