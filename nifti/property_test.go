package nifti

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// drawHeader makes a header with arbitrary values in every field that is
// carried over.
func drawHeader(t *rapid.T) Header {
	version := rapid.IntRange(1, 2).Draw(t, "version")
	float := rapid.Custom(func(t *rapid.T) float64 {
		if version == 1 {
			return float64(rapid.Float32().Draw(t, "float32"))
		}
		return rapid.Float64().Draw(t, "float64")
	})
	small := rapid.Int64Range(-1<<15, 1<<15-1)
	text := func(name string, n int) string {
		return rapid.StringMatching(fmt.Sprintf(`[ -~é]{0,%d}`, n/2)).Draw(t, name)
	}
	h := Header{
		Version: version, CalMax: float.Draw(t, "cal_max"), CalMin: float.Draw(t, "cal_min"),
		SliceDuration: float.Draw(t, "slice_duration"), TOffset: float.Draw(t, "toffset"),
		SliceStart: small.Draw(t, "slice_start"), SliceEnd: small.Draw(t, "slice_end"),
		SliceCode: rapid.Int32Range(0, 255).Draw(t, "slice_code"), XYZTUnits: rapid.Int32Range(0, 255).Draw(t, "xyzt_units"),
		DimInfo: rapid.Byte().Draw(t, "dim_info"), IntentCode: int32(rapid.Int16Range(-1<<15, 2999).Draw(t, "intent_code")),
		IntentName: text("intent_name", 15), Descrip: text("descrip", 79), AuxFile: text("aux_file", 23),
		QformCode: int32(rapid.Int16().Draw(t, "qform_code")), SformCode: int32(rapid.Int16().Draw(t, "sform_code")),
	}
	for i := range h.PixDim {
		h.PixDim[i] = float.Draw(t, "pixdim")
	}
	for i := range 3 {
		h.IntentP[i], h.Quatern[i], h.QOffset[i] = float.Draw(t, "intent_p"), float.Draw(t, "quatern"), float.Draw(t, "qoffset")
		for j := range 4 {
			h.SRow[i][j] = float.Draw(t, "srow")
		}
	}
	return h
}

// TestWriteReadProperty writes arbitrary images in arbitrary forms and expects
// the same voxels, bit for bit, and the same header back.
func TestWriteReadProperty(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		axis := rapid.IntRange(1, 5)
		im := New(axis.Draw(t, "nx"), axis.Draw(t, "ny"), axis.Draw(t, "nz"), axis.Draw(t, "nt"), [3]float64{1, 1, 1})
		dim := im.Header.Dim
		im.Header = drawHeader(t)
		im.Header.Dim = dim
		for i, v := 0, im.Voxels(); i < len(v); i++ {
			v[i] = math.Float32frombits(rapid.Uint32().Draw(t, "voxel"))
		}
		for range rapid.IntRange(0, 3).Draw(t, "extensions") {
			im.Header.Extensions = appendExtension(im.Header.Extensions, rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, "extension"))
		}
		suffix := rapid.SampledFrom([]string{".nii", ".nii.gz", ".hdr", ".img.gz"}).Draw(t, "suffix")
		path := filepath.Join(dir, "image"+suffix)
		if err := im.Write(t.Context(), path, WriteOptions{Force: true, Level: rapid.IntRange(0, 9).Draw(t, "level")}); err != nil {
			t.Fatal(err)
		}
		got, err := ReadImage(t.Context(), path, ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if !sameVoxels(got.Voxels(), im.Voxels()) {
			t.Fatalf("voxels = %v, want %v", got.Voxels(), im.Voxels())
		}
		if len(im.Header.Extensions) == 0 && !got.Header.Pair {
			im.Header.Extensions = make([]byte, 4)
		}
		ignore := cmpopts.IgnoreFields(Header{}, "Pair", "Datatype", "BitPix", "VoxOffset", "SclSlope", "SclInter", "text")
		if diff := cmp.Diff(im.Header, got.Header, ignore, cmpopts.EquateNaNs(), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("header (-written +read):\n%s", diff)
		}
	})
}

// appendExtension adds a comment to a list of extensions.
func appendExtension(list, content []byte) []byte {
	if len(list) == 0 {
		list = []byte{1, 0, 0, 0}
	}
	size := (8 + len(content) + 15) / 16 * 16
	list = le.AppendUint32(list, uint32(size))
	list = le.AppendUint32(list, 6)
	return append(append(list, content...), make([]byte, size-8-len(content))...)
}

// TestTruncationProperty cuts files anywhere: never a panic, never success,
// except where only what may be missing is missing.
func TestTruncationProperty(t *testing.T) {
	dir := t.TempDir()
	whole := small().with(eight)
	for name, content := range map[string][]byte{"a.nii": whole, "a.nii.gz": packed(t, whole), "b.nii": header2(be, 4, 16, 3, 2, 2, 2).with(eight)} {
		for n := range content {
			path := put(t, dir, name, content[:n])
			if im, err := ReadImage(t.Context(), path, ReadOptions{}); err == nil {
				t.Errorf("%s cut after %d of %d bytes: read as %v", name, n, len(content), im.Voxels())
			}
		}
	}
}

// TestGzipDamageIsFound flips single bits of a compressed image. The checksum
// must catch whatever changes a voxel.
func TestGzipDamageIsFound(t *testing.T) {
	dir := t.TempDir()
	voxels := noise(2 * 4 * 4 * 4)
	content := packed(t, header1(le, 4, 16, 3, 4, 4, 4).with(voxels))
	want := mustRead(t, put(t, dir, "whole.nii.gz", content))
	for bit := range 8 * len(content) {
		damaged := bytes.Clone(content)
		damaged[bit/8] ^= 1 << (bit % 8)
		path := put(t, dir, "a.nii.gz", damaged)
		if im, err := ReadImage(t.Context(), path, ReadOptions{}); err == nil && !sameVoxels(im.Voxels(), want.Voxels()) {
			t.Errorf("bit %d flipped: other voxels without an error", bit)
		}
		os.Remove(path)
	}
}
