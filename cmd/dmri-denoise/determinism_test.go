package main

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/cpu"

	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

func readImage(t *testing.T, path string) *nifti.Image {
	t.Helper()
	im, err := nifti.ReadImage(t.Context(), path, nifti.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func writeImage(t *testing.T, im *nifti.Image, path string) {
	t.Helper()
	if err := im.Write(t.Context(), path, nifti.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// apart returns the root mean square and the largest difference of two images in units of sigma, over voxels in which
// sigma is above 0. at gives the place in b of a voxel of a.
func apart(t *testing.T, a, b, sigma *nifti.Image, at func(v int) int) (rms, most float64) {
	t.Helper()
	_, _, _, nt := a.Dims()
	n := 0.0
	for k := range nt {
		x, y := a.Volume(k), b.Volume(k)
		for v, s := range sigma.Volume(0) {
			if s > 0 {
				d := math.Abs(float64(x[v]-y[at(v)])) / float64(s)
				rms, most, n = rms+d*d, max(most, d), n+1
			}
		}
	}
	if n == 0 {
		t.Fatal("no voxel with noise to compare in")
	}
	return math.Sqrt(rms / n), most
}

func unmoved(v int) int { return v }

// One mask, written as bytes, as numbers, scaled, with other values inside, gives the same bytes.
func TestMaskTypes(t *testing.T) {
	dir := t.TempDir()
	must(t, dir, "phantom", "p", "--protocol", "small", "--shape", "12,12,4", "-q")
	mask := readImage(t, filepath.Join(dir, "p/mask.nii.gz"))
	write := func(name string, kind nifti.Datatype, slope, inter float64, inside func(i int) float32) {
		out := mask.Like(1)
		out.Header.Datatype, out.Header.SclSlope, out.Header.SclInter = kind, slope, inter
		for i, v := range mask.Volume(0) {
			if v > 0 {
				out.Volume(0)[i] = inside(i)
			}
		}
		writeImage(t, out, filepath.Join(dir, name))
	}
	one := func(int) float32 { return 1 }
	write("uint8.nii.gz", nifti.Uint8, 0, 0, one)
	write("float32.nii", nifti.Float32, 0, 0, func(i int) float32 { return 0.25 + float32(i%7) })
	write("float64.nii.gz", nifti.Float64, 0, 0, func(i int) float32 { return 1e-6 })
	write("scaled.nii.gz", nifti.Int16, 0.5, 0, func(i int) float32 { return float32(1 + i%3) })
	var want map[string]string
	for _, name := range []string{"uint8.nii.gz", "float32.nii", "float64.nii.gz", "scaled.nii.gz"} {
		out := filepath.Join(dir, "out-"+name)
		must(t, dir, "run", "p/dwi.nii.gz", filepath.Join(out, "dwi.nii.gz"), "-q", "--no-qc", "--nthreads", "1", "--mask", name, "--guard-out", filepath.Join(out, "guard.nii.gz"))
		got := files(t, out)
		for _, file := range []string{"dwi.json"} {
			delete(got, file) // names the mask
		}
		if want == nil {
			want = got
			continue
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d files, want %d", name, len(got), len(want))
		}
		for file, data := range want {
			if got[file] != data {
				t.Errorf("%s: %s differs from that of uint8.nii.gz", name, file)
			}
		}
	}
}

// A scan whose axes are stored in another order or direction gives, voxel by voxel, the same within a small part of the
// noise. It cannot be the same bytes: blocks lie on lattices that begin at the first voxel stored.
func TestStorageOrder(t *testing.T) {
	dir := t.TempDir()
	must(t, dir, "phantom", "p", "--protocol", "small", "--shape", "18,15,10", "-q")
	scan, mask := readImage(t, filepath.Join(dir, "p/dwi.nii.gz")), readImage(t, filepath.Join(dir, "p/mask.nii.gz"))
	truth := readImage(t, filepath.Join(dir, "p/truth.nii.gz"))
	affine, _ := scan.Header.Affine()
	table, err := gradients.Read(gradients.Files{BVal: filepath.Join(dir, "p/dwi.bval"), BVec: filepath.Join(dir, "p/dwi.bvec")}, gradients.Options{})
	if err != nil {
		t.Fatal(err)
	}
	denoised := func(name string) (*nifti.Image, *nifti.Image) {
		must(t, dir, "run", name+"/dwi.nii", name+"out/dwi.nii", "--noise-out", name+"out/sigma.nii", "-q", "--no-qc", "--mask", name+"/mask.nii")
		return readImage(t, filepath.Join(dir, name+"out/dwi.nii")), readImage(t, filepath.Join(dir, name+"out/sigma.nii"))
	}
	put := func(name string, s storage) {
		folder := filepath.Join(dir, name)
		if err := os.MkdirAll(folder, 0o777); err != nil {
			t.Fatal(err)
		}
		writeImage(t, s.store(scan, affine), filepath.Join(folder, "dwi.nii"))
		writeImage(t, s.store(mask, affine), filepath.Join(folder, "mask.nii"))
		if err := table.Export(filepath.Join(folder, "dwi.bval"), filepath.Join(folder, "dwi.bvec"), s.affine(affine, scan), false); err != nil {
			t.Fatal(err)
		}
	}
	put("plain", storage{order: [3]int{0, 1, 2}})
	want, sigma := denoised("plain")
	noise, _ := apart(t, want, truth, sigma, unmoved)
	for _, c := range []struct {
		name string
		storage
	}{
		{"x reversed", storage{order: [3]int{0, 1, 2}, reversed: [3]bool{true, false, false}}},
		{"all reversed", storage{order: [3]int{0, 1, 2}, reversed: [3]bool{true, true, true}}},
		{"z first", storage{order: [3]int{2, 0, 1}}},
		{"y and z exchanged, y reversed", storage{order: [3]int{0, 2, 1}, reversed: [3]bool{false, true, false}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			put(c.name, c.storage)
			got, gotSigma := denoised(c.name)
			at := c.place(scan)
			rms, _ := apart(t, want, got, sigma, at)
			rmsSigma, _ := apart(t, sigma, gotSigma, sigma, at)
			error, _ := apart(t, truth, got, sigma, at)
			t.Logf("apart by %.3f sigma rms (the error is %.3f and %.3f); noise maps by %.1f %%", rms, noise, error, 100*rmsSigma)
			if rms > 0.25*noise || rmsSigma > 0.05 || math.Abs(error/noise-1) > 0.05 {
				t.Errorf("apart by %.3f sigma rms, noise maps by %.1f %%, error %.3f for %.3f", rms, 100*rmsSigma, error, noise)
			}
		})
	}
}

// storage is another order of an image's voxels: axis a of the file is axis order[a] of the original, reversed or not.
type storage struct {
	order    [3]int
	reversed [3]bool // by axis of the original
}

// place maps voxels of the original to those of the image stored so.
func (s storage) place(im *nifti.Image) func(v int) int {
	nx, ny, nz, _ := im.Dims()
	n := [3]int{nx, ny, nz}
	return func(v int) int {
		at := [3]int{v % nx, v / nx % ny, v / (nx * ny)}
		for a := range at {
			if s.reversed[a] {
				at[a] = n[a] - 1 - at[a]
			}
		}
		o := s.order
		return at[o[0]] + n[o[0]]*(at[o[1]]+n[o[1]]*at[o[2]])
	}
}

// affine takes voxels stored so to where those of the original lie.
func (s storage) affine(a [4][4]float64, im *nifti.Image) [4][4]float64 {
	nx, ny, nz, _ := im.Dims()
	n := [3]int{nx, ny, nz}
	out := a
	for r := range 3 {
		for axis, from := range s.order {
			out[r][axis] = a[r][from]
			if s.reversed[from] {
				out[r][axis] = -a[r][from]
				out[r][3] += a[r][from] * float64(n[from]-1)
			}
		}
	}
	return out
}

func (s storage) store(im *nifti.Image, affine [4][4]float64) *nifti.Image {
	nx, ny, nz, nt := im.Dims()
	n := [3]int{nx, ny, nz}
	size := im.Header.VoxelSize()
	out := nifti.New(n[s.order[0]], n[s.order[1]], n[s.order[2]], nt, [3]float64{size[s.order[0]], size[s.order[1]], size[s.order[2]]})
	at := s.place(im)
	for k := range nt {
		for v, x := range im.Volume(k) {
			out.Volume(k)[at(v)] = x
		}
	}
	stored := s.affine(affine, im)
	out.Header.SformCode, out.Header.QformCode = 1, 0
	for r := range 3 {
		for c := range 4 {
			out.Header.SRow[r][c] = stored[r][c]
		}
	}
	return out
}

// Without the kernels in assembly the program sums in another order: the result is the same within a small part of the
// noise. Extensions of the processor that it has no kernels for change nothing.
func TestKernelsGiveOneResult(t *testing.T) {
	if !cpu.X86.HasAVX2 || !cpu.X86.HasFMA {
		t.Skip("the kernels in assembly need AVX2 and FMA")
	}
	dir := t.TempDir()
	must(t, dir, "phantom", "p", "--protocol", "small", "--shape", "12,12,5", "--rician", "-q")
	run := func(out, debug string, more ...string) {
		words := append([]string{"run", "p/dwi.nii.gz", out + "/dwi.nii.gz", "-q", "--no-qc", "--nthreads", "1"}, more...)
		if status, said := statusOf(t, dir, []string{"GODEBUG=" + debug}, words...); status != 0 {
			t.Fatalf("%s: status %d: %s", debug, status, said)
		}
	}
	for _, prior := range []struct {
		name      string
		rms, most float64
	}{
		{"fast", 1e-4, 1e-2},
		{"learned", 1e-2, 0.25}, // its network is trained no further, but what it weighs are small differences
	} {
		run(prior.name+"all", "", "--prior", prior.name)
		run(prior.name+"no512", "cpu.avx512=off,cpu.avx512f=off", "--prior", prior.name)
		run(prior.name+"plain", "cpu.avx2=off,cpu.fma=off", "--prior", prior.name)
		at := func(out string) *nifti.Image { return readImage(t, filepath.Join(dir, prior.name+out)) }
		want, sigma := at("all/dwi.nii.gz"), at("all/dwi_noise.nii.gz")
		if rms, most := apart(t, want, at("no512/dwi.nii.gz"), sigma, unmoved); most != 0 {
			t.Errorf("%s: without AVX-512 %.2g sigma apart", prior.name, rms)
		}
		rms, most := apart(t, want, at("plain/dwi.nii.gz"), sigma, unmoved)
		t.Logf("%s: without AVX2 %.2g sigma apart, %.2g at most", prior.name, rms, most)
		if rms > prior.rms || most > prior.most {
			t.Errorf("%s: without AVX2 %.2g sigma rms apart, %.2g at most; want %g and %g", prior.name, rms, most, prior.rms, prior.most)
		}
		if most == 0 {
			t.Errorf("%s: not one bit differs without AVX2: was it switched off?", prior.name)
		}
	}
}
