package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

func TestExitCode(t *testing.T) {
	interrupted, cancel := context.WithCancelCause(context.Background())
	cancel(signalCause{syscall.SIGINT})
	terminated, cancel2 := context.WithCancelCause(context.Background())
	cancel2(signalCause{syscall.SIGTERM})
	background := context.Background()
	for _, test := range []struct {
		name string
		ctx  context.Context
		err  error
		want int
	}{
		{"done", background, nil, 0},
		{"plain error", background, errors.New("x"), 1},
		{"output exists", background, fmt.Errorf("out: %w", nifti.ErrExists), 1},
		{"usage", background, usagef("x"), 2},
		{"wrapped usage", background, fmt.Errorf("a: %w", usagef("x")), 2},
		{"missing input", background, badInput(fs.ErrNotExist), 3},
		{"not NIfTI", background, fmt.Errorf("a: %w", nifti.ErrNotNIfTI), 3},
		{"truncated", background, fmt.Errorf("a: %w", nifti.ErrTruncated), 3},
		{"corrupt", background, fmt.Errorf("a: %w", nifti.ErrCorrupt), 3},
		{"table counts", background, fmt.Errorf("a: %w", gradients.ErrCount), 3},
		{"some failed", background, fmt.Errorf("2 of 3: %w", errSomeFailed), 4},
		{"memory", background, fmt.Errorf("a: %w", errOutOfMemory), 5},
		{"disk full", background, &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, 5},
		{"quota", background, &fs.PathError{Op: "write", Path: "x", Err: syscall.EDQUOT}, 5},
		{"disk full while writing a bad input's copy", background, badInput(syscall.ENOSPC), 5},
		{"interrupt wins over the error it causes", interrupted, context.Canceled, 130},
		{"interrupt after success", interrupted, nil, 130},
		{"terminate", terminated, context.Canceled, 143},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := exitCode(test.ctx, test.err); got != test.want {
				t.Errorf("exitCode(%v) = %d, want %d", test.err, got, test.want)
			}
		})
	}
}
