package nifti

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// noisy is an image of several blocks with voxels that hardly compress.
func noisy(nt int) *Image {
	im := New(64, 64, 32, nt, [3]float64{2, 2, 2})
	rng := rand.New(rand.NewPCG(7, 7))
	for i, v := 0, im.Voxels(); i < len(v); i++ {
		if i/64%64 < 50 { // some air
			v[i] = float32(1000 + 50*rng.NormFloat64())
		}
	}
	return im
}

// files lists a directory.
func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestWriteForms(t *testing.T) {
	tests := []struct {
		name  string
		wrote []string
		gz    bool
	}{
		{"a.nii", []string{"a.nii"}, false},
		{"a.nii.gz", []string{"a.nii.gz"}, true},
		{"A.NII.GZ", []string{"A.NII.GZ"}, true},
		{"a.hdr", []string{"a.hdr", "a.img"}, false},
		{"a.img", []string{"a.hdr", "a.img"}, false},
		{"a.img.gz", []string{"a.hdr.gz", "a.img.gz"}, true},
		{"sub-01.ses-a.nii.gz", []string{"sub-01.ses-a.nii.gz"}, true},
	}
	im := noisy(1)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, tt.name)
			if err := im.Write(t.Context(), path, WriteOptions{}); err != nil {
				t.Fatal(err)
			}
			if got := files(t, dir); !slices.Equal(got, tt.wrote) {
				t.Errorf("files = %v, want %v", got, tt.wrote)
			}
			for _, name := range tt.wrote {
				if gz := bytes.HasPrefix(mustReadFile(t, filepath.Join(dir, name)), []byte(gzipMagic)); gz != tt.gz {
					t.Errorf("%s: compressed = %v, want %v", name, gz, tt.gz)
				}
			}
			got := mustRead(t, path)
			if !sameVoxels(got.Voxels(), im.Voxels()) || got.Warnings != nil {
				t.Errorf("voxels or warnings differ after reading; warnings %q", got.Warnings)
			}
		})
	}
}

func TestWriteRefused(t *testing.T) {
	dir := t.TempDir()
	existing := put(t, dir, "existing.nii", []byte("precious"))
	input := put(t, dir, "input.nii", []byte("scan"))
	put(t, dir, "pair.hdr", []byte("header"))
	img := put(t, dir, "pair.img.gz", []byte("voxels"))
	for link, target := range map[string]string{"link.nii": "input.nii", "dangling.nii": "nowhere.nii"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(input, filepath.Join(dir, "hard.nii")); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "folder.nii")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	protect := WriteOptions{NeverOverwrite: []string{input, img, filepath.Join(dir, "sub", "..", "absent.nii")}}
	tests := []struct {
		name, path string
		o          WriteOptions
		err        error
	}{
		{"existing", existing, WriteOptions{}, ErrExists},
		{"dangling link", filepath.Join(dir, "dangling.nii"), WriteOptions{}, ErrExists},
		{"input", input, protect, ErrSameFile},
		{"input by another spelling", filepath.Join(dir, ".", "folder.nii", "..", "input.nii"), protect, ErrSameFile},
		{"link to input", filepath.Join(dir, "link.nii"), protect, ErrSameFile},
		{"hard link to input", filepath.Join(dir, "hard.nii"), protect, ErrSameFile},
		{"absent input", filepath.Join(dir, "absent.nii"), protect, ErrSameFile},
		{"other half of an input", filepath.Join(dir, "pair.img"), protect, ErrSameFile},
		{"directory", folder, WriteOptions{Force: true}, ErrExists},
		{"name without extension", filepath.Join(dir, "a"), WriteOptions{}, ErrUnsupported},
		{"other extension", filepath.Join(dir, "a.mif"), WriteOptions{Force: true}, ErrUnsupported},
		{"level", filepath.Join(dir, "a.nii.gz"), WriteOptions{Level: 10}, ErrUnsupported},
		{"folder missing", filepath.Join(dir, "none", "a.nii"), WriteOptions{}, fs.ErrNotExist},
	}
	before := files(t, dir)
	im := New(2, 2, 2, 1, [3]float64{1, 1, 1})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := im.Write(t.Context(), tt.path, tt.o)
			if !errors.Is(err, tt.err) || !strings.HasPrefix(err.Error(), "nifti: write "+tt.path) {
				t.Errorf("Write() error = %v, want %v with the path", err, tt.err)
			}
			if got := files(t, dir); !slices.Equal(got, before) {
				t.Errorf("files = %v, want %v", got, before)
			}
		})
	}
	if string(mustReadFile(t, existing)) != "precious" || string(mustReadFile(t, input)) != "scan" {
		t.Error("a file was changed")
	}
}

