package gradients

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Find looks for the gradient table beside an image. For X.nii.gz (or .nii, .hdr, .img, also compressed) it takes the first
// there is of X.bval, X.bvals, bvals and bval for b-values, and of X.bvec, X.bvecs, X.eddy_rotated_bvecs, bvecs and bvec
// for directions; failing that pair, the MRtrix table X.b. The image itself need not exist. The error, an [ErrNotFound],
// says what was looked for and what was there; half a pair is returned with it.
func Find(image string) (Files, error) {
	dir, name := filepath.Split(image)
	stem := filepath.Join(dir, imageStem(name))
	bvals := candidates(dir, stem, []string{".bval", ".bvals"}, []string{"bvals", "bval"})
	bvecs := candidates(dir, stem, []string{".bvec", ".bvecs", ".eddy_rotated_bvecs"}, []string{"bvecs", "bvec"})
	f := Files{BVal: firstPresent(bvals), BVec: firstPresent(bvecs)}
	if f.BVal != "" && f.BVec != "" {
		return f, nil
	}
	grad := stem + ".b"
	if firstPresent([]string{grad}) != "" {
		return Files{Grad: grad}, nil
	}
	looked := func(paths []string) string {
		names := make([]string, len(paths))
		for i, p := range paths {
			names[i] = filepath.Base(p)
		}
		return strings.Join(names, ", ")
	}
	where := filepath.Clean(filepath.Dir(image))
	switch {
	case f.BVal != "":
		return f, faultf(ErrNotFound, "found the b-values %s but no directions for them: none of %s in %s", f.BVal, looked(bvecs), where)
	case f.BVec != "":
		return f, faultf(ErrNotFound, "found the directions %s but no b-values for them: none of %s in %s", f.BVec, looked(bvals), where)
	}
	return Files{}, faultf(ErrNotFound, "no gradient table beside %s: looked for b-values (%s), directions (%s) and an MRtrix "+
		"table (%s) in %s", image, looked(bvals), looked(bvecs), filepath.Base(grad), where)
}

// imageStem cuts the suffixes of an image file off its name.
func imageStem(name string) string {
	cut := func(suffixes ...string) bool {
		for _, s := range suffixes {
			if n := len(name) - len(s); n > 0 && strings.EqualFold(name[n:], s) {
				name = name[:n]
				return true
			}
		}
		return false
	}
	cut(".gz")
	cut(".nii", ".hdr", ".img")
	return name
}

func candidates(dir, stem string, suffixes, names []string) []string {
	var paths []string
	for _, s := range suffixes {
		paths = append(paths, stem+s)
	}
	for _, n := range names {
		paths = append(paths, filepath.Join(dir, n))
	}
	return paths
}

// firstPresent returns the first path that is a file or a link, or "". A dangling link counts: it is what DataLad leaves
// where the content was not fetched, and reading it explains that better than passing over it.
func firstPresent(paths []string) string {
	for _, p := range paths {
		info, err := os.Stat(p)
		if err == nil && !info.IsDir() {
			return p
		}
		if info, err = os.Lstat(p); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			if _, err := os.Stat(p); err != nil {
				return p
			}
		}
	}
	return ""
}
