package batch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// temporaryPrefix begins the names of files that are being written; BIDS tools ignore hidden names.
const temporaryPrefix = ".dmri-denoise-"

// writeFile writes a file aside and renames it, so that it is there whole or not at all. Folders are made.
func writeFile(path string, fill func(io.Writer) error) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, temporaryName(path))
	if err != nil {
		return err
	}
	err = fill(f)
	if err == nil {
		err = f.Chmod(0o666 &^ umask())
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	sweep(path)
	return nil
}

// temporaryName is the pattern of the names under which a file is written.
func temporaryName(path string) string {
	base := filepath.Base(path)
	return temporaryPrefix + base[:min(len(base), longestBase)] + ".*"
}

// longestBase leaves room for what is put around a name, which may be 255 bytes long.
const longestBase = 200

// forgotten is the age from which a temporary file belongs to a program that was killed: writing takes seconds at most.
const forgotten = 10 * time.Minute

// sweep removes what programs that were killed left of a file.
func sweep(path string) {
	sweepAll(filepath.Dir(path), strings.TrimSuffix(temporaryName(path), "*"))
}

// sweepAll removes what they left of the files of a folder whose temporary names
// begin so.
func sweepAll(dir, prefix string) {
	entries, _ := os.ReadDir(dir) // not a pattern: the folder's own name may look like one
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), prefix) {
			continue
		}
		name := filepath.Join(dir, entry.Name())
		if info, err := os.Lstat(name); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > forgotten {
			os.Remove(name)
		}
	}
}

func writeBytes(path string, data []byte) error {
	return writeFile(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// writeJSON writes a value as indented JSON.
func writeJSON(path string, value any) error {
	return writeFile(path, func(w io.Writer) error {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(value)
	})
}

// readJSON reads a JSON file; a missing one gives fs.ErrNotExist.
func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// move renames a file, or copies it where the work folder is on another disk.
func move(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return err
	}
	err := os.Rename(from, to)
	if !errors.Is(err, syscall.EXDEV) {
		return err
	}
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return writeFile(to, func(w io.Writer) error {
		_, err := io.Copy(w, f)
		return err
	})
}

func exists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Size() > 0
}
