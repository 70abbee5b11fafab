package nifti

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

const gzipMagic = "\x1f\x8b"

// maxRatio is above the largest factor by which deflate data can expand: 258
// bytes for two bits, 1032 with all overhead left out.
const maxRatio = 1032

// source is the content of one file, decompressed if need be.
type source struct {
	file    *os.File
	size    int64 // bytes on disk
	content io.Reader
	gz      *members // nil if the file is not compressed
	ahead   *readAhead
}

func openSource(path string) (*source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, explainMissing(path, err)
	}
	// Before opening, because opening a pipe waits for its writer.
	if mode := info.Mode(); mode.IsDir() {
		return nil, fmt.Errorf("is a directory, not a file: %w", ErrNotNIfTI)
	} else if !mode.IsRegular() {
		return nil, fmt.Errorf("is not a regular file (%v); copy it to one first: %w", mode.Type(), ErrNotNIfTI)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &source{file: file}
	if err := s.identify(); err != nil {
		file.Close()
		return nil, err
	}
	return s, nil
}

// identify finds out by content whether the file is compressed.
func (s *source) identify() error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	if s.size = info.Size(); s.size == 0 {
		return fmt.Errorf("file is empty (0 bytes): %w", ErrTruncated)
	}
	buffered := bufio.NewReaderSize(s.file, 256<<10)
	s.content = buffered
	magic, err := buffered.Peek(2)
	if err != nil && err != io.EOF {
		return err
	}
	if string(magic) == gzipMagic {
		if s.gz, err = newMembers(buffered); err != nil {
			return s.explain(err)
		}
		s.content = s.gz
	}
	return nil
}

// capacity is an upper bound for the bytes of content.
func (s *source) capacity() int64 {
	if s.gz == nil {
		return s.size
	}
	return s.size * maxRatio
}

// peek returns up to n bytes from the front of the content, which stay there.
func (s *source) peek(n int) ([]byte, error) {
	b := make([]byte, n)
	k, err := io.ReadFull(s.content, b)
	s.content = io.MultiReader(bytes.NewReader(b[:k]), s.content)
	if k < n && (err == io.EOF || err == io.ErrUnexpectedEOF) {
		err = nil // short content is judged by its length
	}
	return b[:k], err
}

// Close releases the file.
func (s *source) Close() error {
	if s.ahead != nil {
		s.ahead.Close()
	}
	return s.file.Close()
}

// explain gives an error met while reading content its place among the
// package's errors.
func (s *source) explain(err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), err == io.EOF:
		return fmt.Errorf("gzip data ends early: %w", ErrTruncated)
	case errors.Is(err, gzip.ErrChecksum):
		return fmt.Errorf("gzip checksum does not match: %w", ErrCorrupt)
	case errors.Is(err, gzip.ErrHeader), errors.As(err, &corrupt):
		return fmt.Errorf("damaged gzip data (%w): %w", err, ErrCorrupt)
	}
	return err
}

// explainMissing adds a remedy when the file is a git-annex link whose content
// was not downloaded.
func explainMissing(path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if target, lerr := os.Readlink(path); lerr == nil {
		if strings.Contains(target, "annex/objects/") {
			return fmt.Errorf("the content of this git-annex link is not here; get it with: datalad get %q: %w", path, err)
		}
		return fmt.Errorf("symbolic link to %q, which does not exist: %w", target, err)
	}
	return err
}

// strangers lists what is commonly met under the name of an image.
var strangers = []struct{ prefix, what string }{
	{"/annex/objects/", "a git-annex pointer; get the content with datalad get or git annex get"},
	{"version https://git-lfs", "a Git LFS pointer; get the content with git lfs pull"},
	{"<!doctype html", "a web page, so the download went wrong"},
	{"<html", "a web page, so the download went wrong"},
	{"<?xml", "an XML document"},
	{"mrtrix image", "an MRtrix image; convert it with mrconvert"},
	{"nrrd", "an NRRD image; convert it to NIfTI"},
	{"pk\x03\x04", "a zip archive; unpack it"},
	{"\x28\xb5\x2f\xfd", "zstd-compressed; decompress it"},
	{"bzh", "bzip2-compressed; decompress it"},
	{"\xfd7zxz", "xz-compressed; decompress it"},
}

// explainStranger describes content that does not begin with a NIfTI header.
func explainStranger(head []byte) error {
	text := string(bytes.TrimLeft(head, " \t\r\n\ufeff"))
	for _, s := range strangers {
		if hasPrefixFold(text, s.prefix) {
			return fmt.Errorf("file is %s: %w", s.what, ErrNotNIfTI)
		}
	}
	if len(head) >= 132 && string(head[128:132]) == "DICM" {
		return fmt.Errorf("file is DICOM; convert it with dcm2niix: %w", ErrNotNIfTI)
	}
	return fmt.Errorf("file begins with %q, not with a header size of 348 or 540: %w", head[:min(4, len(head))], ErrNotNIfTI)
}

// hasPrefixFold reports whether s begins with prefix, whose ASCII letters are
// lower case. Unlike the functions of package strings it compares bytes, since
// the marks of compressed files are not UTF-8.
func hasPrefixFold(s, prefix string) bool {
	if len(s) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != prefix[i] {
			return false
		}
	}
	return true
}
