package gradients

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// near allows for the rounding of a normalisation.
var near = cmpopts.EquateApprox(0, 1e-12)

func TestRead(t *testing.T) {
	h := math.Sqrt(0.5)
	for _, tc := range []struct {
		name       string
		bval, bvec string
		scaling    BValueScaling
		b          []float64
		v          [][3]float64
		warnings   []string // a part of each warning, in order
	}{
		{"plain", "0 1000 1000", "0 1 0\n0 0 1\n0 0 0", ScalingAuto, []float64{0, 1000, 1000}, [][3]float64{{}, {1}, {0, 1}},
			[]string{"both ways"}},
		{"one volume", "0", "0\n0\n0", ScalingAuto, []float64{0}, [][3]float64{{}}, nil},
		{"two volumes", "0 1000", "0 1\n0 0\n0 0", ScalingAuto, []float64{0, 1000}, [][3]float64{{}, {1}}, nil},
		{"all b = 0", "0 0 0 0", "0 0 0 0\n0 0 0 0\n0 0 0 0", ScalingAuto, make([]float64, 4), make([][3]float64, 4), nil},
		{"b = 0 with a unit vector", "5 1000", "1 0\n0 1\n0 0", ScalingAuto, []float64{5, 1000}, [][3]float64{{1}, {0, 1}}, nil},
		{"both transposed", "0\n1000", "0 0 0\n0 1 0", ScalingAuto, []float64{0, 1000}, [][3]float64{{}, {0, 1}},
			[]string{"one column of 2", "2 × 3"}},
		{"short vector, auto", "0 1000 1000 1000", "0 1 .5 0\n0 0 .5 0\n0 0 0 1", ScalingAuto, []float64{0, 1000, 500, 1000},
			[][3]float64{{}, {1}, {h, h}, {0, 0, 1}}, []string{"multiplied by the squared length"}},
		{"short vector, no", "0 1000 1000 1000", "0 1 .5 0\n0 0 .5 0\n0 0 0 1", ScalingNo, []float64{0, 1000, 1000, 1000},
			[][3]float64{{}, {1}, {h, h}, {0, 0, 1}}, []string{"left as written"}},
		{"nearly unit, auto", "1000 1000", "1 .998\n0 0\n0 0", ScalingAuto, []float64{1000, 1000}, [][3]float64{{1}, {1}}, nil},
		{"nearly unit, yes", "1000 1000", "1 .998\n0 0\n0 0", ScalingYes, []float64{1000, 996.004}, [][3]float64{{1}, {1}}, nil},
		{"only b = 0 is off", "0 1000", "1e-3 1\n0 0\n0 0", ScalingAuto, []float64{0, 1000}, [][3]float64{{1}, {1}},
			[]string{"b = 0 volumes are not unit"}},
		{"zero direction above b = 50", "0 1000 51 50", "0 1 0 0\n0 0 0 0\n0 0 0 0", ScalingAuto, []float64{0, 1000, 51, 50},
			[][3]float64{{}, {1}, {}, {}}, []string{"volume 2: b above 50"}},
		{"NaN on both sides", "nan 1000 NaN -0", "NaN 1 0 0\nnan 0 0 0\nNAN 0 0 1", ScalingAuto, []float64{0, 1000, 0, 0},
			[][3]float64{{}, {1}, {}, {0, 0, 1}}, []string{"volumes 0, 2: NaN taken as b = 0"}},
		{"NaN direction of b = 0", "0 1000", "nan 1\nnan 0\nnan 0", ScalingAuto, []float64{0, 1000}, [][3]float64{{}, {1}},
			[]string{"volume 0: NaN taken as b = 0"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files := writeFiles(t, []byte(tc.bval), []byte(tc.bvec))
			got, err := Read(files, Options{BValueScaling: tc.scaling})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.b, got.BVals, near); diff != "" {
				t.Errorf("b-values: %s", diff)
			}
			if diff := cmp.Diff(tc.v, got.BVecs, near); diff != "" {
				t.Errorf("directions: %s", diff)
			}
			if got.Frame != FSLFrame || got.Files != files {
				t.Errorf("got frame %v, files %v, want fsl, %v", got.Frame, got.Files, files)
			}
			checkWarnings(t, got.Warnings, tc.warnings)
		})
	}
}

