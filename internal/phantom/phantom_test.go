package phantom

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// tinyTable has two b = 0 volumes and three along the axes.
func tinyTable() *gradients.Table {
	return &gradients.Table{
		BVals: []float64{0, 1000, 1000, 0, 1000},
		BVecs: [][3]float64{{}, {1, 0, 0}, {0, 1, 0}, {}, {0, 0, 1}},
		Frame: gradients.FSLFrame,
	}
}

func simulate(t testing.TB, o Options) *Phantom {
	t.Helper()
	if o.Shape == ([3]int{}) {
		o.Shape = [3]int{24, 24, 10}
	}
	p, err := Make(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProtocols(t *testing.T) {
	for name, want := range map[string]map[float64]int{
		"small":      {0: 3, 1000: 30},
		"clinical":   {0: 6, 1000: 64},
		"multishell": {0: 10, 700: 20, 1000: 30, 2000: 45, 3000: 60},
		"hcp":        {0: 18, 1000: 90, 2000: 90, 3000: 90},
	} {
		t.Run(name, func(t *testing.T) {
			table, err := Protocol(name, stream(0, forProtocol))
			if err != nil {
				t.Fatal(err)
			}
			got := map[float64]int{}
			var zeros []int
			for i, b := range table.BVals {
				got[b]++
				length := norm3(table.BVecs[i][0], table.BVecs[i][1], table.BVecs[i][2])
				if b == 0 {
					zeros = append(zeros, i)
					if length != 0 {
						t.Errorf("volume %d has b = 0 and direction %v", i, table.BVecs[i])
					}
				} else if math.Abs(length-1) > 1e-12 {
					t.Errorf("volume %d has direction %v", i, table.BVecs[i])
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("volumes of each b-value: %s", diff)
			}
			if zeros[0] != 0 {
				t.Errorf("the first b = 0 volume is %d, want 0", zeros[0])
			}
			spacing := float64(table.Len()) / float64(len(zeros))
			for i := 1; i < len(zeros); i++ {
				if d := float64(zeros[i] - zeros[i-1]); math.Abs(d-spacing) >= 1 {
					t.Errorf("b = 0 volumes are at %v, want them %.1f apart", zeros, spacing)
				}
			}
			if shells := table.Shells(gradients.DefaultB0Threshold); len(shells.All) != len(want) || shells.Gridded {
				t.Errorf("the table has shells %v", shells)
			}
		})
	}
	if _, err := Protocol("other", stream(0, forProtocol)); err == nil || !strings.Contains(err.Error(), "clinical, hcp, multishell, small") {
		t.Errorf("Protocol(other): error %v, want one that lists the names", err)
	}
}

func TestMakeRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"protocol":           {Protocol: "none"},
		"shape":              {Shape: [3]int{-1, 8, 8}},
		"long shape":         {Shape: [3]int{8, 8, 40000}},
		"SNR":                {SNR: -1},
		"SNR NaN":            {SNR: math.NaN()},
		"SNR infinite":       {SNR: math.Inf(1)},
		"sigma ratio":        {SigmaRatio: -2},
		"voxel size":         {VoxelSize: [3]float64{2, -2, 2}},
		"empty table":        {Table: &gradients.Table{}},
		"inconsistent table": {Table: &gradients.Table{BVals: []float64{0}}},
	} {
		t.Run(name, func(t *testing.T) {
			if o.Shape == ([3]int{}) {
				o.Shape = [3]int{8, 8, 4}
			}
			if _, err := Make(context.Background(), o); err == nil || strings.Count(err.Error(), "phantom: ") != 1 {
				t.Errorf("error %v, want one of package phantom", err)
			}
		})
	}
	t.Run("context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := Make(ctx, Options{Protocol: "small", Shape: [3]int{8, 8, 4}}); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want context.Canceled", err)
		}
	})
}

// TestMakeDeterministic demands the same bytes for any number of threads, and other ones for another seed.
func TestMakeDeterministic(t *testing.T) {
	o := Options{Table: tinyTable(), Shape: [3]int{16, 14, 7}, Rician: true, SigmaRatio: 2, Seed: 5}
	base := simulate(t, o)
	for _, threads := range []int{1, 3} {
		old := runtime.GOMAXPROCS(threads)
		p := simulate(t, o)
		runtime.GOMAXPROCS(old)
		for name, pair := range map[string][2]*nifti.Image{
			"truth": {base.Truth, p.Truth}, "noisy": {base.Noisy, p.Noisy}, "sigma": {base.Sigma, p.Sigma}, "mask": {base.Mask, p.Mask},
		} {
			if !slices.Equal(pair[0].Voxels(), pair[1].Voxels()) {
				t.Errorf("%d threads: %s differs", threads, name)
			}
		}
	}
	o.Seed = 6
	other := simulate(t, o)
	if slices.Equal(base.Truth.Voxels(), other.Truth.Voxels()) {
		t.Error("another seed gives the same truth")
	}
	if diff := cmp.Diff(base.Table, other.Table); diff != "" {
		t.Errorf("another seed changes the table: %s", diff)
	}
	residual := func(p *Phantom) []float32 {
		r := make([]float32, len(p.Noisy.Voxels()))
		for i, v := range p.Noisy.Voxels() {
			r[i] = v - p.Truth.Voxels()[i]
		}
		return r
	}
	if slices.Equal(residual(base), residual(other)) {
		t.Error("another seed gives the same noise")
	}
}

