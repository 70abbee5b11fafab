package orientation

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

var update = flag.Bool("update", false, "write testdata/orientation/mrtrix_csd.json again, with MRtrix's dwi2fod")

// reference is what MRtrix 3.0.3 makes of a test signal: dwi2fod csd, defaults.
type reference struct {
	B          float64   `json:"b"`
	Directions int       `json:"directions"`
	Angle      float64   `json:"angle"`
	FOD        []float64 `json:"fod"`
}

const referenceFile = "../../testdata/orientation/mrtrix_csd.json"

// crossed is a voxel of two fibres at an angle; of one at 0.
func crossed(t *gradients.Table, angle float64) []float32 {
	a := unit([3]float64{0.3, -0.5, 0.8})
	e, _ := tangents(a)
	sin, cos := math.Sincos(angle * math.Pi / 180)
	b := [3]float64{cos*a[0] + sin*e[0], cos*a[1] + sin*e[1], cos*a[2] + sin*e[2]}
	return tensorSignal(t, [][3]float64{a, b}, []float64{0.5, 0.5})
}

// Distributions are those of dwi2fod csd, negative lobes no larger. The two
// differ by the 300 directions of the constraint alone.
func TestDistributionsAgreeWithMRtrix(t *testing.T) {
	if *update {
		writeReference(t)
	}
	data, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	var all []reference
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		table := shellTable(1, r.Directions, r.B)
		shell, err := ChooseShell(table, 50)
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewCSD(table, shell, fibreResponse(table, shell))
		if err != nil {
			t.Fatal(err)
		}
		s, f := c.NewSolver(), make([]float64, c.N)
		if len(r.FOD) != c.N || !s.Solve(f, crossed(table, r.Angle)) {
			t.Fatalf("b = %g, %g°: no solution of %d coefficients", r.B, r.Angle, len(r.FOD))
		}
		apart, size := 0.0, 0.0
		for i, x := range r.FOD {
			apart += (f[i] - x) * (f[i] - x)
			size += x * x
		}
		if d := math.Sqrt(apart / size); d > 0.03 {
			t.Errorf("b = %g, %d directions, %g°: %.1f %% off MRtrix", r.B, r.Directions, r.Angle, 100*d)
		}
		lobes := make([]float64, sphere)
		c.amplitudes(lobes, f)
		ours := slices.Min(lobes)
		c.amplitudes(lobes, r.FOD)
		if theirs := slices.Min(lobes); ours < 1.1*theirs {
			t.Errorf("b = %g, %d directions, %g°: negative lobe of %.4f, MRtrix's is %.4f", r.B, r.Directions, r.Angle, ours, theirs)
		}
	}
}

// writeReference runs dwi2fod on the test signals.
func writeReference(t *testing.T) {
	dir := t.TempDir()
	angles := []float64{0, 60, 75, 90}
	var all []reference
	for _, scheme := range []reference{{B: 1000, Directions: 30}, {B: 1000, Directions: 64}, {B: 2000, Directions: 90}, {B: 3000, Directions: 60}} {
		table := shellTable(1, scheme.Directions, scheme.B)
		shell, err := ChooseShell(table, 50)
		if err != nil {
			t.Fatal(err)
		}
		var grad, response strings.Builder
		for i, g := range table.BVecs {
			fmt.Fprintf(&grad, "%.9f %.9f %.9f %g\n", g[0], g[1], g[2], table.BVals[i])
		}
		for _, x := range fibreResponse(table, shell) {
			fmt.Fprintf(&response, "%.10g ", x)
		}
		im := nifti.New(len(angles), 1, 1, table.Len(), [3]float64{2, 2, 2})
		for v, angle := range angles {
			for i, x := range crossed(table, angle) {
				im.Volume(i)[v] = x
			}
		}
		in, out := filepath.Join(dir, "in.nii"), filepath.Join(dir, "out.nii")
		if err := errors.Join(im.Write(context.Background(), in, nifti.WriteOptions{Force: true}),
			os.WriteFile(filepath.Join(dir, "grad"), []byte(grad.String()), 0o666), os.WriteFile(filepath.Join(dir, "response"), []byte(response.String()+"\n"), 0o666)); err != nil {
			t.Fatal(err)
		}
		command := exec.Command("dwi2fod", "csd", in, filepath.Join(dir, "response"), out, "-grad", filepath.Join(dir, "grad"), "-lmax", fmt.Sprint(shell.Order), "-force", "-quiet")
		if message, err := command.CombinedOutput(); err != nil {
			t.Fatalf("dwi2fod: %v\n%s", err, message)
		}
		fod, err := nifti.ReadImage(context.Background(), out, nifti.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, _, _, n := fod.Dims()
		for v, angle := range angles {
			r := reference{B: scheme.B, Directions: scheme.Directions, Angle: angle}
			for i := range n {
				r.FOD = append(r.FOD, math.Round(1e6*float64(fod.Volume(i)[v]))/1e6)
			}
			all = append(all, r)
		}
	}
	data, err := json.Marshal(all)
	if err == nil {
		err = os.WriteFile(referenceFile, append(data, '\n'), 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}
