package nifti

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// eight are the voxels 1…8 as little-endian int16, for a 2×2×2 image.
var eight = []byte{1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0}

func small() *rawHeader { return header1(le, 4, 16, 3, 2, 2, 2, 1, 1, 1, 1) }

// TestReadAccepted lists what is unusual but read, and the warning that says so.
func TestReadAccepted(t *testing.T) {
	plain := small().with(eight)
	tests := []struct {
		name, file string
		content    []byte
		warning    string // "" means none at all
	}{
		{"plain", "a.nii", plain, ""},
		{"gzip", "a.nii.gz", packed(t, plain), ""},
		{"plain named .nii.gz", "a.nii.gz", plain, ""},
		{"gzip named .nii", "a.nii", packed(t, plain), ""},
		{"name without extension", "a", plain, ""},
		{"single file named .hdr", "a.hdr", plain, ""},
		{"single file named .img without header", "a.img", plain, ""},
		{"upper case", "A.NII.GZ", packed(t, plain), ""},
		{"two gzip members", "a.nii.gz", append(packed(t, plain[:355]), packed(t, plain[355:])...), ""},
		{"empty gzip member", "a.nii.gz", slices.Concat(packed(t, nil), packed(t, plain), packed(t, nil)), ""},
		{"garbage after gzip", "a.nii.gz", append(packed(t, plain), "garbage"...), "after the end of the gzip stream"},
		{"garbage inside gzip", "a.nii.gz", packed(t, append(bytes.Clone(plain), 1, 2, 3)), "3 bytes after the voxels"},
		{"much garbage inside gzip", "a.nii.gz", packed(t, append(bytes.Clone(plain), make([]byte, maxTrailing+1)...)), "more than 1048576 bytes"},
		{"garbage after voxels", "a.nii", append(bytes.Clone(plain), 1, 2, 3), "3 bytes after the voxels"},
		{"vox_offset 0", "a.nii", small().f32(108, 0).with(eight), ""},
		{"vox_offset inside header", "a.nii", small().f32(108, 348).with(eight), "vox_offset = 348"},
		{"vox_offset negative", "a.nii", small().f32(108, -5).with(eight), "vox_offset = -5"},
		{"vox_offset fraction", "a.nii", small().f32(108, 352.5).with(eight), "vox_offset = 352.5"},
		{"vox_offset odd", "a.nii", small().f32(108, 353).with([]byte{9}, eight), ""},
		{"vox_offset 0 in NIfTI-2", "a.nii", header2(le, 4, 16, 3, 2, 2, 2).i64(168, 0).with(eight), ""},
		{"bitpix wrong", "a.nii", small().i16(72, 8).with(eight), "bitpix = 8"},
		{"garbage beyond dim[0]", "a.nii", header1(le, 4, 16, 3, 2, 2, 2, -9, 0, 32000, -1).with(eight), ""},
		{"trailing dimensions of 1", "a.nii", header1(le, 4, 16, 7, 2, 2, 2, 1, 1, 1, 1).with(eight), ""},
		{"slope 0", "a.nii", small().f32(112, 0).f32(116, 5).with(eight), ""},
		{"slope NaN", "a.nii", small().f32(112, math.NaN()).with(eight), "scl_slope = NaN"},
		{"slope infinite", "a.nii", small().f32(112, math.Inf(-1)).with(eight), "scl_slope = -Inf"},
		{"inter NaN", "a.nii", small().f32(116, math.NaN()).with(eight), "scl_inter = NaN"},
		{"inter infinite", "a.nii", small().f32(116, math.Inf(1)).with(eight), "scl_inter = +Inf"},
		{"units of metres", "a.nii", small().text(123, "\x01").with(eight), "metres"},
		{"no orientation", "a.nii", small().i16(254, 0).with(eight), "left and right are unknown"},
		{"singular sform", "a.nii", small().f32(320, 0).with(eight), "sform is singular"},
		{"pixdim 0", "a.nii", small().f32(84, 0).with(eight), "pixdim[2] = 0 taken as 1"},
		{"pixdim negative", "a.nii", small().f32(84, -1).with(eight), ""},
		{"forms in conflict", "a.nii", small().i16(252, 1).f32(268, 0.3).with(eight), "differ by up to 0.3 voxels"},
		{"forms nearly alike", "a.nii", small().i16(252, 1).f32(268, 0.05).with(eight), ""},
		{"quaternion too long", "a.nii", small().i16(252, 1).i16(254, 0).f32(256, 2).with(eight), "length 2"},
		{"broken extension", "a.nii", small().f32(108, 368).text(348, "\x01").with([]byte{7, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, eight), "extension at byte 352"},
		{"NIfTI-2 magic without line ends", "a.nii", header2(le, 4, 16, 3, 2, 2, 2).text(8, "\x00\x00\x00\x00").with(eight), "magic"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			im := mustRead(t, put(t, t.TempDir(), tt.file, tt.content))
			if want := []float32{1, 2, 3, 4, 5, 6, 7, 8}; !slices.Equal(im.Voxels(), want) {
				t.Errorf("Voxels() = %v, want %v", im.Voxels(), want)
			}
			if got := strings.Join(im.Warnings, "; "); tt.warning == "" && got != "" || !strings.Contains(got, tt.warning) {
				t.Errorf("Warnings = %q, want %q", got, tt.warning)
			}
		})
	}
}

