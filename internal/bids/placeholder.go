package bids

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// ErrNotFetched reports a file of which only the placeholder of DataLad, git-annex or Git LFS is here.
var ErrNotFetched = errors.New("content not downloaded")

// ErrEmpty reports a file of no bytes, as example data sets and broken downloads have them.
var ErrEmpty = errors.New("empty file")

// FileError is a file that cannot be used, with what the user can do about it.
type FileError struct {
	Path   string
	Remedy string // "" if there is none
	Err    error
}

// Error names the file and what is wrong with it.
func (e *FileError) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }

// Unwrap returns what is wrong with the file.
func (e *FileError) Unwrap() error { return e.Err }

// CheckContent makes sure that a file is here, with content. Links that lead nowhere and the small pointer files of
// git-annex and Git LFS are told apart from missing and empty files.
func CheckContent(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return placeholderError(path)
	case err != nil:
		return err
	case info.IsDir():
		return &FileError{Path: path, Err: errors.New("is a folder")}
	case info.Size() == 0:
		return &FileError{Path: path, Err: ErrEmpty}
	case info.Size() > pointerSize:
		return nil
	}
	return checkPointer(path)
}

// pointerSize is more than the largest pointer file: git-annex keys and LFS pointers have a few hundred bytes.
const pointerSize = 1 << 10

// checkPointer looks into a small file for what unlocked git-annex files and Git LFS files hold before their download.
func checkPointer(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, pointerSize)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: %w", path, err)
	}
	switch head = head[:n]; {
	case bytes.HasPrefix(head, []byte("/annex/objects/")):
		return notFetched(path)
	case bytes.HasPrefix(head, []byte("version https://git-lfs.github.com/")):
		return &FileError{Path: path, Remedy: "git lfs pull --include " + path, Err: ErrNotFetched}
	}
	return nil
}

// placeholderError explains a path that leads to no file.
func placeholderError(path string) error {
	target, err := os.Readlink(path)
	switch {
	case err != nil:
		return &FileError{Path: path, Err: fs.ErrNotExist}
	case strings.Contains(target, ".git/annex/"):
		return notFetched(path)
	}
	return &FileError{Path: path, Err: fmt.Errorf("dangling link to %s: %w", target, fs.ErrNotExist)}
}

func notFetched(path string) error {
	return &FileError{Path: path, Remedy: "datalad get " + path, Err: ErrNotFetched}
}