func TestWriteForce(t *testing.T) {
	dir := t.TempDir()
	im := noisy(1)
	target := put(t, dir, "annexed", []byte("precious"))
	link := filepath.Join(dir, "out.nii")
	if err := os.Symlink("annexed", link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{put(t, dir, "a.nii.gz", []byte("old")), link} {
		if err := im.Write(t.Context(), path, WriteOptions{Force: true, NeverOverwrite: []string{path}}); err != nil {
			t.Fatal(err)
		}
		if !sameVoxels(mustRead(t, path).Voxels(), im.Voxels()) {
			t.Errorf("%s does not hold the image", path)
		}
	}
	if string(mustReadFile(t, target)) != "precious" {
		t.Error("the link was followed, not replaced")
	}
}

// TestWriteOverOwnInput writes an image over the file it was read from.
func TestWriteOverOwnInput(t *testing.T) {
	path := put(t, t.TempDir(), "a.nii", small().with(eight))
	im := mustRead(t, path)
	if err := im.Write(t.Context(), path, WriteOptions{Force: true, NeverOverwrite: []string{path}}); err != nil {
		t.Fatal(err)
	}
	if got := mustRead(t, path); got.Header.Datatype != Float32 || got.Voxels()[7] != 8 {
		t.Errorf("after overwriting: %v, %v", got.Header.Datatype, got.Voxels())
	}
}

func TestWritePermissions(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits")
	}
	dir := t.TempDir()
	plain, err := os.OpenFile(filepath.Join(dir, "plain"), os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	plain.Close()
	path := filepath.Join(dir, "a.nii")
	if err := New(1, 1, 1, 1, [3]float64{1, 1, 1}).Write(t.Context(), path, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	want, _ := os.Stat(plain.Name())
	got, _ := os.Stat(path)
	if got.Mode() != want.Mode() {
		t.Errorf("mode = %v, want %v as for any new file", got.Mode(), want.Mode())
	}
}

func TestWriteReadOnlyDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "a.nii")
	if f, err := os.Create(path); err == nil {
		f.Close()
		os.Remove(path)
		t.Skip("permissions do not bind this user")
	}
	err := New(1, 1, 1, 1, [3]float64{1, 1, 1}).Write(t.Context(), path, WriteOptions{})
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Write() error = %v, want fs.ErrPermission", err)
	}
}

// fickle is a context that ends when it is first asked whether it has.
type fickle struct {
	context.Context
	cancel func()
}

func (f fickle) Err() error {
	f.cancel()
	return f.Context.Err()
}

func TestWriteCancelled(t *testing.T) {
	im := noisy(8)
	for _, name := range []string{"a.nii", "a.nii.gz", "a.hdr"} {
		for _, before := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s before=%v", name, before), func(t *testing.T) {
				dir := t.TempDir()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if before {
					cancel()
				}
				err := im.Write(fickle{ctx, cancel}, filepath.Join(dir, name), WriteOptions{})
				if !errors.Is(err, context.Canceled) {
					t.Errorf("Write() error = %v, want context.Canceled", err)
				}
				if left := files(t, dir); left != nil {
					t.Errorf("files left behind: %v", left)
				}
			})
		}
	}
}

var errDisk = errors.New("disk full")

// fullDisk fails after n bytes.
type fullDisk struct{ n int }

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.n -= len(p); d.n < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

// sinkAll writes one file to w, in pieces.
func sinkAll(ctx context.Context, w io.Writer, f output, voxels []float32, level, threads, piece int) error {
	s, err := newSink(ctx, w, f, WriteOptions{Level: level, Threads: threads})
	for len(voxels) > 0 && err == nil {
		n := min(piece, len(voxels))
		err = s.write(voxels[:n])
		voxels = voxels[n:]
	}
	if e := s.close(err == nil); err == nil {
		err = e
	}
	return err
}