// TestReadRefused lists what is refused, with which error and which words.
func TestReadRefused(t *testing.T) {
	plain := small().with(eight)
	gz := packed(t, plain)
	damaged := bytes.Clone(gz)
	damaged[len(damaged)-8] ^= 1
	tests := []struct {
		name, file string
		content    []byte
		err        error
		text       string
	}{
		{"empty", "a.nii", nil, ErrTruncated, "empty"},
		{"two bytes", "a.nii", []byte{1, 2}, ErrNotNIfTI, `"\x01\x02"`},
		{"header cut", "a.nii", plain[:200], ErrTruncated, "ends after 200"},
		{"extender cut", "a.nii", plain[:350], ErrTruncated, "ends after 350"},
		{"voxels cut", "a.nii", plain[:360], ErrTruncated, "need 16 bytes, found 8"},
		{"gzip magic only", "a.nii.gz", gz[:2], ErrTruncated, "gzip"},
		{"gzip header cut", "a.nii.gz", gz[:20], ErrTruncated, ""},
		{"gzip checksum cut", "a.nii.gz", gz[:len(gz)-3], ErrTruncated, "after the voxels"},
		{"gzip voxels missing", "a.nii.gz", packed(t, plain[:360]), ErrTruncated, "need 16 bytes, found 8"},
		{"gzip checksum wrong", "a.nii.gz", damaged, ErrCorrupt, "checksum"},
		{"gzip data wrong", "a.nii.gz", slices.Concat(gz[:10], []byte{0xff, 0xff, 0xff}, gz[13:]), ErrCorrupt, ""},
		{"dims beyond file", "a.nii", header1(le, 4, 16, 4, 32767, 32767, 32767, 100).with(eight), ErrTruncated, "32767×32767×32767×100 voxels of int16 need 7036230192332600 bytes, found 16"},
		{"dims beyond gzip file", "a.nii.gz", packed(t, header1(le, 4, 16, 4, 32767, 32767, 32767, 100).with(eight)), ErrTruncated, ""},
		{"dims overflow", "a.nii", header2(le, 4, 16, 4, 1<<40, 1<<40, 1<<40, 1).with(eight), ErrTooLarge, "1099511627776×"},
		{"one dim overflows", "a.nii", header2(le, 4, 16, 1, math.MaxInt64).with(eight), ErrTooLarge, ""},
		{"dim[0] 0", "a.nii", small().i16(40, 0).with(eight), ErrInvalidHeader, "dim[0] = 0"},
		{"dim[0] 8", "a.nii", small().i16(40, 8).with(eight), ErrInvalidHeader, "dim[0] = 8"},
		{"dim[0] negative", "a.nii", small().i16(40, -3).with(eight), ErrInvalidHeader, "dim[0] = -3"},
		{"dim[2] 0", "a.nii", small().i16(44, 0).with(eight), ErrInvalidHeader, "dim[2] = 0"},
		{"dim[4] negative", "a.nii", header1(le, 4, 16, 4, 2, 2, 2, -1).with(eight), ErrInvalidHeader, "dim[4] = -1"},
		{"dim[4] 0", "a.nii", header2(be, 4, 16, 4, 2, 2, 2, 0).with(eight), ErrInvalidHeader, "dim[4] = 0"},
		{"5-D of volumes and channels", "a.nii", header1(le, 2, 8, 5, 2, 2, 2, 2, 2).with(make([]byte, 32)), ErrUnsupported, "2×2×2×2×2"},
		{"binary", "a.nii", small().i16(70, 1).with(eight), ErrUnsupported, "binary"},
		{"float128", "a.nii", small().i16(70, 1536).with(make([]byte, 128)), ErrUnsupported, "float128"},
		{"complex256", "a.nii", small().i16(70, 2048).with(make([]byte, 256)), ErrUnsupported, "complex256"},
		{"datatype 0", "a.nii", small().i16(70, 0).with(eight), ErrUnsupported, "datatype 0"},
		{"vox_offset NaN", "a.nii", small().f32(108, math.NaN()).with(eight), ErrInvalidHeader, "vox_offset = NaN"},
		{"vox_offset infinite", "a.nii", small().f32(108, math.Inf(1)).with(eight), ErrInvalidHeader, "vox_offset = +Inf"},
		{"vox_offset far", "a.nii", small().f32(108, 1e9).with(eight), ErrTooLarge, "vox_offset = 1e+09"},
		{"vox_offset beyond end", "a.nii.gz", packed(t, small().f32(108, 4000).with(eight)), ErrTruncated, "vox_offset = 4000"},
		{"Analyze", "a.hdr", small().text(344, "\x00\x00\x00\x00").with(eight), ErrNotNIfTI, "Analyze 7.5"},
		{"NIfTI-2 text mode", "a.nii", header2(le, 4, 16, 3, 2, 2, 2).text(8, "\n\x1a\n\x00").with(eight), ErrInvalidHeader, "text mode"},
		{"NIfTI-2 magic missing", "a.nii", header2(le, 4, 16, 3, 2, 2, 2).text(4, "\x00\x00\x00\x00").with(eight), ErrNotNIfTI, "magic"},
		{"web page", "a.nii", []byte("\n\n<!DOCTYPE html>\n<html>"), ErrNotNIfTI, "web page"},
		{"web page in gzip", "a.nii.gz", packed(t, []byte("<HTML><body>404")), ErrNotNIfTI, "web page"},
		{"git-annex pointer", "a.nii.gz", []byte("/annex/objects/MD5E-s1234--abc.nii.gz\n"), ErrNotNIfTI, "datalad get"},
		{"Git LFS pointer", "a.nii.gz", []byte("version https://git-lfs.github.com/spec/v1\n"), ErrNotNIfTI, "git lfs pull"},
		{"MRtrix", "a.mif", []byte("mrtrix image\ndim: 2,2,2\n"), ErrNotNIfTI, "mrconvert"},
		{"NRRD", "a.nrrd", []byte("NRRD0004\ntype: short\n"), ErrNotNIfTI, "NRRD"},
		{"zip", "a.nii", []byte("PK\x03\x04\x14\x00"), ErrNotNIfTI, "zip archive"},
		{"zstd", "a.nii.zst", []byte("\x28\xb5\x2f\xfd\x04\x00"), ErrNotNIfTI, "zstd-compressed"},
		{"bzip2", "a.nii.bz2", []byte("BZh91AY&SY"), ErrNotNIfTI, "bzip2-compressed"},
		{"xz", "a.nii.xz", []byte("\xfd7zXZ\x00\x00"), ErrNotNIfTI, "xz-compressed"},
		{"DICOM", "a.dcm", append(make([]byte, 128), "DICM\x02"...), ErrNotNIfTI, "dcm2niix"},
		{"text", "a.nii", []byte("hello"), ErrNotNIfTI, `"hell"`},
		{"header of a pair alone", "a.hdr", small().text(344, "ni1\x00").with(), fs.ErrNotExist, ".img"},
		{"voxels of a pair alone", "a.img", eight, ErrNotNIfTI, "no header file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := put(t, t.TempDir(), tt.file, tt.content)
			im, err := ReadImage(t.Context(), path, ReadOptions{})
			if im != nil || !errors.Is(err, tt.err) {
				t.Fatalf("ReadImage() = %v, %v, want %v", im, err, tt.err)
			}
			if text := err.Error(); !strings.HasPrefix(text, "nifti: read "+path) || !strings.Contains(text, tt.text) {
				t.Errorf("error = %q, want the path and %q", text, tt.text)
			}
		})
	}
}

