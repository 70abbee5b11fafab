package main

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
	"github.com/dmri-denoise/dmri-denoise/qc"
)

var (
	// errOutOfMemory: the work would not fit in the memory allowed by --mem or by the machine.
	errOutOfMemory = errors.New("not enough memory")
	// errSomeFailed: several inputs were given, some failed and the others are done.
	errSomeFailed = errors.New("some inputs failed")
)

// usageError is a command line that cannot be carried out as written, whatever the files hold.
type usageError struct{ message, remedy string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...)}
}

func usageHint(remedy, format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...), remedy: remedy}
}

// inputError is a file that is missing, unreadable or not what it should be.
type inputError struct {
	err    error
	remedy string
}

func (e *inputError) Error() string { return e.err.Error() }
func (e *inputError) Unwrap() error { return e.err }

func badInput(err error) error {
	if err == nil {
		return nil
	}
	return &inputError{err: err}
}

func badInputHint(remedy, format string, args ...any) error {
	return &inputError{err: fmt.Errorf(format, args...), remedy: remedy}
}

// hinted adds a remedy to an error without changing its kind.
type hinted struct {
	err    error
	remedy string
}

func (e *hinted) Error() string { return e.err.Error() }
func (e *hinted) Unwrap() error { return e.err }

func withHint(err error, remedy string) error { return &hinted{err: err, remedy: remedy} }

// remedyFor returns what the user can do about an error, or "".
func remedyFor(err error) string {
	var usage *usageError
	var input *inputError
	var added *hinted
	switch {
	case errors.As(err, &added):
		return added.remedy
	case errors.As(err, &usage):
		return usage.remedy
	case errors.As(err, &input) && input.remedy != "":
		return input.remedy
	case errors.Is(err, nifti.ErrExists), errors.Is(err, gradients.ErrExists), errors.Is(err, qc.ErrExists):
		return "use --force to overwrite it, or give another output name"
	case errors.Is(err, nifti.ErrSameFile), errors.Is(err, gradients.ErrSameFile):
		return "write to another name; dmri-denoise never replaces its input"
	case errors.Is(err, nifti.ErrTruncated), errors.Is(err, nifti.ErrCorrupt):
		return "the file is damaged: copy or download it again, and compare sizes or checksums with the source"
	case errors.Is(err, nifti.ErrNotNIfTI):
		return "give a .nii or .nii.gz; dcm2niix makes one from DICOM, mrconvert from other formats"
	case errors.Is(err, gradients.ErrNotFound):
		return "name the tables with --bval FILE --bvec FILE, or --grad FILE for an MRtrix table"
	case errors.Is(err, errOutOfMemory):
		return "give more with --mem, use fewer threads with --nthreads, or run on a larger machine"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "make room, or write to another disk"
	case errors.Is(err, fs.ErrPermission):
		return "check the owner and the permissions of the file and of its folder"
	}
	return ""
}
