package gradients

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var identity = [4][4]float64{{1}, {0, 1}, {0, 0, 1}, {0, 0, 0, 1}}

func TestCopyIsByteForByte(t *testing.T) {
	bval := []byte("\ufeff0\t1.000e+03 \r\n\r\n")
	bvec := []byte("0 0 0\r\n.6, 0, 0.8")
	files := writeFiles(t, bval, bvec)
	table, err := Read(files, Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	outB, outV := filepath.Join(dir, "out.bval"), filepath.Join(dir, "out.bvec")
	// A pipe, as of a shell's <(…), is empty when opened a second time.
	if err := os.Truncate(files.BVal, 0); err != nil {
		t.Fatal(err)
	}
	if err := table.Export(outB, outV, identity, false); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files.BVal, bval, 0o666); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]byte{outB: bval, outV: bvec} {
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s has %q, %v, want %q", path, got, err, want)
		}
	}
	if err := files.Copy(outB, outV, false); !errors.Is(err, ErrExists) {
		t.Errorf("second Copy: error %v, want ErrExists", err)
	}
	if err := os.WriteFile(outB, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := files.Copy(outB, outV, true); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(outB); !bytes.Equal(got, bval) {
		t.Errorf("forced Copy left %q, want %q", got, bval)
	}
	checkNames(t, dir, "out.bval", "out.bvec")
}

// checkNames demands that a folder holds these files and nothing else, temporary files included.
func checkNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files: %s", diff)
	}
}

func TestCopyRefuses(t *testing.T) {
	files := writeFiles(t, []byte("0"), []byte("0\n0\n0"))
	dir := filepath.Dir(files.BVal)
	link := filepath.Join(dir, "link.bval")
	if err := os.Symlink(files.BVal, link); err != nil {
		t.Skip(err)
	}
	other := func(name string) string { return filepath.Join(dir, name) }
	for _, tc := range []struct {
		name       string
		bval, bvec string
		files      Files
		kind       error
	}{
		{"onto itself", files.BVal, files.BVec, files, ErrSameFile},
		{"onto itself by another path", filepath.Join(dir, ".", "x.bval"), other("y.bvec"), files, ErrSameFile},
		{"onto itself through a link", link, other("y.bvec"), files, ErrSameFile},
		{"onto the other input", files.BVec, other("y.bvec"), files, ErrSameFile},
		{"both to one file", other("y"), other("y"), files, ErrSameFile},
		{"a four-column table", other("y.bval"), other("y.bvec"), Files{Grad: "x.b"}, ErrFrame},
		{"no name", "", other("y.bvec"), files, ErrNotFound},
		{"missing input", other("y.bval"), other("y.bvec"), Files{BVal: files.BVal, BVec: other("none")}, ErrNotFound},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := tc.files.Copy(tc.bval, tc.bvec, true); !errors.Is(err, tc.kind) {
				t.Errorf("Copy: error %v, want %v", err, tc.kind)
			}
		})
	}
	checkNames(t, dir, "link.bval", "x.bval", "x.bvec")
}

func TestCopyLeavesNothingOnFailure(t *testing.T) {
	files := writeFiles(t, []byte("0"), []byte("0\n0\n0"))
	dir := t.TempDir()
	if err := files.Copy(filepath.Join(dir, "y.bval"), filepath.Join(dir, "none", "y.bvec"), false); err == nil {
		t.Error("Copy into a folder that does not exist: no error")
	}
	checkNames(t, dir)
}

func TestWriteFSLReadsBackExactly(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	table := &Table{BVecs: append(Directions(30, rng), [3]float64{}, [3]float64{math.Copysign(0, -1), 0, 1})}
	for range table.BVecs {
		table.BVals = append(table.BVals, 3000*rng.Float64())
	}
	dir := t.TempDir()
	files := Files{BVal: filepath.Join(dir, "y.bval"), BVec: filepath.Join(dir, "y.bvec")}
	if err := WriteFSL(table, files.BVal, files.BVec, false); err != nil {
		t.Fatal(err)
	}
	got, err := Read(files, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(table.BVals, got.BVals); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(table.BVecs, got.BVecs, near); diff != "" {
		t.Error(diff)
	}
	if data, _ := os.ReadFile(files.BVec); bytes.Contains(data, []byte("-0 ")) {
		t.Error("the directions have a -0")
	}
	if err := WriteFSL(table, files.BVal, files.BVec, false); !errors.Is(err, ErrExists) {
		t.Errorf("second WriteFSL: error %v, want ErrExists", err)
	}
	if err := WriteFSL(&Table{Frame: ScannerFrame}, files.BVal, files.BVec, true); !errors.Is(err, ErrFrame) {
		t.Errorf("WriteFSL of a scanner table: error %v, want ErrFrame", err)
	}
}

func TestExportConvertsScannerTables(t *testing.T) {
	dir := t.TempDir()
	grad := filepath.Join(dir, "x.b")
	if err := os.WriteFile(grad, []byte("0 0 0 0\n1 0 0 1000\n0 1 0 1000\n0 0 1 1000\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	table, err := Read(Files{Grad: grad}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	outB, outV := filepath.Join(dir, "y.bval"), filepath.Join(dir, "y.bvec")
	if err := table.Export(outB, outV, identity, false); err != nil {
		t.Fatal(err)
	}
	// The identity is right-handed, so x is negated.
	for path, want := range map[string]string{outB: "0 1000 1000 1000\n", outV: "0 -1 0 0\n0 0 1 0\n0 0 0 1\n"} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s has %q, %v, want %q", path, got, err, want)
		}
	}
	if err := table.Export(grad, outV, identity, true); !errors.Is(err, ErrSameFile) {
		t.Errorf("Export onto the input: error %v, want ErrSameFile", err)
	}
}