func TestReadPair(t *testing.T) {
	header := small().text(344, "ni1\x00").f32(108, 0)
	shifted := small().text(344, "ni1\x00").f32(108, 16)
	tests := []struct {
		name    string
		files   map[string][]byte
		open    []string
		warning string
	}{
		{"plain", map[string][]byte{"a.hdr": header.b[:348], "a.img": eight}, []string{"a.hdr", "a.img"}, ""},
		{"gzip", map[string][]byte{"a.hdr.gz": packed(t, header.b), "a.img.gz": packed(t, eight)}, []string{"a.hdr.gz", "a.img.gz"}, ""},
		{"mixed", map[string][]byte{"a.hdr": header.b, "a.img.gz": packed(t, eight)}, []string{"a.hdr", "a.img.gz"}, ""},
		{"upper case", map[string][]byte{"A.HDR": header.b, "A.IMG": eight}, []string{"A.HDR", "A.IMG"}, ""},
		{"voxels not at 0", map[string][]byte{"a.hdr": shifted.b, "a.img": append(make([]byte, 16), eight...)}, []string{"a.hdr"}, ""},
		{"voxels not at 0, gzip", map[string][]byte{"a.hdr": shifted.b, "a.img": packed(t, append(make([]byte, 16), eight...))}, []string{"a.img"}, ""},
		{"voxels at 0 against the header", map[string][]byte{"a.hdr": shifted.b, "a.img": eight}, []string{"a.hdr"}, "vox_offset = 16"},
		{"header named .nii", map[string][]byte{"a.nii": header.b, "a.img": eight}, []string{"a.nii"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range tt.files {
				put(t, dir, name, content)
			}
			for _, name := range tt.open {
				im := mustRead(t, filepath.Join(dir, name))
				if im.Voxels()[7] != 8 || !im.Header.Pair {
					t.Errorf("ReadImage(%s): last voxel %v, pair %v", name, im.Voxels()[7], im.Header.Pair)
				}
				if got := strings.Join(im.Warnings, "; "); tt.warning == "" && got != "" || !strings.Contains(got, tt.warning) {
					t.Errorf("Warnings = %q, want %q", got, tt.warning)
				}
			}
		})
	}
}

