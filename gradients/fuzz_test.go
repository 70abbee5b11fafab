package gradients

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

func FuzzParseBVals(f *testing.F) {
	for _, s := range []string{"0 1000 1000\n", "0\n1\n", "0,1;2\t3\r\n", "\ufeff0 nan # c", "1e\u22123", "1,,2", "-1", "0x1p4 inf"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := ParseBVals(data)
		if err != nil {
			if b != nil {
				t.Errorf("got values %v with error %v", b, err)
			}
			return
		}
		if len(b) == 0 {
			t.Error("got no values and no error")
		}
		for _, v := range b {
			if v < 0 || math.IsInf(v, 0) {
				t.Errorf("got b-value %g", v)
			}
		}
	})
}

func FuzzParseBVecs(f *testing.F) {
	for _, s := range []string{"0 1 0\n0 0 1\n0 0 0\n", "0 0 1\n0 1 0\n", "1\n2\n3", "nan nan nan\n1 0 0", "1 2 3 4\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, notes, err := ParseBVecs(data)
		if err != nil {
			if v != nil || notes != nil {
				t.Errorf("got %v, %v with error %v", v, notes, err)
			}
			return
		}
		if len(v) == 0 {
			t.Error("got no directions and no error")
		}
	})
}

func FuzzParseGrad(f *testing.F) {
	for _, s := range []string{"0 0 0 0\n1 0 0 1000\n", "1000 0 1 0\n", "# c\n0,0,0,5\n", "0 0 1 -5", "1 2 3\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, v, err := ParseGrad(data)
		if err != nil {
			if b != nil || v != nil {
				t.Errorf("got %v, %v with error %v", b, v, err)
			}
			return
		}
		if len(b) == 0 || len(b) != len(v) {
			t.Errorf("got %d b-values and %d directions", len(b), len(v))
		}
	})
}

// FuzzRead demands of every pair of texts that is accepted what the documentation promises of a table: finite b-values from
// 0, unit or zero directions, a place in exactly one shell for every volume, and the same table read back when written.
func FuzzRead(f *testing.F) {
	f.Add([]byte("0 1000 1000"), []byte("0 1 0\n0 0 1\n0 0 0"), byte(0))
	f.Add([]byte("0 1000"), []byte("0 0 0\n.5 .5 0"), byte(0))
	f.Add([]byte("nan 1000"), []byte("nan nan nan\n0 0 0"), byte(1))
	f.Add([]byte("0 1 0\n0 0 1\n0 0 0"), []byte("0 1000 1000"), byte(2))
	f.Add([]byte("5 1e300"), []byte("1e-320 1e200\n0 0\n0 0"), byte(0))
	f.Fuzz(func(t *testing.T, bval, bvec []byte, scaling byte) {
		read := func(bval, bvec []byte, s BValueScaling) (*Table, error) {
			table := &Table{}
			if err := table.parsePair(bval, bvec); err != nil {
				return nil, err
			}
			return table, table.interpret(Options{BValueScaling: s})
		}
		table, err := read(bval, bvec, BValueScaling(scaling%3))
		if err != nil {
			return
		}
		checkPromises(t, table)
		bval, bvec = formatFSL(table)
		back, err := read(bval, bvec, ScalingNo)
		if err != nil {
			t.Fatal(err)
		}
		for i := range table.BVals {
			if back.BVals[i] != table.BVals[i] {
				t.Errorf("volume %d: b-value %g reads back as %g", i, table.BVals[i], back.BVals[i])
			}
		}
	})
}

// checkPromises demands what the documentation says of a table from Read.
func checkPromises(t *testing.T, table *Table) {
	t.Helper()
	if err := table.Check(table.Len()); err != nil {
		t.Fatal(err)
	}
	for i, v := range table.BVecs {
		if b := table.BVals[i]; !(b >= 0) || math.IsInf(b, 0) {
			t.Errorf("volume %d has b-value %g", i, b)
		}
		if n := vectorNorm(v); n != 0 && math.Abs(n-1) > 1e-12 {
			t.Errorf("volume %d has direction %v of length %g", i, v, n)
		}
	}
	volumes := 0
	for _, s := range table.Shells(DefaultB0Threshold).All {
		volumes += len(s.Volumes)
	}
	if volumes != table.Len() {
		t.Errorf("shells have %d volumes, the table %d", volumes, table.Len())
	}
}

// writeFiles puts a pair of texts into a folder of their own.
func writeFiles(t testing.TB, bval, bvec []byte) Files {
	t.Helper()
	dir := t.TempDir()
	files := Files{BVal: filepath.Join(dir, "x.bval"), BVec: filepath.Join(dir, "x.bvec")}
	for path, data := range map[string][]byte{files.BVal: bval, files.BVec: bvec} {
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return files
}
