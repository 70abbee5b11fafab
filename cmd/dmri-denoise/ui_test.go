package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
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
		{"hidden folders are not shown", fmt.Errorf("write a.nii: write out/.dmri-denoise-123/a.nii: %w", syscall.ENOSPC),
			"dmri-denoise: error: write a.nii: write out/a.nii: no space left on device\ndmri-denoise: hint: make room, or write to another disk\n"},
		{"several errors stay on one line", errors.Join(errors.New("a"), errors.New("b")), "dmri-denoise: error: a; b\n"},
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

func TestProgressBarFitsTerminal(t *testing.T) {
	for _, columns := range []int{1, 20, 40, 59, 200} {
		var stderr strings.Builder
		u := newUI(nil, &stderr)
		u.terminal, u.columns = true, func() int { return columns }
		newProgress(u).report("work", 10, 10)
		got := len(strings.TrimSuffix(strings.TrimPrefix(stderr.String(), "\r"), "\x1b[K"))
		most := max(columns-1, len(programName+": [] 100 % work"))
		if got > most || columns == 200 && !strings.Contains(stderr.String(), strings.Repeat("=", barWidth)) {
			t.Errorf("%d columns: bar of %d characters: %q", columns, got, stderr.String())
		}
	}
}

func TestPrintKeepsError(t *testing.T) {
	u := newUI(fullWriter{}, nil)
	u.print("result")
	if err := u.printed(); !errors.Is(err, syscall.ENOSPC) || exitCode(t.Context(), err) != exitNoResources {
		t.Errorf("after writing to a full disk: error %v, exit status %d", err, exitCode(t.Context(), err))
	}
}

type fullWriter struct{}

func (fullWriter) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

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