func TestReadPairTruncated(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.hdr", small().text(344, "ni1\x00").f32(108, 0).b)
	img := put(t, dir, "a.img", eight[:10])
	_, err := ReadImage(t.Context(), filepath.Join(dir, "a.hdr"), ReadOptions{})
	if !errors.Is(err, ErrTruncated) || !strings.Contains(err.Error(), "need 16 bytes, found 10 in "+img) {
		t.Errorf("error = %v, want the truncated file and both sizes", err)
	}
}

func TestReadPairExtensionsTooLarge(t *testing.T) {
	dir := t.TempDir()
	path := put(t, dir, "a.hdr", small().text(344, "ni1\x00").f32(108, 0).b)
	put(t, dir, "a.img", eight)
	if err := os.Truncate(path, headerSize1+maxExtension+1); err != nil {
		t.Skipf("no sparse files here: %v", err)
	}
	if _, err := ReadHeader(path); !errors.Is(err, ErrTooLarge) {
		t.Errorf("ReadHeader() error = %v, want ErrTooLarge", err)
	}
}

func TestReadNotFiles(t *testing.T) {
	dir := t.TempDir()
	annexed := filepath.Join(dir, "annexed.nii.gz")
	if err := os.Symlink("../.git/annex/objects/aa/bb/MD5E-s9.nii.gz", annexed); err != nil {
		t.Fatal(err)
	}
	dangling := filepath.Join(dir, "dangling.nii")
	if err := os.Symlink("elsewhere.nii", dangling); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, path string
		err        error
		text       string
	}{
		{"directory", dir, ErrNotNIfTI, "directory"},
		{"missing", filepath.Join(dir, "none.nii"), fs.ErrNotExist, "none.nii"},
		{"annexed", annexed, fs.ErrNotExist, "datalad get"},
		{"dangling link", dangling, fs.ErrNotExist, `link to "elsewhere.nii"`},
		{"device", os.DevNull, ErrNotNIfTI, "regular"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadImage(t.Context(), tt.path, ReadOptions{})
			if !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error = %v, want %v saying %q", err, tt.err, tt.text)
			}
		})
	}
}

