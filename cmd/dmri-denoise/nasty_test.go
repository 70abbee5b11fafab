package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// nasty is a folder with a small good scan, and what bad ones are made from.
type nasty struct {
	dir        string
	nii, gz    []byte // the scan as .nii and .nii.gz
	bval, bvec string
	phantom    *phantom.Phantom
}

func newNasty(t *testing.T) *nasty {
	t.Helper()
	p, err := phantom.Make(t.Context(), phantom.Options{Protocol: "small", Shape: [3]int{10, 10, 4}, Rician: true})
	if err != nil {
		t.Fatal(err)
	}
	n := &nasty{dir: t.TempDir(), phantom: p}
	n.nii, n.gz = n.image(t, p.Noisy, "good.nii"), n.image(t, p.Noisy, "good.nii.gz")
	affine, _ := p.Noisy.Header.Affine()
	if err := p.Table.Export(filepath.Join(n.dir, "good.bval"), filepath.Join(n.dir, "good.bvec"), affine, false); err != nil {
		t.Fatal(err)
	}
	n.bval, n.bvec = n.text(t, "good.bval"), n.text(t, "good.bvec")
	return n
}

func (n *nasty) image(t *testing.T, im *nifti.Image, name string) []byte {
	t.Helper()
	if err := im.Write(t.Context(), filepath.Join(n.dir, name), nifti.WriteOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	return []byte(n.text(t, name))
}

func (n *nasty) text(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(n.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// run puts image and tables into a folder of their own, denoises, and holds the outcome to the rules: a documented
// status, one error of one line, no partial output.
func (n *nasty) run(t *testing.T, image []byte, bval, bvec string, more ...string) (status int, said string) {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "in.nii")
	if bytes.HasPrefix(image, []byte("\x1f\x8b")) {
		name += ".gz"
	}
	for file, data := range map[string][]byte{name: image, filepath.Join(dir, "in.bval"): []byte(bval), filepath.Join(dir, "in.bvec"): []byte(bvec)} {
		if err := os.WriteFile(file, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "out")
	words := append([]string{"run", name, filepath.Join(out, "dwi.nii.gz"), "--no-qc", "-q", "--prior", "gaussian", "--nthreads", "2"}, more...)
	return n.judge(t, out, words)
}

// judge runs a command line whose outputs are in the folder out.
func (n *nasty) judge(t *testing.T, out string, words []string) (status int, said string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	u := newUI(&stdout, &stderr)
	err := execute(t.Context(), u, words)
	if err != nil {
		u.fail(err)
	}
	status, said = exitCode(t.Context(), err), stderr.String()
	found := files(t, out)
	switch {
	case status == exitOK && len(found) != 5:
		t.Errorf("success with %d files", len(found))
	case status != exitOK && len(found) > 0:
		t.Errorf("status %d with %d files: %s", status, len(found), said)
	case status != exitOK && (strings.Count(said, ": error: ") != 1 || strings.Contains(said, "goroutine ")):
		t.Errorf("status %d, not one error: %q", status, said)
	}
	if _, err := os.Stat(out); status != exitOK && err == nil {
		t.Errorf("status %d leaves a folder", status)
	}
	return status, said
}

// Cut anywhere, or with a byte turned anywhere, a compressed scan is refused as damaged.
func TestDamagedGzip(t *testing.T) {
	n := newNasty(t)
	for k := range 20 {
		at := k * len(n.gz) / 20
		if status, said := n.run(t, n.gz[:at], n.bval, n.bvec); status != exitBadInput {
			t.Errorf("cut after %d of %d bytes: status %d, %q", at, len(n.gz), status, said)
		}
	}
	for k := range 20 {
		at := 10 + k*(len(n.gz)-10)/20 // behind the header, whose name and time mean nothing
		image := bytes.Clone(n.gz)
		image[at] ^= 0x55
		if status, said := n.run(t, image, n.bval, n.bvec); status != exitBadInput {
			t.Errorf("byte %d turned: status %d, %q", at, status, said)
		}
	}
	for _, at := range []int{0, 1, 100, 347, 352, 1000, len(n.nii) - 1} {
		if status, said := n.run(t, n.nii[:at], n.bval, n.bvec); status != exitBadInput {
			t.Errorf(".nii cut after %d bytes: status %d, %q", at, status, said)
		}
	}
}

// Every byte of the header can be wrong: the scan is refused or denoised, never more.
func TestWrongHeaderBytes(t *testing.T) {
	n := newNasty(t)
	outcomes := map[int]int{}
	for at := range 352 {
		for _, turn := range []byte{0xff, 0x80} {
			image := bytes.Clone(n.nii)
			image[at] ^= turn
			words := []string{"info", filepath.Join(n.dir, "turned.nii"), "--bval", filepath.Join(n.dir, "good.bval"), "--bvec", filepath.Join(n.dir, "good.bvec")}
			if err := os.WriteFile(words[1], image, 0o666); err != nil {
				t.Fatal(err)
			}
			if at%16 == 0 {
				status, said := n.run(t, image, n.bval, n.bvec)
				if outcomes[status]++; status != exitOK && status != exitBadInput {
					t.Errorf("byte %d turned: status %d, %q", at, status, said)
				}
				continue
			}
			var stdout, stderr bytes.Buffer
			err := execute(t.Context(), newUI(&stdout, &stderr), words)
			status := exitCode(t.Context(), err)
			if outcomes[status]++; status != exitOK && status != exitBadInput {
				t.Errorf("byte %d turned: info ends with %d, %v", at, status, err)
			}
		}
	}
	t.Logf("by exit status: %v", outcomes)
}

// patch writes a value of the header's byte order at an offset.
func patch(image []byte, at int, value any) []byte {
	out := bytes.Clone(image)
	n, err := binary.Encode(out[at:], binary.LittleEndian, value)
	if err != nil || n == 0 {
		panic(fmt.Sprint("patch: ", err))
	}
	return out
}

// Offsets of NIfTI-1 fields.
const (
	offDim, offDatatype, offBitPix, offPixDim, offVoxOffset = 40, 70, 72, 76, 108
	offSlope, offInter, offSform, offSRow, offMagic         = 112, 116, 254, 280, 344
)

func dim(axis int) int { return offDim + 2*axis }

func float32At(v float64) float32 { return float32(v) }

// Headers that lie: each is refused with the field in the error, or denoised with what was assumed in a warning.
func TestLyingHeaders(t *testing.T) {
	n := newNasty(t)
	nan := float32At(math.NaN())
	for _, c := range []struct {
		name   string
		image  []byte
		status int
		want   string
	}{
		{"dim[0] = 0", patch(n.nii, dim(0), int16(0)), 3, "dim[0]"},
		{"dim[0] = 8", patch(n.nii, dim(0), int16(8)), 3, "dim"},
		{"dim[0] = 3", patch(n.nii, dim(0), int16(3)), 3, "single volume"},
		{"dim[1] = 0", patch(n.nii, dim(1), int16(0)), 3, "dim[1]"},
		{"dim[2] = -1", patch(n.nii, dim(2), int16(-1)), 3, "dim[2]"},
		{"dim[4] = 0", patch(n.nii, dim(4), int16(0)), 3, "dim[4]"},
		{"dim[4] = 1", patch(n.nii, dim(4), int16(1)), 3, "single volume"},
		{"dim[4] one more than there is", patch(n.nii, dim(4), int16(34)), 3, "need"},
		{"largest dimensions", patch(n.nii, dim(1), []int16{32767, 32767, 32767, 32767}), 3, "dim"},
		{"largest dimensions, compressed", packed(t, patch(n.nii, dim(1), []int16{32767, 32767, 32767, 32767})), 3, "dim"},
		{"2^31 voxels, compressed", packed(t, patch(n.nii, dim(1), []int16{32767, 32767, 2, 33})), 3, "need"},
		{"datatype 0", patch(n.nii, offDatatype, int16(0)), 3, "voxels are"},
		{"complex", patch(n.nii, offDatatype, int16(32)), 3, "only real numbers"},
		{"RGB", patch(n.nii, offDatatype, int16(128)), 3, "only real numbers"},
		{"datatype of no name", patch(n.nii, offDatatype, int16(1234)), 3, "voxels are"},
		{"bitpix 8", patch(n.nii, offBitPix, int16(8)), 0, "bitpix = 8"},
		{"vox_offset NaN", patch(n.nii, offVoxOffset, nan), 3, "vox_offset"},
		{"vox_offset 1e30", patch(n.nii, offVoxOffset, float32(1e30)), 3, "vox_offset"},
		{"vox_offset 100", patch(n.nii, offVoxOffset, float32(100)), 0, "vox_offset = 100"},
		{"vox_offset past the end", patch(n.nii, offVoxOffset, float32(1e6)), 3, "vox_offset"},
		{"slope NaN", patch(n.nii, offSlope, nan), 0, "scl_slope"},
		{"slope 0", patch(n.nii, offSlope, float32(0)), 0, ""},
		{"slope 45, intercept infinite", patch(patch(n.nii, offSlope, float32(45)), offInter, float32At(math.Inf(1))), 0, "scl_inter"},
		{"slope -1e38", patch(n.nii, offSlope, float32(-1e38)), 3, "voxel"},
		{"sform singular", patch(n.nii, offSRow, make([]float32, 12)), 0, "sform is singular"},
		{"sform NaN", patch(n.nii, offSRow, nan), 0, "sform is singular or not finite"},
		{"pixdim 0", patch(n.nii, offPixDim+4, float32(0)), 0, "pixdim[1]"},
		{"pixdim 1e-30", patch(n.nii, offPixDim+4, float32(1e-30)), 0, "pixdim[1]"},
		{"no orientation", patch(patch(n.nii, offSform, int16(0)), offSform-2, int16(0)), 0, "left and right are unknown"},
		{"no magic", patch(n.nii, offMagic, []byte{0, 0, 0, 0}), 3, "magic"},
		{"header of a pair", patch(n.nii, offMagic, []byte("ni1\x00")), 3, "pair"},
		{"raw image named .gz is read", n.nii, 0, ""},
		{"a web page", []byte("<!DOCTYPE html><html>"), 3, "web page"},
		{"nothing", nil, 3, "empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, said := n.run(t, c.image, n.bval, n.bvec)
			if status != c.status || !strings.Contains(said, c.want) {
				t.Errorf("status %d, %q; want %d with %q", status, said, c.status, c.want)
			}
		})
	}
}

func packed(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Scans whose voxels are not what a scan has.
func TestStrangeVoxels(t *testing.T) {
	n := newNasty(t)
	fill := func(value func(n, v int, x float32) float32) *nifti.Image {
		im := n.phantom.Noisy.Like(n.phantom.Table.Len())
		for k := range n.phantom.Table.Len() {
			for v, x := range n.phantom.Noisy.Volume(k) {
				im.Volume(k)[v] = value(k, v, x)
			}
		}
		return im
	}
	nan, inf := float32At(math.NaN()), float32At(math.Inf(1))
	for _, c := range []struct {
		name   string
		im     *nifti.Image
		status int
		want   string
	}{
		{"all zero", fill(func(int, int, float32) float32 { return 0 }), 3, "no voxel to denoise"},
		{"one value", fill(func(int, int, float32) float32 { return 7 }), 3, "no voxel to denoise"},
		{"all NaN", fill(func(int, int, float32) float32 { return nan }), 3, "no voxel to denoise"},
		{"NaN in every voxel of one volume", fill(func(k, _ int, x float32) float32 { return pick(k == 5, nan, x) }), 0, "imputed: 5"},
		{"one volume constant", fill(func(k, _ int, x float32) float32 { return pick(k == 5, 3, x) }), 0, "imputed: 5"},
		{"one volume zero", fill(func(k, _ int, x float32) float32 { return pick(k == 9, 0, x) }), 0, "imputed: 9"},
		{"one infinite voxel", fill(func(k, v int, x float32) float32 { return pick(k == 5 && v == 200, inf, x) }), 0, "NaN or Inf"},
		{"zero outside the head", fill(func(_, v int, x float32) float32 { return pick(n.phantom.Mask.Voxels()[v] > 0, x, 0) }), 0, ""},
		{"volumes all alike", fill(func(_, v int, x float32) float32 { return n.phantom.Noisy.Volume(0)[v] }), 3, ""},
		{"negative values", fill(func(_, _ int, x float32) float32 { return x - 300 }), 0, ""},
		{"small values", fill(func(_, _ int, x float32) float32 { return x * 1e-12 }), 0, ""},
		{"large values", fill(func(_, _ int, x float32) float32 { return x * 1e12 }), 0, ""},
		{"values whose squares are 0", fill(func(_, _ int, x float32) float32 { return x * 1e-30 }), 3, "noise level cannot be measured"},
		{"values whose squares are infinite", fill(func(_, _ int, x float32) float32 { return x * 1e30 }), 3, "noise level cannot be measured"},
		{"whole numbers of a few levels", fill(func(_, _ int, x float32) float32 { return float32(math.Round(float64(x) / 400)) }), 0, ""},
		{"every second volume a copy", fill(func(k, v int, _ float32) float32 { return n.phantom.Noisy.Volume(k / 2 * 2)[v] }), 0, "exact copies"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, said := n.run(t, n.image(t, c.im, "strange.nii"), n.bval, n.bvec)
			if status != c.status || !strings.Contains(said, c.want) {
				t.Errorf("status %d, %q; want %d with %q", status, said, c.status, c.want)
			}
		})
	}
}

func pick(first bool, a, b float32) float32 {
	if first {
		return a
	}
	return b
}

// Scans of few volumes or slices, and tables of every kind that pipelines make.
func TestStrangeShapesAndTables(t *testing.T) {
	n := newNasty(t)
	b, v := strings.Fields(n.bval), strings.Split(strings.TrimSpace(n.bvec), "\n")
	var rows [3][]string
	for i := range rows {
		rows[i] = strings.Fields(v[i])
	}
	table := func(volumes []int, bvalue func(k int, b string) string) (string, string) {
		var bval []string
		var bvec [3][]string
		for at, k := range volumes {
			bval = append(bval, bvalue(at, b[k]))
			for i := range bvec {
				bvec[i] = append(bvec[i], rows[i][k])
			}
		}
		return strings.Join(bval, " "), strings.Join(bvec[0], " ") + "\n" + strings.Join(bvec[1], " ") + "\n" + strings.Join(bvec[2], " ")
	}
	as := func(_ int, b string) string { return b }
	first := func(count int) []int {
		out := make([]int, count)
		for i := range out {
			out[i] = i
		}
		return out
	}
	all := first(len(b))
	check := func(name string, volumes []int, bval, bvec string, status int, want string, more ...string) {
		t.Run(name, func(t *testing.T) {
			got, said := n.run(t, n.image(t, n.phantom.Noisy.Select(volumes), "part.nii"), bval, bvec, more...)
			if got != status || !strings.Contains(said, want) {
				t.Errorf("status %d, %q; want %d with %q", got, said, status, want)
			}
		})
	}
	for d := 2; d <= 7; d++ {
		bval, bvec := table(first(d), as)
		want := "volumes are few"
		if d == 7 {
			want = ""
		}
		check(fmt.Sprintf("%d volumes", d), first(d), bval, bvec, 0, want)
	}
	same := func(value string) func(int, string) string { return func(int, string) string { return value } }
	for _, c := range []struct {
		name   string
		b      func(int, string) string
		status int
		want   string
	}{
		{"no b0", same("1000"), 0, ""},
		{"all b0", same("0"), 0, ""},
		{"b0 coded as 5", func(_ int, b string) string { return strings.ReplaceAll(" "+b, " 0", " 5") }, 0, ""},
		{"jitter", func(k int, b string) string { return b + "." + strconv.Itoa(k) }, 0, ""},
		{"negative b-value", same("-1000"), 3, "in.bval"},
		{"words", same("b1000"), 3, "in.bval"},
	} {
		bval, bvec := table(all, c.b)
		check(c.name, all, bval, bvec, c.status, c.want)
	}
	check("swapped files", all, n.bvec, n.bval, 3, "swapped")
	check("b-values one short", all, strings.Join(b[1:], " "), n.bvec, 3, "33")
	shortB, shortV := table(first(32), as)
	check("table one short of the image", all, shortB, shortV, 3, "33 volumes")
	check("empty table", all, "", "", 3, "in.bv")
	check("b-values in a column, CRLF, final blank lines", all, strings.Join(b, "\r\n")+"\r\n\r\n", n.bvec, 0, "")
	check("commas", all, strings.Join(b, ","), n.bvec, 0, "")
	check("a Unicode minus", all, n.bval, strings.Replace(n.bvec, "-", "\u2212", 1), 3, "in.bvec")
	check("NaN on one side only", all, strings.Replace(n.bval, "1000", "nan", 1), n.bvec, 3, "NaN")
	zero := strings.Split(n.bvec, "\n")
	for i := range rows {
		zeroed := append([]string{}, rows[i]...)
		zeroed[20] = "0"
		zero[i] = strings.Join(zeroed, " ")
	}
	check("a weighted volume without a direction", all, n.bval, strings.Join(zero, "\n"), 0, "zero direction")

	// The table says that a weighted volume is b = 0 and the reverse.
	var b0, weighted int
	for k, text := range b {
		if x, _ := strconv.ParseFloat(text, 64); x < 50 {
			b0 = k
		} else {
			weighted = k
		}
	}
	wrong := append([]string{}, b...)
	wrong[b0], wrong[weighted] = wrong[weighted], wrong[b0]
	check("volumes in another order than the table", all, strings.Join(wrong, " "), n.bvec, 0, "in one order?", "--impute", "off")

	// Shapes: one slice, one line, one voxel.
	for _, shape := range [][3]int{{10, 10, 1}, {1, 10, 4}, {10, 1, 1}, {1, 1, 1}} {
		im := nifti.New(shape[0], shape[1], shape[2], len(b), [3]float64{2, 2, 2})
		size := len(im.Volume(0))
		for k := range b {
			copy(im.Volume(k), n.phantom.Noisy.Volume(k)[150:150+size])
		}
		t.Run(fmt.Sprint(shape), func(t *testing.T) {
			if status, said := n.run(t, n.image(t, im, "shape.nii"), n.bval, n.bvec); status != 0 && status != exitBadInput {
				t.Errorf("status %d, %q", status, said)
			}
		})
	}
	// 5-D with an axis of one, as some converters write.
	five := patch(patch(n.nii, dim(0), int16(5)), dim(4), []int16{1, 33})
	if status, said := n.run(t, five, n.bval, n.bvec); status != 0 || !strings.Contains(said, "read as 4-D") {
		t.Errorf("5-D: status %d, %q", status, said)
	}
}

// Masks that are no masks.
func TestStrangeMasks(t *testing.T) {
	n := newNasty(t)
	mask := func(value func(v int) float32) string {
		im := n.phantom.Mask.Like(1)
		for v := range im.Voxels() {
			im.Voxels()[v] = value(v)
		}
		n.image(t, im, "mask.nii.gz")
		return filepath.Join(n.dir, "mask.nii.gz")
	}
	for _, c := range []struct {
		name   string
		value  func(v int) float32
		status int
		want   string
	}{
		{"empty", func(int) float32 { return 0 }, 3, "no voxel is above zero"},
		{"NaN", func(int) float32 { return float32At(math.NaN()) }, 3, "no voxel is above zero"},
		{"negative", func(int) float32 { return -1 }, 3, "no voxel is above zero"},
		{"one voxel", func(v int) float32 { return pick(v == 200, 1, 0) }, 3, ""},
		{"everything", func(int) float32 { return 1 }, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, said := n.run(t, n.nii, n.bval, n.bvec, "--mask", mask(c.value))
			if status != c.status && !(c.name == "one voxel" && status == 0) || !strings.Contains(said, c.want) {
				t.Errorf("status %d, %q; want %d with %q", status, said, c.status, c.want)
			}
		})
	}
}

// Paths that lead nowhere.
func TestStrangePaths(t *testing.T) {
	n := newNasty(t)
	loop := filepath.Join(n.dir, "loop.nii.gz")
	if err := os.Symlink(loop, loop); err != nil {
		t.Skip(err)
	}
	secret := filepath.Join(n.dir, "secret.nii.gz")
	if err := os.WriteFile(secret, n.gz, 0); err != nil {
		t.Fatal(err)
	}
	good := filepath.Join(n.dir, "good.nii.gz")
	type story struct {
		name   string
		words  []string
		status int
		want   string
	}
	stories := []story{
		{"a link to itself", []string{loop}, 3, "loop.nii.gz"},
		{"a folder", []string{n.dir}, 3, "is a folder"},
		{"a device", []string{"/dev/zero"}, 3, "/dev/zero"},
		{"a folder as mask", []string{good, "--mask", n.dir}, 3, "is a folder"},
		{"a folder as table", []string{good, "--bval", n.dir, "--bvec", n.dir}, 3, "is a folder"},
		{"an output below a file", []string{good, filepath.Join(good, "out.nii.gz")}, 1, "not a directory"},
		{"an output of a name too long", []string{good, filepath.Join(n.dir, strings.Repeat("x", 300)+".nii.gz")}, 1, "too long"},
	}
	if os.Getuid() != 0 {
		stories = append(stories, story{"a file that may not be read", []string{secret}, 3, "permission denied"})
	}
	for _, c := range stories {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			words := append([]string{"run"}, c.words...)
			if len(c.words) == 1 || strings.HasPrefix(c.words[1], "--") {
				words = append([]string{"run", c.words[0], filepath.Join(out, "dwi.nii.gz")}, c.words[1:]...)
			}
			status, said := n.judge(t, out, append(words, "--no-qc", "-q"))
			if status != c.status || !strings.Contains(said, c.want) {
				t.Errorf("status %d, %q; want %d with %q", status, said, c.status, c.want)
			}
		})
	}
}
