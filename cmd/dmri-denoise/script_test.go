package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"dmri-denoise": func() { os.Exit(realMain()) },
	})
}

// TestScript runs the command-line stories in testdata/script, with these commands beside testscript's own:
//
//	status N command…     run a command and require exit status N; stdout and stderr are kept for the next lines
//	truncate FILE BYTES   cut a file off
//	json FILE PATH WANT   require a value in a JSON file; PATH is dotted, with numbers for list elements
//	less A B PATH FACTOR  require a number in JSON file A below FACTOR times the same number in B
//	first-volume IN OUT   keep only the first volume of an uncompressed NIfTI-1 image
//	set-voxel IN OUT X,Y,Z,N VALUE   change one voxel of an image
//	voxel FILE X,Y,Z,N VALUE         require the value of one voxel, such as NaN
//	same-voxel A B X,Y,Z,N           require that two images have one value in one voxel
//	attenuate IN OUT LIST FACTOR     multiply volumes and slices, listed as --impute takes them, by a factor
//	mrtrix-table IN OUT   write the FSL table beside an image as a four-column MRtrix table
//	pngs DIR N            require N PNG files with 300 DPI in their pHYs chunk in a folder
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":       cmdStatus,
			"truncate":     cmdTruncate,
			"json":         cmdJSON,
			"less":         cmdLess,
			"first-volume": cmdFirstVolume,
			"mrtrix-table": cmdMRtrixTable,
			"set-voxel":    cmdSetVoxel,
			"voxel":        cmdVoxel,
			"same-voxel":   cmdSameVoxel,
			"attenuate":    cmdAttenuate,
			"pngs":         cmdPNGs,
		},
		Setup: func(env *testscript.Env) error {
			for _, kv := range os.Environ() {
				name, _, _ := strings.Cut(kv, "=")
				if strings.HasPrefix(name, environmentPrefix) || strings.HasPrefix(name, "SLURM_") {
					env.Setenv(name, "")
				}
			}
			return nil
		},
	})
}

func cmdStatus(ts *testscript.TestScript, negated bool, args []string) {
	if negated || len(args) < 2 {
		ts.Fatalf("usage: status N command args…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func cmdTruncate(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: truncate FILE BYTES")
	}
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), size))
}

func cmdJSON(ts *testscript.TestScript, negated bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: json FILE PATH WANT")
	}
	if got := fmt.Sprint(jsonValue(ts, args[0], args[1])); (got == args[2]) == negated {
		ts.Fatalf("%s: %s = %s, want %s", args[0], args[1], got, args[2])
	}
}

func cmdLess(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: less A B PATH FACTOR")
	}
	a, okA := jsonValue(ts, args[0], args[2]).(float64)
	b, okB := jsonValue(ts, args[1], args[2]).(float64)
	factor, err := strconv.ParseFloat(args[3], 64)
	ts.Check(err)
	if !okA || !okB || !(a < factor*b) {
		ts.Fatalf("%s in %s is %v, in %s %v: not below %g times that", args[2], args[0], a, args[1], b, factor)
	}
}

func jsonValue(ts *testscript.TestScript, file, path string) any {
	var value any
	if err := json.Unmarshal([]byte(ts.ReadFile(file)), &value); err != nil {
		ts.Fatalf("%s: %v", file, err)
	}
	for _, key := range strings.Split(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(v) {
				ts.Fatalf("%s: no element %q in a list of %d", file, key, len(v))
			}
			value = v[i]
		default:
			ts.Fatalf("%s: nothing at %s", file, path)
		}
	}
	return value
}

func cmdFirstVolume(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: first-volume IN OUT")
	}
	im, err := nifti.ReadImage(context.Background(), ts.MkAbs(args[0]), nifti.ReadOptions{})
	ts.Check(err)
	one := im.Like(1)
	copy(one.Voxels(), im.Volume(0))
	ts.Check(one.Write(context.Background(), ts.MkAbs(args[1]), nifti.WriteOptions{}))
}

