package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmri-denoise/dmri-denoise/nifti"
)

func TestFail(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		want string
	}{
		{"plain", errors.New("disk on fire"), "dmri-denoise: error: disk on fire\n"},
		{"usage with remedy", usageHint("do this", "wrong %d", 7), "dmri-denoise: error: wrong 7\ndmri-denoise: hint: do this\n"},
		{"exists", fmt.Errorf("output a: %w", nifti.ErrExists),
			"dmri-denoise: error: output a: output file exists\ndmri-denoise: hint: use --force to overwrite it, or give another output name\n"},
		{"remedy given closest wins", withHint(fmt.Errorf("a: %w", nifti.ErrTruncated), "wait"), "dmri-denoise: error: a: file is truncated\ndmri-denoise: hint: wait\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			newUI(&stdout, &stderr).fail(test.err)
			if diff := cmp.Diff(test.want, stderr.String()); diff != "" || stdout.Len() > 0 {
				t.Errorf("stdout %q, stderr (-want +got):\n%s", stdout.String(), diff)
			}
		})
	}
}

func TestProgressLines(t *testing.T) {
	var stderr strings.Builder
	p := newProgress(newUI(nil, &stderr))
	for done := range 41 {
		p.report("first", done, 40)
	}
	p.report("first", 40, 40)
	p.report("second", 0, 1)
	p.report("second", 1, 1)
	p.report("second", 0, 0)
	p.finish()
	var want strings.Builder
	for tenth := 1; tenth <= 10; tenth++ {
		fmt.Fprintf(&want, "dmri-denoise: first %d %%\n", tenth*10)
	}
	want.WriteString("dmri-denoise: second 100 %\n")
	if diff := cmp.Diff(want.String(), stderr.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestProgressBar(t *testing.T) {
	var stderr strings.Builder
	u := newUI(nil, &stderr)
	u.terminal = true
	p := newProgress(u)
	p.report("work", 5, 10)
	if want := "\rdmri-denoise: [===============               ]  50 % work\x1b[K"; stderr.String() != want {
		t.Errorf("bar %q, want %q", stderr.String(), want)
	}
	stderr.Reset()
	u.warn("look")
	if want := "\r\x1b[Kdmri-denoise: warning: look\n"; stderr.String() != want {
		t.Errorf("a message over a bar: %q, want %q", stderr.String(), want)
	}
}

func TestQuiet(t *testing.T) {
	var stderr strings.Builder
	u := newUI(nil, &stderr)
	u.quiet = true
	p := newProgress(u)
	p.report("work", 10, 10)
	p.finish()
	u.say("done")
	u.logger().Info("chosen")
	if stderr.Len() > 0 {
		t.Errorf("quiet prints %q", stderr.String())
	}
	u.logger().With("file", "a.nii").Warn("odd", "n", 3)
	if want := "dmri-denoise: warning: odd, file a.nii, n 3\n"; stderr.String() != want {
		t.Errorf("warning %q, want %q", stderr.String(), want)
	}
}

func TestLoggerLevels(t *testing.T) {
	u := newUI(nil, nil)
	if u.logger().Enabled(context.Background(), slog.LevelInfo) {
		t.Error("information is logged without --verbose")
	}
	u.verbose = true
	if !u.logger().Enabled(context.Background(), slog.LevelDebug) {
		t.Error("details are not logged with --verbose")
	}
}
