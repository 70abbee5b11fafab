package main

// Everything a human reads goes through this file. Rules:
//   - standard output carries results only (tables, paths, --json); all else goes to standard error;
//   - every message starts with "dmri-denoise:"; "warning:" and "error:" follow where they apply;
//   - an error is one line saying what and which file, then a "hint:" line with the remedy where there is one;
//   - --quiet leaves errors and warnings; no colours are used, so NO_COLOR needs no special case.

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/term"
)

const programName = "dmri-denoise"

type ui struct {
	stdout   io.Writer
	stderr   io.Writer
	terminal bool       // standard error is a terminal that can redraw a line
	columns  func() int // width of that terminal, in characters
	quiet    bool
	verbose  bool

	mu       sync.Mutex
	barOpen  bool  // a progress bar stands on the current line
	printErr error // the first failure to write to standard output
}

func newUI(stdout, stderr io.Writer) *ui {
	u := &ui{stdout: stdout, stderr: stderr, columns: func() int { return usualColumns }}
	if f, ok := stderr.(*os.File); ok {
		u.terminal = term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
		u.columns = func() int {
			if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
				return width
			}
			return usualColumns
		}
	}
	return u
}

// usualColumns is the width of a terminal that does not tell.
const usualColumns = 80

// line prints one message on standard error, below any progress bar.
func (u *ui) line(format string, args ...any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closeBar()
	fmt.Fprintf(u.stderr, programName+": "+format+"\n", args...)
}

func (u *ui) closeBar() {
	if u.barOpen {
		fmt.Fprint(u.stderr, "\r\x1b[K")
		u.barOpen = false
	}
}

// say tells of ordinary progress; silent with --quiet.
func (u *ui) say(format string, args ...any) {
	if !u.quiet {
		u.line(format, args...)
	}
}

// detail is for --verbose.
func (u *ui) detail(format string, args ...any) {
	if u.verbose {
		u.line(format, args...)
	}
}

func (u *ui) warn(format string, args ...any) { u.line("warning: "+format, args...) }

// hiddenFolder is the part of a path that outputs adds while it stages files.
var hiddenFolder = regexp.MustCompile(regexp.QuoteMeta(stagingPrefix) + `[0-9]+[/\\]`)

func (u *ui) fail(err error) {
	text := hiddenFolder.ReplaceAllString(strings.TrimSpace(err.Error()), "")
	u.line("error: %s", strings.ReplaceAll(text, "\n", "; "))
	if remedy := remedyFor(err); remedy != "" {
		u.line("hint: %s", remedy)
	}
}

func (u *ui) interrupt(sig syscall.Signal) {
	u.line("stopped by signal (%s); unfinished outputs were removed", sig)
}

// print writes a result to standard output. A failure, such as a full disk, is kept for printed.
func (u *ui) print(format string, args ...any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closeBar()
	if _, err := fmt.Fprintf(u.stdout, format, args...); err != nil && u.printErr == nil {
		u.printErr = fmt.Errorf("standard output: %w", err)
	}
}

// printed returns the first error of print.
func (u *ui) printed() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.printErr
}

// printJSON writes a value to standard output as indented JSON.
func (u *ui) printJSON(value any) error {
	text, err := encodeJSON(value)
	if err != nil {
		return err
	}
	u.print("%s", text)
	return nil
}

// encodeJSON gives indented JSON with a final newline and without HTML escapes: the form of every JSON file and
// --json output of this program.
func encodeJSON(value any) ([]byte, error) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("encode JSON: %w", err)
	}
	return []byte(b.String()), nil
}

// logger passes what the libraries log to the same place: warnings always, the rest with --verbose.
func (u *ui) logger() *slog.Logger { return slog.New(&logHandler{ui: u}) }

type logHandler struct {
	ui     *ui
	fields string
}

func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || h.ui.verbose
}

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	text := r.Message + h.fields
	r.Attrs(func(a slog.Attr) bool {
		text += logField(a)
		return true
	})
	if r.Level >= slog.LevelWarn {
		h.ui.warn("%s", text)
	} else {
		h.ui.detail("%s", text)
	}
	return nil
}

// logField writes one attribute; figures get four digits.
func logField(a slog.Attr) string {
	if a.Value.Kind() == slog.KindFloat64 {
		return fmt.Sprintf(", %s %.4g", a.Key, a.Value.Float64())
	}
	return fmt.Sprintf(", %s %v", a.Key, a.Value)
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	for _, a := range attrs {
		next.fields += logField(a)
	}
	return &next
}

func (h *logHandler) WithGroup(string) slog.Handler { return h }