func cmdMRtrixTable(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: mrtrix-table IN OUT")
	}
	image := ts.MkAbs(args[0])
	header, err := nifti.ReadHeader(image)
	ts.Check(err)
	files, err := gradients.Find(image)
	ts.Check(err)
	table, err := gradients.Read(files, gradients.Options{})
	ts.Check(err)
	affine, _ := header.Affine()
	table = table.ToScanner(affine)
	var text strings.Builder
	for i, v := range table.BVecs {
		fmt.Fprintf(&text, "%.6f %.6f %.6f %g\n", v[0], v[1], v[2], table.BVals[i])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text.String()), 0o666))
}

func cmdPNGs(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: pngs DIR N")
	}
	files, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "*.png"))
	ts.Check(err)
	if fmt.Sprint(len(files)) != args[1] {
		ts.Fatalf("%d PNG files, want %s: %v", len(files), args[1], files)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		ts.Check(err)
		i := strings.Index(string(data), "pHYs")
		if i < 0 || len(data) < i+13 {
			ts.Fatalf("%s: no pHYs chunk", file)
		}
		if x, y := binary.BigEndian.Uint32(data[i+4:]), binary.BigEndian.Uint32(data[i+8:]); x != 11811 || y != 11811 || data[i+12] != 1 {
			ts.Fatalf("%s: pHYs %d x %d unit %d, want 11811 x 11811 per metre (300 DPI)", file, x, y, data[i+12])
		}
	}
}

// voxelAt reads an image and returns it with the index of the voxel X,Y,Z,N.
func voxelAt(ts *testscript.TestScript, file, place string) (*nifti.Image, int) {
	im, err := nifti.ReadImage(context.Background(), ts.MkAbs(file), nifti.ReadOptions{})
	ts.Check(err)
	var x, y, z, n int
	if _, err := fmt.Sscanf(place, "%d,%d,%d,%d", &x, &y, &z, &n); err != nil {
		ts.Fatalf("%q is not X,Y,Z,N: %v", place, err)
	}
	nx, ny, nz, _ := im.Dims()
	return im, x + nx*(y+ny*(z+nz*n))
}

func cmdSetVoxel(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: set-voxel IN OUT X,Y,Z,N VALUE")
	}
	im, i := voxelAt(ts, args[0], args[2])
	value, err := strconv.ParseFloat(args[3], 32)
	ts.Check(err)
	im.Voxels()[i] = float32(value)
	ts.Check(im.Write(context.Background(), ts.MkAbs(args[1]), nifti.WriteOptions{}))
}

func cmdVoxel(ts *testscript.TestScript, negated bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: voxel FILE X,Y,Z,N VALUE")
	}
	im, i := voxelAt(ts, args[0], args[1])
	if got := fmt.Sprint(im.Voxels()[i]); (got == args[2]) == negated {
		ts.Fatalf("%s at %s is %s, want %s", args[0], args[1], got, args[2])
	}
}

func cmdAttenuate(ts *testscript.TestScript, negated bool, args []string) {
	if negated || len(args) != 4 {
		ts.Fatalf("usage: attenuate IN OUT LIST FACTOR")
	}
	im, err := nifti.ReadImage(context.Background(), ts.MkAbs(args[0]), nifti.ReadOptions{})
	ts.Check(err)
	spans, err := impute.ParseList(args[2])
	ts.Check(err)
	factor, err := strconv.ParseFloat(args[3], 32)
	ts.Check(err)
	nx, ny, nz, nt := im.Dims()
	lost := impute.NewLost(nt, nz)
	ts.Check(lost.AddSpans(spans))
	for i := range im.Voxels() {
		if slice := i / (nx * ny); lost.Is(slice/nz, slice%nz) {
			im.Voxels()[i] *= float32(factor)
		}
	}
	ts.Check(im.Write(context.Background(), ts.MkAbs(args[1]), nifti.WriteOptions{}))
}

func cmdSameVoxel(ts *testscript.TestScript, negated bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: same-voxel A B X,Y,Z,N")
	}
	a, i := voxelAt(ts, args[0], args[2])
	b, j := voxelAt(ts, args[1], args[2])
	if x, y := a.Voxels()[i], b.Voxels()[j]; (x == y) == negated {
		ts.Fatalf("at %s %s has %v and %s has %v", args[2], args[0], x, args[1], y)
	}
}