func checkWarnings(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("warnings are %q, want %d", got, len(want))
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) || !strings.HasSuffix(got[i], ".") {
			t.Errorf("warning %q, want a sentence with %q", got[i], want[i])
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, bval, bvec string
		kind             error
		says             []string
	}{
		{"counts differ", "0 1000 1000", "0 1 0 0\n0 0 1 0\n0 0 0 1", ErrCount, []string{"x.bval has 3", "x.bvec has 4"}},
		{"NaN b with a direction", "0 nan", "0 1\n0 0\n0 0", ErrValue, []string{"volume 1", "x.bval"}},
		{"NaN direction with b", "0 1000", "0 nan\n0 nan\n0 nan", ErrValue, []string{"volume 1", "1000"}},
		{"one NaN component", "0 1000", "nan 1\n0 0\n0 0", ErrValue, []string{"volume 0"}},
		{"negative b", "0 -1000", "0 1\n0 0\n0 0", ErrValue, []string{"x.bval", "column 3"}},
		{"swapped", "0 1 0 0\n0 0 1 0\n0 0 0 1", "0 1000 1000 1000", ErrSwapped, []string{"x.bval holds directions", "exchange"}},
		{"swapped columns", "0 0 0\n1 0 0\n0 -1 0\n0 0 1", "0\n1000\n1000\n1000\n", ErrSwapped, []string{"swapped"}},
		{"swapped, three volumes", "0 1 0\n0 0 1\n0 0 0", "0 1000 1000", ErrSwapped, []string{"swapped"}},
		{"impossible length", "0 1000", "0 1e200\n0 0\n0 0", ErrValue, []string{"volume 1"}},
		{"overflowing length", "0 1000", "0 1.5e308\n0 1.5e308\n0 0", ErrValue, []string{"volume 1"}},
		{"syntax names the file", "0 1000", "0 1\n0 zero\n0 0", ErrSyntax, []string{"x.bvec", "line 2, column 3", `"zero"`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Read(writeFiles(t, []byte(tc.bval), []byte(tc.bvec)), Options{})
			checkError(t, got, err, tc.kind, tc.says)
		})
	}
	t.Run("missing file", func(t *testing.T) {
		files := writeFiles(t, []byte("0"), []byte("0\n0\n0"))
		files.BVec += "s"
		got, err := Read(files, Options{})
		checkError(t, got, err, ErrNotFound, []string{files.BVec})
	})
	t.Run("only one named", func(t *testing.T) {
		got, err := Read(Files{BVal: "x.bval"}, Options{})
		checkError(t, got, err, ErrNotFound, []string{"two files"})
	})
	t.Run("dangling link", func(t *testing.T) {
		files := writeFiles(t, []byte("0"), []byte("0\n0\n0"))
		if err := os.Remove(files.BVal); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("../.git/annex/objects/none", files.BVal); err != nil {
			t.Skip(err)
		}
		got, err := Read(files, Options{})
		checkError(t, got, err, ErrNotFound, []string{"datalad get " + files.BVal})
	})
	t.Run("huge file", func(t *testing.T) {
		files := writeFiles(t, []byte("0"), []byte("0\n0\n0"))
		if err := os.Truncate(files.BVal, 1<<40); err != nil {
			t.Skip(err)
		}
		got, err := Read(files, Options{})
		checkError(t, got, err, ErrSyntax, []string{"MiB"})
	})
}

func TestReadGrad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dwi.b")
	if err := os.WriteFile(path, []byte("# x y z b\n0 0 0 0\n0.5 0.5 0 2000\n0 0 1 2000\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	got, err := Read(Files{Grad: path}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float64{0, 1000, 2000}, got.BVals, near); diff != "" {
		t.Error(diff)
	}
	if got.Frame != ScannerFrame || got.Files.String() != path {
		t.Errorf("got frame %v of %v, want scanner of %s", got.Frame, got.Files, path)
	}
	checkWarnings(t, got.Warnings, []string{"multiplied"})

	if err := os.WriteFile(path, []byte("0 0 0 0\n1000 1 0 0\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if got, err = Read(Files{Grad: path}, Options{}); err != nil {
		t.Fatal(err)
	}
	checkWarnings(t, got.Warnings, []string{"b x y z"})
}

func TestBValueScalingWords(t *testing.T) {
	for _, s := range []BValueScaling{ScalingAuto, ScalingYes, ScalingNo} {
		if got, err := ParseBValueScaling(s.String()); err != nil || got != s {
			t.Errorf("ParseBValueScaling(%q) = %v, %v, want %v", s.String(), got, err, s)
		}
	}
	if got, err := ParseBValueScaling("maybe"); err == nil {
		t.Errorf("ParseBValueScaling(maybe) = %v, want an error", got)
	}
}
