package gradients

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// oracle is testdata/gradients/oracle.json, made by MRtrix; see the README there.
type oracle struct {
	Frames struct {
		BVals []float64
		BVecs [][3]float64
		Cases []struct {
			Name    string
			Affine  [4][4]float64
			Scanner [][4]float64
			FSL     [][3]float64
		}
	}
	Scaling struct {
		BVals         []float64
		BVecs         [][3]float64
		Auto, Yes, No []float64
	}
	Scans []struct {
		Image      string
		Affine     [4][4]float64
		Volumes    int
		ShellB     []float64 `json:"shell_b"`
		ShellSizes []int     `json:"shell_sizes"`
		Rows       map[string][4]float64
	}
}

func readOracle(t *testing.T) (o oracle) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", "gradients", "oracle.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// affineTolerance allows for affines that MRtrix and we read from float32, whose columns are orthogonal to about 1e-7.
var affineTolerance = cmpopts.EquateApprox(0, 1e-6)

func TestFramesAgainstMRtrix(t *testing.T) {
	o := readOracle(t)
	table := &Table{BVals: o.Frames.BVals, BVecs: o.Frames.BVecs, Frame: FSLFrame}
	if len(o.Frames.Cases) < 7 {
		t.Fatalf("the oracle has %d cases, want 7", len(o.Frames.Cases))
	}
	for _, tc := range o.Frames.Cases {
		t.Run(tc.Name, func(t *testing.T) {
			scanner := table.ToScanner(tc.Affine)
			want := make([][3]float64, len(tc.Scanner))
			for i, row := range tc.Scanner {
				want[i] = [3]float64(row[:3])
			}
			if diff := cmp.Diff(want, scanner.BVecs, affineTolerance); diff != "" {
				t.Errorf("scanner frame, -MRtrix +ours: %s", diff)
			}
			if diff := cmp.Diff(tc.FSL, scanner.ToFSL(tc.Affine).BVecs, affineTolerance); diff != "" {
				t.Errorf("back to FSL's frame, -MRtrix +ours: %s", diff)
			}
			if scanner.Frame != ScannerFrame || table.Frame != FSLFrame {
				t.Errorf("frames are %v and %v, want scanner and fsl", scanner.Frame, table.Frame)
			}
		})
	}
}

func TestScalingAgainstMRtrix(t *testing.T) {
	o := readOracle(t).Scaling
	for mode, want := range map[BValueScaling][]float64{ScalingAuto: o.Auto, ScalingYes: o.Yes, ScalingNo: o.No} {
		t.Run(mode.String(), func(t *testing.T) {
			var lines [3][]string
			var b []string
			for i, v := range o.BVecs {
				b = append(b, strconv.FormatFloat(o.BVals[i], 'g', -1, 64))
				for axis := range 3 {
					lines[axis] = append(lines[axis], strconv.FormatFloat(v[axis], 'g', -1, 64))
				}
			}
			bvec := strings.Join(lines[0], " ") + "\n" + strings.Join(lines[1], " ") + "\n" + strings.Join(lines[2], " ")
			got, err := Read(writeFiles(t, []byte(strings.Join(b, " ")), []byte(bvec)), Options{BValueScaling: mode})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got.BVals, cmpopts.EquateApprox(1e-12, 0)); diff != "" {
				t.Errorf("-MRtrix +ours: %s", diff)
			}
		})
	}
}

// TestScansAgainstMRtrix reads the tables of the development scans.
func TestScansAgainstMRtrix(t *testing.T) {
	data := filepath.Join("..", "..", "shared", "data")
	if _, err := os.Stat(data); err != nil {
		t.Skip("no development scans in ../shared/data")
	}
	for _, tc := range readOracle(t).Scans {
		t.Run(tc.Image, func(t *testing.T) {
			files, err := Find(filepath.Join(data, tc.Image))
			if err != nil {
				t.Fatal(err)
			}
			table, err := Read(files, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := table.Check(tc.Volumes); err != nil {
				t.Fatal(err)
			}
			shells := table.Shells(DefaultB0Threshold)
			if len(shells.All) != len(tc.ShellB) || shells.Gridded {
				t.Fatalf("got %d shells (gridded %v), MRtrix finds %v", len(shells.All), shells.Gridded, tc.ShellB)
			}
			for i, s := range shells.All {
				// MRtrix 3.0.3 scales b-values by squared lengths within 1 % of unity, too, and those of zero directions to 0; we
				// leave both alone.
				if math.Abs(s.B-tc.ShellB[i]) > max(2, 0.01*s.B) || len(s.Volumes) != tc.ShellSizes[i] {
					t.Errorf("shell %d: %d volumes at %g, MRtrix finds %d at %g", i, len(s.Volumes), s.B, tc.ShellSizes[i], tc.ShellB[i])
				}
			}
			scanner := table.ToScanner(tc.Affine)
			for volume, row := range tc.Rows {
				i, err := strconv.Atoi(volume)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff([3]float64(row[:3]), scanner.BVecs[i], affineTolerance); diff != "" {
					t.Errorf("volume %d, -MRtrix +ours: %s", i, diff)
				}
			}
		})
	}
}

// TestFrameByDefinition builds an affine from a rotation and checks the direction of one axis by hand.
func TestFrameByDefinition(t *testing.T) {
	table := &Table{BVals: []float64{0, 1000, 1000, 1000}, BVecs: [][3]float64{{}, {1}, {0, 1}, {0, 0, 1}}}
	for _, tc := range []struct {
		name   string
		affine [4][4]float64
		want   [][3]float64
	}{
		{"left-handed grid: voxel axes as they are", [4][4]float64{{-2}, {0, 2}, {0, 0, 2}, {0, 0, 0, 1}}, [][3]float64{{}, {-1}, {0, 1}, {0, 0, 1}}},
		{"right-handed grid: first component negated", [4][4]float64{{2}, {0, 2}, {0, 0, 2}, {0, 0, 0, 1}}, [][3]float64{{}, {-1}, {0, 1}, {0, 0, 1}}},
		{"voxel x runs along scanner y", [4][4]float64{{0, 3, 0}, {2, 0, 0}, {0, 0, 4}, {0, 0, 0, 1}}, [][3]float64{{}, {0, 1}, {1}, {0, 0, 1}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, table.ToScanner(tc.affine).BVecs, near); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFrameRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	table := &Table{BVals: make([]float64, 20), BVecs: Directions(20, rng)}
	for range 50 {
		// Sheared affines, too: the columns need not be orthogonal.
		var affine [4][4]float64
		for r := range 3 {
			for c := range 3 {
				affine[r][c] = rng.NormFloat64()
			}
		}
		back := table.ToScanner(affine).ToFSL(affine)
		if diff := cmp.Diff(table.BVecs, back.BVecs, cmpopts.EquateApprox(0, 1e-8)); diff != "" {
			t.Fatalf("affine %v: %s", affine, diff)
		}
	}
}

func TestFrameSingularAffine(t *testing.T) {
	table := &Table{BVals: []float64{0, 1}, BVecs: [][3]float64{{}, {0, 1}}}
	for _, affine := range [][4][4]float64{{}, {{1, 1}, {1, 1}, {0, 0, 1}}, {{math.NaN()}, {0, 1}, {0, 0, 1}}} {
		got := table.ToScanner(affine)
		if diff := cmp.Diff(table.BVecs, got.BVecs); diff != "" {
			t.Error(diff)
		}
		checkWarnings(t, got.Warnings, []string{"singular"})
	}
	if table.Warnings != nil {
		t.Errorf("the original got warnings %q", table.Warnings)
	}
}
