package nifti

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// crowded1 is a NIfTI-1 header whose every field differs from its default.
func crowded1(order binary.ByteOrder) *rawHeader {
	h := header1(order, 4, 16, 4, 2, 2, 2, 1, 9, 9, 9)
	h.text(4, "dt_field!!").text(14, "db name of 18 chars").i32(32, 16384).i16(36, -3).text(38, "r\x39")
	h.f32(56, 1.5).f32(60, -2.5).f32(64, 3.25).i16(68, 1007).i16(74, 1)
	h.f32(76, -1).f32(80, 2).f32(84, 2.5).f32(88, 3).f32(92, 3.5).f32(96, 5).f32(100, 6).f32(104, 7)
	h.i16(120, 23).text(122, "\x03\x0a").f32(124, 1000).f32(128, 10).f32(132, 0.05).f32(136, 12.5)
	h.i32(140, 255).i32(144, -7).text(148, "a description\x00and what is behind its end").text(228, "aux.txt\x00behind")
	h.i16(252, 1).i16(254, 2).f32(256, 0.1).f32(260, 0.2).f32(264, 0.3).f32(268, -90).f32(272, 126).f32(276, -72)
	for i := range 12 {
		h.f32(280+4*i, []float64{2, 0.1, 0, -9, -0.1, 2, 0.2, 5, 0, -0.2, 3, 7}[i])
	}
	return h.text(328, "intent\x00behind")
}

// crowded2 is the same for NIfTI-2.
func crowded2(order binary.ByteOrder) *rawHeader {
	h := header2(order, 4, 16, 4, 2, 2, 2, 1, 9, 1<<40, -9)
	h.f64(80, 1.5).f64(88, -2.5).f64(96, 0.1)
	h.f64(104, -1).f64(112, 2).f64(120, 2.5).f64(128, 3).f64(136, 0.7).f64(144, 5).f64(152, 6).f64(160, 7)
	h.f64(192, 1000).f64(200, 10).f64(208, 0.05).f64(216, 12.5).i64(224, 1).i64(232, 1<<33)
	h.text(240, "a description\x00and behind").text(320, "aux.txt\x00behind").i32(344, 1).i32(348, 2)
	for i := range 18 {
		h.f64(352+8*i, []float64{0.1, 0.2, 0.3, -90, 126, -72, 2, 0.1, 0, -9, -0.1, 2, 0.2, 5, 0, -0.2, 3, 7}[i])
	}
	h.i32(496, 70000).i32(500, 10).i32(504, 100000).text(508, "intent\x00behind").text(524, "\x39unused bytes!!!")
	return h
}