// TestAnatomy demands tissues in plausible shares, b = 0 contrast near the intended one, and dark fluid when weighted.
func TestAnatomy(t *testing.T) {
	for _, seed := range []uint64{0, 1} {
		h := newHead(seed)
		g := newGrid(Options{Shape: [3]int{32, 32, 12}, VoxelSize: [3]float64{4, 4, 4}})
		s := scannerScheme([]float64{0, 1000, 1000, 1000}, [3]float64{}, [3]float64{1}, [3]float64{0, 1}, [3]float64{0, 0, 1})
		var csf, grey, white, air, whiteB0, fibres, anisotropic, whiteVoxels float64
		for z := range g.shape[2] {
			for y := range g.shape[1] {
				for x := range g.shape[0] {
					v := h.voxel(g.at(x, y, z), g.edge)
					inside := v.csf + v.grey + v.white
					if v.csf < 0 || v.grey < 0 || v.white < -1e-12 || inside > 1+1e-12 {
						t.Fatalf("seed %d: voxel %d %d %d has fractions %g %g %g", seed, x, y, z, v.csf, v.grey, v.white)
					}
					csf, grey, white, air = csf+v.csf, grey+v.grey, white+v.white, air+1-inside
					if v.white < 0.95 {
						continue
					}
					whiteVoxels++
					whiteB0 += v.signal(&s, 0)
					var weighted [3]float64
					for i := range weighted {
						weighted[i] = v.signal(&s, i+1)
					}
					if slices.Max(weighted[:]) > 1.3*slices.Min(weighted[:]) {
						anisotropic++
					}
					sum := 0.0
					for _, f := range v.fibres {
						sum += f.fraction
						if f.fraction > 0 {
							fibres++
						}
					}
					if math.Abs(sum-1) > 1e-12 {
						t.Fatalf("seed %d: fibre fractions add up to %g", seed, sum)
					}
				}
			}
		}
		total := csf + grey + white
		for _, share := range []struct {
			name             string
			got, least, most float64
		}{
			{"fluid", csf / total, 0.10, 0.35},
			{"grey matter", grey / total, 0.20, 0.50},
			{"white matter", white / total, 0.25, 0.60},
			{"air", air / (air + total), 0.30, 0.60},
			{"fibre populations in white matter", fibres / whiteVoxels, 1.2, 2.8},
			{"anisotropic white matter", anisotropic / whiteVoxels, 0.6, 1},
			{"white matter at b = 0", whiteB0 / whiteVoxels, 900, 1100},
		} {
			if !(share.got >= share.least && share.got <= share.most) {
				t.Errorf("seed %d: %s is %.3f, want %g to %g", seed, share.name, share.got, share.least, share.most)
			}
		}
	}
}

func TestAirIsEmptyAndNoisy(t *testing.T) {
	p := simulate(t, Options{Table: tinyTable(), Rician: true})
	nx, ny, nz, nt := p.Truth.Dims()
	for n := range nt {
		truth, noisy := p.Truth.Volume(n), p.Noisy.Volume(n)
		for z := range nz {
			for _, corner := range []int{0, nx - 1, nx * (ny - 1), nx*ny - 1} {
				i := corner + nx*ny*z
				if truth[i] != 0 || p.Mask.Voxels()[i] != 0 {
					t.Fatalf("corner %d of volume %d: truth %g, mask %g, want 0", i, n, truth[i], p.Mask.Voxels()[i])
				}
				if !(noisy[i] > 0) {
					t.Fatalf("corner %d of volume %d: noisy %g, want the noise floor", i, n, noisy[i])
				}
			}
		}
	}
}