func TestWriteDiskFull(t *testing.T) {
	voxels := noisy(6).Voxels()
	for _, room := range []int{0, 5, 1 << 20} {
		for _, gz := range []bool{true, false} {
			f := output{gz: gz, header: make([]byte, 352)}
			if err := sinkAll(t.Context(), &fullDisk{room}, f, voxels, 1, 2, len(voxels)); !errors.Is(err, errDisk) {
				t.Errorf("compressed %v, with room for %d bytes: %v, want the writer's error", gz, room, err)
			}
		}
	}
}

// TestWriteSecondRenameFails checks that half a pair is not left behind.
func TestWriteSecondRenameFails(t *testing.T) {
	dir := t.TempDir()
	img, hdr := put(t, dir, "img.tmp", nil), filepath.Join(dir, "missing.tmp")
	out := []output{{path: filepath.Join(dir, "a.img")}, {path: filepath.Join(dir, "a.hdr")}}
	if err := rename(t.Context(), []string{img, hdr}, out, WriteOptions{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("rename() error = %v, want fs.ErrNotExist", err)
	}
	if left := files(t, dir); left != nil {
		t.Errorf("files left behind: %v", left)
	}
}

// TestWriteDeterministic checks that the bytes do not depend on the number of
// threads, on the pieces voxels come in, on what was compressed before, or on
// chance.
func TestWriteDeterministic(t *testing.T) {
	im := noisy(5)
	im.Voxels()[5] = float32(math.NaN())
	for _, level := range []int{1, 6} {
		var want []byte
		for i, threads := range []int{1, 2, 7} {
			var b bytes.Buffer
			piece := []int{len(im.Voxels()), blockVoxels / 2, 9999}[i]
			if err := sinkAll(t.Context(), &b, output{gz: true, header: make([]byte, 352)}, im.Voxels(), level, threads, piece); err != nil {
				t.Fatal(err)
			}
			if want == nil {
				want = bytes.Clone(b.Bytes())
			}
			if !bytes.Equal(b.Bytes(), want) {
				t.Errorf("level %d: %d threads and pieces of %d voxels give other bytes", level, threads, piece)
			}
		}
	}
}

// TestWriteGzipStream checks the container: one member, no name, no time, and
// content that other decompressors accept (here, the standard library's).
func TestWriteGzipStream(t *testing.T) {
	for _, n := range []int{1, blockVoxels - 1, blockVoxels, blockVoxels + 1, 3 * blockVoxels} {
		im := New(n, 1, 1, 1, [3]float64{1, 1, 1})
		for i := range im.Voxels() {
			im.Voxels()[i] = float32(i)
		}
		path := filepath.Join(t.TempDir(), "a.nii.gz")
		if err := im.Write(t.Context(), path, WriteOptions{Threads: 2}); err != nil {
			t.Fatal(err)
		}
		b := mustReadFile(t, path)
		if got := string(b[:10]); got != gzipHeader {
			t.Errorf("gzip header = %q, want %q", got, gzipHeader)
		}
		content, members := stdlibGunzip(t, b)
		if members != 1 {
			t.Errorf("%d gzip members, want 1", members)
		}
		plain := filepath.Join(t.TempDir(), "a.nii")
		if err := im.Write(t.Context(), plain, WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(content, mustReadFile(t, plain)) {
			t.Errorf("%d voxels: compressed content differs from the plain file", n)
		}
	}
}

func TestWritePromotesToNIfTI2(t *testing.T) {
	im := New(40000, 1, 1, 1, [3]float64{1, 1, 1})
	im.Header.Descrip = "long"
	im.Voxels()[39999] = 3
	path := filepath.Join(t.TempDir(), "a.nii")
	if err := im.Write(t.Context(), path, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	got := mustRead(t, path)
	if got.Header.Version != 2 || got.Header.Descrip != "long" || got.Header.VoxOffset != 544 || got.Voxels()[39999] != 3 {
		t.Errorf("header = %+v", got.Header)
	}
}

func TestWriteShapeMismatch(t *testing.T) {
	im := New(2, 2, 2, 3, [3]float64{1, 1, 1})
	im.Header.Dim[4] = 4
	err := im.Write(t.Context(), filepath.Join(t.TempDir(), "a.nii"), WriteOptions{})
	if !errors.Is(err, ErrInvalidHeader) || !strings.Contains(err.Error(), "2×2×2×4") {
		t.Errorf("Write() error = %v, want ErrInvalidHeader with both shapes", err)
	}
}

func TestLike(t *testing.T) {
	im := mustRead(t, put(t, t.TempDir(), "in.nii", header1(le, 4, 16, 4, 2, 2, 1, 2).f32(92, 3.5).f32(124, 9).with(eight)))
	tests := []struct {
		nt  int
		dim [8]int64
	}{
		{2, [8]int64{4, 2, 2, 1, 2}},
		{5, [8]int64{4, 2, 2, 1, 5, 1, 1, 1}},
		{1, [8]int64{3, 2, 2, 1, 1, 1, 1, 1}},
	}
	for _, tt := range tests {
		got := im.Like(tt.nt)
		nx, ny, nz, nt := got.Dims()
		if got.Header.Dim != tt.dim || [4]int{nx, ny, nz, nt} != [4]int{2, 2, 1, tt.nt} || slices.Max(got.Voxels()) != 0 {
			t.Errorf("Like(%d): dim %v, data %d×%d×%d×%d", tt.nt, got.Header.Dim, nx, ny, nz, nt)
		}
		if h := got.Header; h.PixDim[4] != 3.5 || h.CalMax != 0 || h.Datatype != Float32 || h.SformCode != 1 {
			t.Errorf("Like(%d): header %+v", tt.nt, h)
		}
	}
}

// TestMisusePanics lists calls that are mistakes of the programmer.
func TestMisusePanics(t *testing.T) {
	im := New(2, 2, 2, 2, [3]float64{1, 1, 1})
	tests := []struct {
		name string
		call func()
		want string
	}{
		{"New without volumes", func() { New(2, 2, 2, 0, [3]float64{}) }, badShape},
		{"Like without volumes", func() { im.Like(0) }, badShape},
		{"volume too high", func() { im.Volume(2) }, badVolume},
		{"volume negative", func() { im.Volume(-1) }, badVolume},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := recover(); got != tt.want {
					t.Errorf("panic %v, want %q", got, tt.want)
				}
			}()
			tt.call()
		})
	}
}

