package nifti

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
)

// WriteOptions are the options of Image.Write. The zero value is ready to use.
type WriteOptions struct {
	// Force replaces existing files, also those listed in NeverOverwrite.
	Force bool
	// NeverOverwrite lists input files, which are not replaced even by way of a
	// link (ErrSameFile) unless Force is set. Either half stands for its pair.
	NeverOverwrite []string
	// Level is the gzip level, 1 (fast) to 9 (small); 0 means DefaultLevel.
	Level int
	// Threads is the number of goroutines that compress; 0 means GOMAXPROCS. It
	// does not change the bytes written.
	Threads int
}

// DefaultLevel is the gzip level used when none is given. Denoised float32
// images hardly shrink further at higher levels, which take several times as
// long.
const DefaultLevel = 1

// Write writes the image as little-endian float32 with slope 1 and intercept
// 0. The path's ending decides the form: .nii, or .hdr or .img (either name
// writes both files), each with .gz for compression; any other ending is
// ErrUnsupported. All other header fields and the extensions are written as
// they are in im.Header, in its version, or as NIfTI-2 where a length exceeds
// 32767. The header's dimensions must be those of the data.
//
// The file gets its name only when it is complete and on disk; on failure, or
// when ctx ends, nothing is left behind. The bytes depend only on the image and
// the level.
func (im *Image) Write(ctx context.Context, path string, o WriteOptions) error {
	if err := im.write(ctx, path, o); err != nil {
		return fmt.Errorf("nifti: write %s: %w", path, err)
	}
	return nil
}

func (im *Image) write(ctx context.Context, path string, o WriteOptions) error {
	nx, ny, nz, nt := im.Dims()
	if hx, hy, hz, ht := im.Header.Shape(); hx != nx || hy != ny || hz != nz || ht != nt {
		return fmt.Errorf("header has dimensions %d×%d×%d×%d, the data %d×%d×%d×%d: %w", hx, hy, hz, ht, nx, ny, nz, nt, ErrInvalidHeader)
	}
	w, err := create(ctx, path, &im.Header, o)
	if err != nil {
		return err
	}
	w.take(im.Voxels())
	return w.finish()
}

// withDefaults fills in what is not given and checks the rest.
func (o WriteOptions) withDefaults() (WriteOptions, error) {
	if o.Level == 0 {
		o.Level = DefaultLevel
	}
	if o.Level < 1 || o.Level > 9 {
		return o, fmt.Errorf("gzip level %d, want 1 to 9: %w", o.Level, ErrUnsupported)
	}
	if o.Threads <= 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	return o, nil
}

// output is one file to write: a header, voxels, or both.
type output struct {
	path   string
	gz     bool
	header []byte
}

// outputsFor lists the files that path stands for: first the one with the
// voxels, last the header of a pair, because its presence then says that the
// pair is complete.
func outputsFor(path string, h *Header) ([]output, error) {
	if err := h.checkDims(); err != nil {
		return nil, err
	}
	stem, ext, gz := splitName(path)
	if ext == "" {
		return nil, fmt.Errorf("the name must end in .nii, .nii.gz, .hdr, .hdr.gz, .img or .img.gz: %w", ErrUnsupported)
	}
	header, err := h.forOutput(ext != ".nii").encode()
	if err != nil {
		return nil, err
	}
	if ext == ".nii" {
		return []output{{path, gz, header}}, nil
	}
	suffix := ""
	if gz {
		suffix = ".gz"
	}
	return []output{
		{stem + ".img" + suffix, gz, nil},
		{stem + ".hdr" + suffix, gz, header},
	}, nil
}

// checkOverwrite refuses to replace inputs or existing files.
func checkOverwrite(path string, o WriteOptions) error {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return fmt.Errorf("%s is a directory: %w", path, ErrExists)
	}
	if o.Force {
		return nil
	}
	for _, input := range o.NeverOverwrite {
		for _, file := range []string{input, companionOf(input)} {
			if file != "" && sameFile(path, info, file) {
				return fmt.Errorf("%s is the input %s; choose another name or allow overwriting: %w", path, file, ErrSameFile)
			}
		}
	}
	// Lstat, so that a dangling link counts as existing too.
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s: choose another name or allow overwriting: %w", path, ErrExists)
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// companionOf returns the other half of a pair, "" for a single file.
func companionOf(path string) string {
	switch _, ext, _ := splitName(path); ext {
	case ".hdr":
		return companion(path, ".img")
	case ".img":
		return companion(path, ".hdr")
	}
	return ""
}

// sameFile compares names and, where path exists (info), the files themselves.
func sameFile(path string, info os.FileInfo, other string) bool {
	a, err1 := filepath.Abs(path)
	b, err2 := filepath.Abs(other)
	if err1 == nil && err2 == nil && a == b {
		return true
	}
	otherInfo, err := os.Stat(other)
	return err == nil && info != nil && os.SameFile(info, otherInfo)
}

// putFloats encodes voxels into the front of b.
func putFloats(b []byte, voxels []float32) {
	for i, v := range voxels {
		binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(v))
	}
}