// TestFinerGridSameHead averages a fine phantom over blocks: partial volumes must agree with those of the coarse one.
func TestFinerGridSameHead(t *testing.T) {
	coarse := simulate(t, Options{Table: tinyTable(), Shape: [3]int{20, 20, 8}, VoxelSize: [3]float64{4, 4, 4}})
	fine := simulate(t, Options{Table: tinyTable(), Shape: [3]int{40, 40, 16}})
	worst, sum, count := 0.0, 0.0, 0
	for z := range 8 {
		for y := range 20 {
			for x := range 20 {
				mean := 0.0
				for i := range 8 {
					mean += float64(fine.Truth.Volume(0)[2*x+i%2+40*(2*y+i/2%2+40*(2*z+i/4))]) / 8
				}
				d := math.Abs(mean - float64(coarse.Truth.Volume(0)[x+20*(y+20*z)]))
				worst = max(worst, d)
				sum += d
				count++
			}
		}
	}
	// Thin sulci are sampled by 8 points in a coarse voxel and by 64 in the fine ones.
	if mean := sum / float64(count); mean > 30 || worst > 600 {
		t.Errorf("fine and coarse differ by %.1f on average and %.1f at most, of intensities of 1000 to 2500", mean, worst)
	}
}

func TestWriteAndReadBack(t *testing.T) {
	ctx := context.Background()
	p := simulate(t, Options{Protocol: "small", Shape: [3]int{16, 14, 6}, Rician: true, SigmaRatio: 1.5, Seed: 9, VoxelSize: [3]float64{2, 2, 3}})
	dir := filepath.Join(t.TempDir(), "new", "phantom")
	if err := p.Write(ctx, dir, false); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]*nifti.Image{"dwi": p.Noisy, "truth": p.Truth, "mask": p.Mask, "sigma": p.Sigma} {
		got, err := nifti.ReadImage(ctx, filepath.Join(dir, name+".nii.gz"), nifti.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Voxels(), want.Voxels()) || got.Header.VoxelSize() != [3]float64{2, 2, 3} {
			t.Errorf("%s reads back different", name)
		}
	}
	files, err := gradients.Find(filepath.Join(dir, "dwi.nii.gz"))
	if err != nil {
		t.Fatal(err)
	}
	table, err := gradients.Read(files, gradients.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Check(33); err != nil || table.Warnings != nil {
		t.Errorf("the table reads back with error %v, warnings %q", err, table.Warnings)
	}
	checkDescription(t, filepath.Join(dir, "phantom.json"))
	if err := p.Write(ctx, dir, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second Write: error %v, want fs.ErrExist", err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "dwi.nii.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write(ctx, dir, true); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(filepath.Join(dir, "dwi.nii.gz")); !bytes.Equal(before, after) {
		t.Error("writing again changed the bytes")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 7 {
		t.Errorf("the folder has %v, %v, want 7 files", entries, err)
	}
}

func checkDescription(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got description
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if got.MaskVoxels == 0 {
		t.Error("no mask voxels")
	}
	got.MaskVoxels = 0
	want := description{
		Generator: "dmri-denoise phantom", Protocol: "small", Volumes: 33, Shells: []shell{{0, 3}, {1000, 30}}, Shape: [3]int{16, 14, 6},
		VoxelSize: [3]float64{2, 2, 3}, SNR: 20, Sigma: 50, SigmaRatio: 1.5, Noise: "rician", Seed: 9, White: 1000, Physics: defaultPhysics(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOwnTable(t *testing.T) {
	table := tinyTable()
	p := simulate(t, Options{Table: table, Shape: [3]int{12, 12, 4}})
	if diff := cmp.Diff(table, p.Table); diff != "" {
		t.Errorf("an FSL table changed: %s", diff)
	}
	affine, _ := p.Truth.Header.Affine()
	q := simulate(t, Options{Table: table.ToScanner(affine), Shape: [3]int{12, 12, 4}})
	if !slices.Equal(p.Truth.Voxels(), q.Truth.Voxels()) {
		t.Error("the same table in the scanner's frame gives another truth")
	}
	if q.Table.Frame != gradients.FSLFrame {
		t.Errorf("the table is in the %v frame, want fsl", q.Table.Frame)
	}
}

func BenchmarkMake(b *testing.B) {
	b.Run("64x64x24x70", func(b *testing.B) {
		for b.Loop() {
			if _, err := Make(context.Background(), Options{}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(64*64*24*70*float64(b.N)/b.Elapsed().Seconds(), "vox/s")
	})
}

func TestProtocolVolumes(t *testing.T) {
	for _, name := range ProtocolNames() {
		table, err := Protocol(name, stream(0, forProtocol))
		if err != nil {
			t.Fatal(err)
		}
		if got := ProtocolVolumes(name); got != table.Len() {
			t.Errorf("ProtocolVolumes(%q) = %d, its table has %d", name, got, table.Len())
		}
	}
	if got := ProtocolVolumes("other"); got != 0 {
		t.Errorf("ProtocolVolumes of no protocol = %d, want 0", got)
	}
}