// TestExtensionsSurvive writes images with extensions in every form.
func TestExtensionsSurvive(t *testing.T) {
	want := mustRead(t, filepath.Join(fixtureDir, "extensions.nii.gz")).Header.Extensions
	for _, in := range []string{"extensions.nii.gz", "extensions-big-endian.nii.gz"} {
		for _, out := range []string{"a.nii", "a.nii.gz", "a.hdr", "a.img.gz"} {
			t.Run(in+" to "+out, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), out)
				if err := mustRead(t, filepath.Join(fixtureDir, in)).Write(t.Context(), path, WriteOptions{}); err != nil {
					t.Fatal(err)
				}
				got := mustRead(t, path)
				if !bytes.Equal(got.Header.Extensions, want) || len(want) < 100 {
					t.Errorf("extensions = %q, want %q", got.Header.Extensions, want)
				}
				if !got.Header.Pair && got.Header.VoxOffset != 348+int64(len(want)) {
					t.Errorf("vox_offset = %d with %d bytes of extensions", got.Header.VoxOffset, len(want))
				}
			})
		}
	}
}

var writeDir = flag.String("write-dir", "", "folder for TestWriteForOthers")

// TestWriteForOthers writes every fixture and zoo image that can be read, for
// comparison by testdata/nifti/check.py.
func TestWriteForOthers(t *testing.T) {
	if *writeDir == "" {
		t.Skip("give a folder with -write-dir")
	}
	for _, from := range []string{fixtureDir, zooDir} {
		dir := filepath.Join(*writeDir, filepath.Base(from))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range files(t, from) {
			if strings.Contains(name, ".img") {
				continue
			}
			im, err := ReadImage(t.Context(), filepath.Join(from, name), ReadOptions{})
			if err != nil {
				continue
			}
			if err := im.Write(t.Context(), filepath.Join(dir, name), WriteOptions{}); err != nil {
				t.Error(err)
			}
		}
	}
}
