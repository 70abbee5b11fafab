package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// imageStem returns a path without .nii.gz, .nii, .img.gz, .img, .hdr.gz or .hdr, and that suffix.
func imageStem(path string) (stem, suffix string) {
	for _, s := range []string{".nii.gz", ".nii", ".img.gz", ".img", ".hdr.gz", ".hdr"} {
		if len(path) > len(s) && strings.EqualFold(path[len(path)-len(s):], s) {
			return path[:len(path)-len(s)], path[len(path)-len(s):]
		}
	}
	return path, ""
}

// checkImageName refuses an output name whose format is not clear.
func checkImageName(flag, path string) error {
	if path == "-" {
		return usagef("%s: standard output is not supported for images; give a file name", flag)
	}
	if _, suffix := imageStem(path); !strings.HasPrefix(strings.ToLower(suffix), ".nii") {
		return usageHint("use .nii.gz", "%s %q: the name must end in .nii.gz or .nii", flag, path)
	}
	return nil
}

// checkInput makes sure that a file can be read: it exists, is no folder, is not empty and opens. A DataLad or
// git-annex file that was not fetched gets its own advice.
func checkInput(path string) error {
	if path == "-" {
		return usagef("standard input is not supported for images; give a file name")
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if target, linkErr := os.Readlink(path); linkErr == nil {
			if strings.Contains(target, ".git/annex/") {
				return badInputHint("datalad get "+path, "%s: not downloaded (a DataLad link without its content)", path)
			}
			return badInputHint("", "%s: dangling link to %s", path, target)
		}
		return badInputHint(similarFile(path), "%s: no such file", path)
	}
	if err != nil {
		return badInput(err)
	}
	switch {
	case info.IsDir():
		return badInputHint("give the .nii.gz inside it", "%s: is a folder", path)
	case info.Size() == 0 && info.Mode().IsRegular():
		return badInputHint("", "%s: empty file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return badInput(err)
	}
	return f.Close()
}

// similarFile looks for a file in the same folder with a name that was probably meant.
func similarFile(path string) string {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Sprintf("the folder %s does not exist", filepath.Dir(path))
		}
		return ""
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	stem, _ := imageStem(filepath.Base(path))
	for _, n := range names {
		if s, suffix := imageStem(n); suffix != "" && s == stem {
			return "did you mean " + filepath.Join(filepath.Dir(path), n) + "?"
		}
	}
	if near := nearest(filepath.Base(path), names); near != "" {
		return "did you mean " + filepath.Join(filepath.Dir(path), near) + "?"
	}
	return ""
}

// sameFile tells whether two paths name one file, through links as well.
func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	if errA == nil && errB == nil {
		return os.SameFile(infoA, infoB)
	}
	absA, errA := filepath.Abs(a)
	absB, errB := filepath.Abs(b)
	return errA == nil && errB == nil && absA == absB
}

// isPresent tells whether something that is no folder stands at a path. A dangling link counts: DataLad leaves it
// where the content was not fetched, and failing to read it says so.
func isPresent(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && !info.IsDir()
}