// TestReadHugeSparse checks 64-bit sizes on an image of 4.3 GB of which nothing
// is stored: the header's arithmetic must be right and MaxBytes must refuse it
// before memory is taken.
func TestReadHugeSparse(t *testing.T) {
	path := put(t, t.TempDir(), "huge.nii", header1(le, 4, 16, 4, 145, 174, 145, 588).b)
	const size = int64(145) * 174 * 145 * 588 * 2
	if err := os.Truncate(path, 352+size-1); err != nil {
		t.Skipf("no sparse files here: %v", err)
	}
	if _, err := Open(path); !errors.Is(err, ErrTruncated) {
		t.Errorf("Open() of a file one byte short: %v, want ErrTruncated", err)
	}
	if err := os.Truncate(path, 352+size); err != nil {
		t.Fatal(err)
	}
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if _, err := ReadImage(t.Context(), path, ReadOptions{MaxBytes: 2*size - 1}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("ReadImage() above the limit: %v, want ErrTooLarge", err)
	}
}

// TestReadImplausibleGzip reads an image that compresses a thousandfold, so
// that the array starts small and has to grow. What is allocated in all must
// stay near the array of 16 MiB: the first array and buffers take 9 MiB.
func TestReadImplausibleGzip(t *testing.T) {
	content := header1(le, 4, 16, 4, 128, 128, 128, 2).with(make([]byte, 2*2*128*128*128))
	content[len(content)-2] = 7
	path := put(t, t.TempDir(), "a.nii.gz", packed(t, content))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	im := mustRead(t, path)
	runtime.ReadMemStats(&after)
	if mib := (after.TotalAlloc - before.TotalAlloc) >> 20; mib > 28 {
		t.Errorf("ReadImage() allocated %d MiB for an array of 16 MiB", mib)
	}
	v := im.Voxels()
	if len(v) != 2*128*128*128 || v[len(v)-1] != 7 || v[len(v)-2] != 0 {
		t.Errorf("%d voxels ending in %v", len(v), v[len(v)-2:])
	}
}

func TestReadCancelled(t *testing.T) {
	path := put(t, t.TempDir(), "a.nii.gz", packed(t, small().with(eight)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ReadImage(ctx, path, ReadOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("ReadImage() error = %v, want context.Canceled", err)
	}
}

// TestReader compares reading volume by volume with reading at once.
func TestReader(t *testing.T) {
	for _, name := range []string{"int16-le1.nii.gz", "float64-be2.nii.gz", "scaled-int16.nii", "pair2.img"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(fixtureDir, name)
			want := mustRead(t, path)
			r, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			nx, ny, nz, nt := r.Header().Shape()
			dst := make([]float32, nx*ny*nz)
			for n := range nt {
				if err := r.ReadVolume(dst); err != nil {
					t.Fatalf("volume %d: %v", n, err)
				}
				if !sameVoxels(dst, want.Volume(n)) {
					t.Errorf("volume %d = %v, want %v", n, dst, want.Volume(n))
				}
			}
			for range 2 {
				if err := r.ReadVolume(dst); err != io.EOF {
					t.Errorf("after the last volume: %v, want io.EOF", err)
				}
			}
			if diff := cmp.Diff(want.Warnings, r.Warnings()); diff != "" {
				t.Errorf("warnings (-image +reader):\n%s", diff)
			}
		})
	}
}

// TestReaderClosedEarly must not hang or leave the reading goroutine behind.
func TestReaderClosedEarly(t *testing.T) {
	content := header1(le, 4, 16, 4, 128, 128, 128, 3).with(make([]byte, 3*2*128*128*128))
	path := put(t, t.TempDir(), "a.nii.gz", packed(t, content))
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.ReadVolume(make([]float32, 128*128*128)); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	if err := r.ReadVolume(make([]float32, 128*128*128)); err == nil {
		t.Error("ReadVolume() after Close() = nil, want an error")
	}
}

func TestReaderTruncatedStays(t *testing.T) {
	whole := packed(t, header1(le, 4, 16, 4, 64, 64, 4, 2).with(noise(64*64*4*2*2)))
	r, err := Open(put(t, t.TempDir(), "a.nii.gz", whole[:len(whole)/4*3]))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	dst := make([]float32, 64*64*4)
	if err := r.ReadVolume(dst); err != nil {
		t.Fatalf("first volume, which is whole: %v", err)
	}
	for range 2 {
		if err := r.ReadVolume(dst); !errors.Is(err, ErrTruncated) {
			t.Errorf("second volume: %v, want ErrTruncated", err)
		}
	}
}

func TestReadVolumePanicsOnWrongLength(t *testing.T) {
	r, err := Open(put(t, t.TempDir(), "a.nii", small().with(eight)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer func() {
		if recover() != badVolumeSize {
			t.Errorf("no panic")
		}
	}()
	r.ReadVolume(make([]float32, 7))
}
