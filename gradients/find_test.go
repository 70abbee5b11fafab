package gradients

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFind(t *testing.T) {
	for _, tc := range []struct {
		name    string
		image   string
		present []string
		want    Files
	}{
		{"by name", "x.nii.gz", []string{"x.bval", "x.bvec", "bvals", "bvecs", "x.b"}, Files{BVal: "x.bval", BVec: "x.bvec"}},
		{"uncompressed", "x.nii", []string{"x.bval", "x.bvec"}, Files{BVal: "x.bval", BVec: "x.bvec"}},
		{"pair", "x.img.gz", []string{"x.bval", "x.bvec"}, Files{BVal: "x.bval", BVec: "x.bvec"}},
		{"upper case suffix", "X.NII.GZ", []string{"X.bval", "X.bvec"}, Files{BVal: "X.bval", BVec: "X.bvec"}},
		{"points in the name", "s.1.nii.gz", []string{"s.1.bval", "s.1.bvec", "s.bval"}, Files{BVal: "s.1.bval", BVec: "s.1.bvec"}},
		{"plural", "x.nii.gz", []string{"x.bvals", "x.bvecs"}, Files{BVal: "x.bvals", BVec: "x.bvecs"}},
		{"FSL's habit", "data.nii.gz", []string{"bvals", "bvecs"}, Files{BVal: "bvals", BVec: "bvecs"}},
		{"singular habit", "data.nii.gz", []string{"bval", "bvec"}, Files{BVal: "bval", BVec: "bvec"}},
		{"mixed", "data.nii.gz", []string{"data.bval", "bvecs"}, Files{BVal: "data.bval", BVec: "bvecs"}},
		{"eddy", "e.nii.gz", []string{"bvals", "bvecs", "e.eddy_rotated_bvecs"}, Files{BVal: "bvals", BVec: "e.eddy_rotated_bvecs"}},
		{"MRtrix", "x.nii.gz", []string{"x.b"}, Files{Grad: "x.b"}},
		{"MRtrix beside half a pair", "x.nii.gz", []string{"x.b", "x.bval"}, Files{Grad: "x.b"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range tc.present {
				touch(t, filepath.Join(dir, name))
			}
			want := tc.want
			for _, p := range []*string{&want.BVal, &want.BVec, &want.Grad} {
				if *p != "" {
					*p = filepath.Join(dir, *p)
				}
			}
			if got, err := Find(filepath.Join(dir, tc.image)); err != nil || got != want {
				t.Errorf("Find(%s) = %v, %v, want %v", tc.image, got, err, want)
			}
		})
	}
	t.Run("in the working folder", func(t *testing.T) {
		t.Chdir(t.TempDir())
		touch(t, "x.bval")
		touch(t, "x.bvec")
		if got, err := Find("x.nii"); err != nil || got != (Files{BVal: "x.bval", BVec: "x.bvec"}) {
			t.Errorf("Find(x.nii) = %v, %v", got, err)
		}
	})
	t.Run("a folder is no file", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "x.bval"), 0o777); err != nil {
			t.Fatal(err)
		}
		touch(t, filepath.Join(dir, "bvals"))
		touch(t, filepath.Join(dir, "x.bvec"))
		if got, err := Find(filepath.Join(dir, "x.nii")); err != nil || got.BVal != filepath.Join(dir, "bvals") {
			t.Errorf("Find = %v, %v, want bvals", got, err)
		}
	})
	t.Run("a dangling link is found", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Symlink("nowhere", filepath.Join(dir, "x.bval")); err != nil {
			t.Skip(err)
		}
		touch(t, filepath.Join(dir, "x.bvec"))
		if got, err := Find(filepath.Join(dir, "x.nii")); err != nil || got.BVal != filepath.Join(dir, "x.bval") {
			t.Errorf("Find = %v, %v, want x.bval", got, err)
		}
	})
}

func TestFindNothing(t *testing.T) {
	for _, tc := range []struct {
		name    string
		present string
		says    []string
	}{
		{"nothing there", "", []string{"x.nii.gz", "x.bval, x.bvals, bvals, bval", "x.bvec, x.bvecs, x.eddy_rotated_bvecs", "x.b)"}},
		{"only b-values", "x.bval", []string{"found the b-values", "x.bvec"}},
		{"only directions", "bvecs", []string{"found the directions", "x.bval"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			if tc.present != "" {
				touch(t, filepath.Join(dir, tc.present))
			}
			got, err := Find(filepath.Join(dir, "x.nii.gz"))
			checkError(t, "", err, ErrNotFound, tc.says)
			half := Files{}
			switch tc.present {
			case "x.bval":
				half.BVal = filepath.Join(dir, "x.bval")
			case "bvecs":
				half.BVec = filepath.Join(dir, "bvecs")
			}
			if got != half {
				t.Errorf("Find returns %v with its error, want %v", got, half)
			}
		})
	}
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
}
