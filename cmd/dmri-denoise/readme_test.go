package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mattn/go-shellwords"
)

// readmeCommands returns the calls of the program in the code blocks of a page,
// without comments.
func readmeCommands(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i, block := range strings.Split(string(text), "```") {
		if i%2 == 0 {
			continue
		}
		for line := range strings.Lines(block) {
			line, _, _ = strings.Cut(line, "  #")
			line, _, _ = strings.Cut(line, " # ")
			line = strings.TrimSpace(line)
			if rest, ok := strings.CutPrefix(strings.TrimPrefix(line, "bin/"), "dmri-denoise "); ok {
				out = append(out, rest)
			}
		}
	}
	return out
}

// Every call in the README does what it says: it is run as it stands, in a folder
// with a scan of the names used there, in the order of the page. What is sent to
// a cluster is planned only.
func TestReadme(t *testing.T) {
	commands := readmeCommands(t, filepath.Join("..", "..", "README.md"))
	if len(commands) < 5 {
		t.Fatalf("%d commands found in the README: %q", len(commands), commands)
	}
	dir := t.TempDir()
	call := func(words ...string) {
		t.Helper()
		c := exec.CommandContext(context.Background(), "dmri-denoise", words...)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("dmri-denoise %s: %v\n%s", strings.Join(words, " "), err, out)
		}
	}
	call("phantom", "scan", "--protocol", "small", "--shape", "20,20,10", "-q")
	study := filepath.Join(dir, "study")
	for from, to := range map[string][]string{
		"dwi.nii.gz": {"sub01.nii.gz", "study/sub-01/dwi/sub-01_dwi.nii.gz"},
		"dwi.bval":   {"sub01.bval", "scheme.bval", "study/sub-01/dwi/sub-01_dwi.bval"},
		"dwi.bvec":   {"sub01.bvec", "scheme.bvec", "study/sub-01/dwi/sub-01_dwi.bvec"},
	} {
		data, err := os.ReadFile(filepath.Join(dir, "scan", from))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range to {
			writeFile(t, filepath.Join(dir, filepath.FromSlash(name)), string(data))
		}
	}
	writeFile(t, filepath.Join(study, "dataset_description.json"), `{"Name": "study", "BIDSVersion": "1.9.0"}`)
	written := map[string]bool{}
	for _, line := range commands {
		words, err := shellwords.Parse(strings.ReplaceAll(line, "/data/study", study))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if strings.Contains(line, "slurm") {
			words = append(words, "--dry-run")
		}
		if words[0] == "run" && written[words[1]] { // the page shows variants of one call
			words = append(words, "--force")
		}
		written[words[min(1, len(words)-1)]] = true
		call(words...)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}
