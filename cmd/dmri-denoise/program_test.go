package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// program prepares a run of the program itself, with one thread.
func program(ctx context.Context, dir string, words ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.CommandContext(ctx, "dmri-denoise", words...)
	out := &bytes.Buffer{}
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = append(os.Environ(), "OMP_NUM_THREADS=1")
	return cmd, out
}

// must runs the program to its end.
func must(t *testing.T, dir string, words ...string) time.Duration {
	t.Helper()
	started := time.Now()
	cmd, out := program(t.Context(), dir, words...)
	if err := cmd.Run(); err != nil {
		t.Fatalf("dmri-denoise %s: %v\n%s", strings.Join(words, " "), err, out)
	}
	return time.Since(started)
}

// statusOf runs the program and returns its exit status and what it said.
func statusOf(t *testing.T, dir string, env []string, words ...string) (int, string) {
	t.Helper()
	cmd, out := program(t.Context(), dir, words...)
	cmd.Env = append(cmd.Env, env...)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// files reads all files below a folder whose names are final, by their names.
func files(t *testing.T, root string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == root {
			return nil
		}
		if err != nil {
			return err
		}
		if d.IsDir() {
			if strings.HasPrefix(d.Name(), ".") && path != root {
				return filepath.SkipDir
			}
			return nil
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		found[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