func TestDecodeFields(t *testing.T) {
	for _, order := range []binary.ByteOrder{le, be} {
		for name, raw := range map[string]*rawHeader{"NIfTI-1": crowded1(order), "NIfTI-2": crowded2(order)} {
			t.Run(name+" "+order.String(), func(t *testing.T) {
				h, notes, err := decodeHeader(raw.b, raw.version, order)
				if err != nil || notes != nil {
					t.Fatal(err, notes)
				}
				if diff := cmp.Diff(crowdedFields(raw), h, cmp.AllowUnexported(Header{}), cmpopts.IgnoreTypes(rawText{})); diff != "" {
					t.Errorf("fields (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// crowdedFields is what the crowded headers hold.
func crowdedFields(raw *rawHeader) *Header {
	h := &Header{
		Version: raw.version, BigEndian: raw.order == be,
		Dim: [8]int64{4, 2, 2, 2, 1, 9, 9, 9}, PixDim: [8]float64{-1, 2, 2.5, 3, 3.5, 5, 6, 7},
		Datatype: Int16, BitPix: 16, VoxOffset: 352, SclSlope: 1, CalMax: 1000, CalMin: 10,
		SliceDuration: float64(float32(0.05)), TOffset: 12.5, SliceStart: 1, SliceEnd: 23, SliceCode: 3, XYZTUnits: 10, DimInfo: 0x39,
		IntentCode: 1007, IntentP: [3]float64{1.5, -2.5, 3.25}, IntentName: "intent", Descrip: "a description", AuxFile: "aux.txt",
		QformCode: 1, SformCode: 2, Quatern: [3]float64{0.1, 0.2, 0.3}, QOffset: [3]float64{-90, 126, -72},
		SRow: [3][4]float64{{2, 0.1, 0, -9}, {-0.1, 2, 0.2, 5}, {0, -0.2, 3, 7}},
	}
	if raw.version == 2 {
		h.Dim, h.PixDim[4], h.VoxOffset = [8]int64{4, 2, 2, 2, 1, 9, 1 << 40, -9}, 0.7, 544
		h.SliceDuration, h.SliceEnd, h.SliceCode, h.IntentCode, h.IntentP[2] = 0.05, 1<<33, 70000, 100000, 0.1
		copy(h.Legacy.UnusedStr[:], "unused bytes!!!")
		return h
	}
	copy(h.Legacy.DataType[:], "dt_field!!")
	copy(h.Legacy.DBName[:], "db name of 18 chars")
	h.Legacy.Extents, h.Legacy.SessionError, h.Legacy.Regular, h.Legacy.GLMax, h.Legacy.GLMin = 16384, -3, 'r', 255, -7
	for i := range 3 {
		h.Quatern[i] = float64(float32(h.Quatern[i]))
		for j := range 3 {
			h.SRow[i][j] = float64(float32(h.SRow[i][j]))
		}
	}
	return h
}

// mayDiffer are the bytes that writing changes: datatype, bitpix, slope,
// intercept and voxel offset.
var mayDiffer = map[int][][2]int{
	1: {{70, 74}, {108, 120}},
	2: {{12, 16}, {168, 192}},
}

// TestHeaderSurvives reads and writes images and compares the headers byte by
// byte, in little-endian order.
func TestHeaderSurvives(t *testing.T) {
	type version = func(binary.ByteOrder) *rawHeader
	for name, crowded := range map[string]version{"NIfTI-1": crowded1, "NIfTI-2": crowded2} {
		for _, order := range []binary.ByteOrder{le, be} {
			t.Run(name+" "+order.String(), func(t *testing.T) {
				dir := t.TempDir()
				im := mustRead(t, put(t, dir, "in.nii", crowded(order).with(encodeAs(t, order, []int16{1, 2, 3, 4, 5, 6, 7, 8}))))
				want := crowded(le)
				for _, suffix := range []string{".nii", ".nii.gz"} {
					got := written(t, im, dir+"/out"+suffix)
					compareHeaders(t, want, got)
				}
			})
		}
	}
}

// written writes an image and returns the content of the file.
func written(t *testing.T, im *Image, path string) []byte {
	t.Helper()
	if err := im.Write(t.Context(), path, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	b := mustReadFile(t, path)
	if strings.HasSuffix(path, ".gz") {
		b = unpacked(t, b)
	}
	return b
}

func compareHeaders(t *testing.T, want *rawHeader, got []byte) {
	t.Helper()
	a, b := bytes.Clone(want.b), bytes.Clone(got[:len(want.b)])
	for _, span := range mayDiffer[want.version] {
		clear(a[span[0]:span[1]])
		clear(b[span[0]:span[1]])
	}
	for i := range a {
		if a[i] != b[i] {
			t.Errorf("byte %d of the header is %#x, want %#x", i, b[i], a[i])
		}
	}
}

// TestTextFields checks that changed text replaces the old bytes whole and
// that long text is cut before the terminating zero.
func TestTextFields(t *testing.T) {
	h, _, err := decodeHeader(crowded1(le).b, 1, le)
	if err != nil {
		t.Fatal(err)
	}
	h.Descrip, h.AuxFile = "new", strings.Repeat("x", 30)
	b, err := h.forOutput(false).encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(b[148:228]), "new"+strings.Repeat("\x00", 77); got != want {
		t.Errorf("descrip = %q, want %q", got, want)
	}
	if got, want := string(b[228:252]), strings.Repeat("x", 23)+"\x00"; got != want {
		t.Errorf("aux_file = %q, want %q", got, want)
	}
}

func TestEncodeRefusesWhatDoesNotFit(t *testing.T) {
	tests := []struct {
		name   string
		change func(h *Header)
		field  string
	}{
		{"slice_end", func(h *Header) { h.SliceEnd = 40000 }, "slice_end"},
		{"intent_code", func(h *Header) { h.IntentCode = 1 << 20 }, "intent_code"},
		{"xyzt_units", func(h *Header) { h.XYZTUnits = 256 }, "xyzt_units"},
		{"slice_code", func(h *Header) { h.SliceCode = -1 }, "slice_code"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			im := New(2, 2, 2, 1, [3]float64{1, 1, 1})
			tt.change(&im.Header)
			err := im.Write(t.Context(), t.TempDir()+"/a.nii", WriteOptions{})
			if !errors.Is(err, ErrInvalidHeader) || !strings.Contains(err.Error(), tt.field) {
				t.Errorf("Write() error = %v, want ErrInvalidHeader naming %s", err, tt.field)
			}
			im.Header.Version = 2
			if tt.field == "slice_code" {
				return // NIfTI-2 has room for all of these
			}
			if err := im.Write(t.Context(), t.TempDir()+"/a.nii", WriteOptions{}); err != nil {
				t.Errorf("as NIfTI-2: %v", err)
			}
		})
	}
}

func TestShape(t *testing.T) {
	tests := []struct {
		name string
		dim  [8]int64
		want [4]int
	}{
		{"1-D", [8]int64{1, 5, 9, 9}, [4]int{5, 1, 1, 1}},
		{"3-D", [8]int64{3, 5, 6, 7, 9}, [4]int{5, 6, 7, 1}},
		{"4-D", [8]int64{4, 5, 6, 7, 8, 9}, [4]int{5, 6, 7, 8}},
		{"5-D", [8]int64{5, 5, 6, 7, 1, 8}, [4]int{5, 6, 7, 8}},
		{"7-D", [8]int64{7, 5, 6, 7, 1, 1, 1, 8}, [4]int{5, 6, 7, 8}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := Header{Dim: tt.dim}
			nx, ny, nz, nt := h.Shape()
			if got := [4]int{nx, ny, nz, nt}; got != tt.want {
				t.Errorf("Shape() = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestVoxelSize(t *testing.T) {
	inf := math.Inf(1)
	tests := []struct {
		name string
		h    Header
		want [3]float64
	}{
		{"pixdim", Header{PixDim: [8]float64{-1, 2, 2.5, 3}}, [3]float64{2, 2.5, 3}},
		{"negative", Header{PixDim: [8]float64{1, -2, 2.5, -3}}, [3]float64{2, 2.5, 3}},
		{"missing", Header{PixDim: [8]float64{1, 0, math.NaN(), inf}}, [3]float64{1, 1, 1}},
		{"missing, from sform", Header{SformCode: 1, SRow: [3][4]float64{{3, 0, 0}, {4, 2, 0}, {0, 0, inf}}}, [3]float64{5, 2, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.h.VoxelSize(); got != tt.want {
				t.Errorf("VoxelSize() = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestDatatypeNames(t *testing.T) {
	tests := []struct {
		d    Datatype
		name string
		bits int
	}{{Int16, "int16", 16}, {Float128, "float128", 128}, {RGB24, "RGB24", 24}, {Datatype(3), "unknown datatype 3", 0}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.d.String() != tt.name || tt.d.BitsPerVoxel() != tt.bits {
				t.Errorf("%d = %v of %d bits, want %s of %d", int16(tt.d), tt.d, tt.d.BitsPerVoxel(), tt.name, tt.bits)
			}
		})
	}
}
