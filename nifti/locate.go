package nifti

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// splitName splits a path into stem, lower-case extension (".nii", ".hdr",
// ".img" or "") and whether ".gz" follows it.
func splitName(path string) (stem, ext string, gz bool) {
	stem = path
	if cut, ok := cutSuffixFold(stem, ".gz"); ok {
		stem, gz = cut, true
	}
	for _, ext := range []string{".nii", ".hdr", ".img"} {
		if cut, ok := cutSuffixFold(stem, ext); ok {
			return cut, ext, gz
		}
	}
	return stem, "", gz
}

func cutSuffixFold(s, suffix string) (string, bool) {
	n := len(s) - len(suffix)
	if n < 0 || !strings.EqualFold(s[n:], suffix) {
		return s, false
	}
	return s[:n], true
}

// companion finds the other half of a pair: the file of the given extension
// beside path, preferring one compressed like it. It returns "" if there is none.
func companion(path, ext string) string {
	stem, _, gz := splitName(path)
	plain, packed := []string{ext, strings.ToUpper(ext)}, []string{ext + ".gz", strings.ToUpper(ext) + ".gz", strings.ToUpper(ext) + ".GZ"}
	order := append(plain, packed...)
	if gz {
		order = append(packed, plain...)
	}
	for _, suffix := range order {
		// Lstat, so that a link without content is found and reported as such.
		if _, err := os.Lstat(stem + suffix); err == nil {
			return stem + suffix
		}
	}
	return ""
}

// openHeader opens the image that path names and reads its header. The source
// of the Reader is then at the first voxel of a single file; of a pair, path is
// the file of the voxels, "" if that is missing.
func openHeader(path string) (*Reader, error) {
	header := path
	_, ext, _ := splitName(path)
	if ext == ".img" {
		if found := companion(path, ".hdr"); found != "" {
			header = found
		}
	}
	src, err := openSource(header)
	if err != nil {
		return nil, fmt.Errorf("nifti: read %s: %w", header, err)
	}
	h, notes, err := src.readHeader()
	if err != nil {
		src.Close()
		if ext == ".img" && header == path && errors.Is(err, ErrNotNIfTI) {
			err = fmt.Errorf("no header file (.hdr or .hdr.gz) beside it: %w", err)
		}
		return nil, fmt.Errorf("nifti: read %s: %w", header, err)
	}
	r := &Reader{path: header, header: *h, warnings: notes, src: src}
	if h.Pair {
		r.path = path
		if ext != ".img" || header == path {
			r.path = companion(path, ".img")
		}
	}
	return r, nil
}
