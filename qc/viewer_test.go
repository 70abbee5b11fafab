package qc

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// TestNiiVueIsWhatItClaims compares the bundle built in with the checksum and
// version of its README, and looks for its licence.
func TestNiiVueIsWhatItClaims(t *testing.T) {
	z, err := gzip.NewReader(bytes.NewReader(niivueGzip))
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(bundle)
	readme, err := os.ReadFile("assets/niivue/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(sum[:]); got != NiiVueSHA256 || !strings.Contains(string(readme), got) || !strings.Contains(string(readme), "0.69.0") || NiiVueVersion != "0.69.0" {
		t.Errorf("checksum %s, stated %s", got, NiiVueSHA256)
	}
	if !strings.Contains(niivueLicence, "BSD 2-Clause") || !strings.Contains(niivueLicence, "Niivue") {
		t.Error("no licence")
	}
	if strings.Contains(string(bundle), "</script") {
		t.Error("the bundle would end its own script element")
	}
}

// TestViewerVolume reads what a viewer gets by this project's own reader.
func TestViewerVolume(t *testing.T) {
	g := oriented("LPS")
	v := ViewerVolume{Name: "x", Grid: g, Low: -30, High: 60, Map: "residual"}
	for i := range g.Voxels() {
		v.Values = append(v.Values, float32(i%100)-30)
	}
	v.Values[3], v.Values[4] = float32(math.NaN()), 1e9
	data, err := v.encode()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "v.nii.gz")
	if err := os.WriteFile(file, data, 0o666); err != nil {
		t.Fatal(err)
	}
	im, err := nifti.ReadImage(context.Background(), file, nifti.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	back := GridOf(&im.Header)
	for r := range 3 {
		for c := range 4 {
			if math.Abs(back.Affine[r][c]-g.Affine[r][c]) > 1e-4 {
				t.Fatalf("affine %v, want %v", back.Affine, g.Affine)
			}
		}
	}
	if back.NX != g.NX || back.NY != g.NY || back.NZ != g.NZ {
		t.Fatalf("grid %v, want %v", back, g)
	}
	for i, got := range im.Voxels() {
		want := math.Max(-30, math.Min(60, float64(v.Values[i])))
		if math.IsNaN(want) {
			want = -30
		}
		if math.Abs(float64(got)-want) > 90.0/255/2+1e-3 {
			t.Fatalf("voxel %d is %v, want %v", i, got, want)
		}
	}
}

// TestViewerCut wants the box of the mask, few voxels, and every voxel where it was in mm.
func TestViewerCut(t *testing.T) {
	g := Grid{NX: 150, NY: 160, NZ: 140, VoxelSize: [3]float64{1, 1, 2}, Oriented: true,
		Affine: [4][4]float64{{-1, 0, 0, 70}, {0, 1, 0, -80}, {0, 0, 2, 5}, {0, 0, 0, 1}}}
	mask := make([]bool, g.Voxels())
	for i := range mask {
		x, y, z := i%150, i/150%160, i/150/160
		mask[i] = x >= 20 && x < 130 && y >= 30 && y < 150 && z >= 10 && z < 130
	}
	c := newViewerCut(mask, g, 260_000)
	if c.voxels() > 260_000 || !c.thinned() || c.from != [3]int{18, 28, 8} || c.to != [3]int{132, 152, 132} {
		t.Fatalf("%+v with %d voxels", c, c.voxels())
	}
	if c.step[2] > c.step[0] {
		t.Errorf("the thick axis is thinned first: %v", c.step)
	}
	small := c.grid(g)
	volume := make([]float32, g.Voxels())
	for i := range volume { // the position in mm along x and z, as one number
		volume[i] = float32(-float64(i%150) + 70 + 1000*(2*float64(i/150/160)+5))
	}
	values := c.take(g, func(i int) float32 { return volume[i] })
	n := c.lengths()
	if len(values) != n[0]*n[1]*n[2] || small.NX != n[0] {
		t.Fatalf("%d values for %v", len(values), n)
	}
	for _, at := range [][3]int{{0, 0, 0}, {n[0] - 1, n[1] - 1, n[2] - 1}, {5, 3, 7}} {
		a := small.Affine
		x := a[0][0]*float64(at[0]) + a[0][3]
		z := a[2][2]*float64(at[2]) + a[2][3]
		if got, want := values[at[0]+n[0]*(at[1]+n[1]*at[2])], float32(x+1000*z); got != want {
			t.Errorf("voxel %v holds %v, its place says %v", at, got, want)
		}
	}
	if c := newViewerCut(make([]bool, g.Voxels()), g, 1e7); c.from != [3]int{} || c.to != [3]int{150, 160, 140} {
		t.Errorf("an empty mask gives %+v", c)
	}
}

func TestViewerRefuses(t *testing.T) {
	g := Grid{NX: 2, NY: 2, NZ: 2}
	for name, v := range map[string]Viewer{
		"nothing": {}, "length": {Volumes: []ViewerVolume{{Grid: g, Values: make([]float32, 7), High: 1}}},
		"window": {Volumes: []ViewerVolume{{Grid: g, Values: make([]float32, 8)}}},
	} {
		if _, err := v.view(); !errors.Is(err, ErrInput) {
			t.Errorf("%s: %v, want ErrInput", name, err)
		}
	}
}
