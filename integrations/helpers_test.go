package integrations

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

// bin is a folder with the program, built once for all tests.
var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "integrations-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, "dmri-denoise"), "../cmd/dmri-denoise")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		bin = dir
		return m.Run()
	}())
}

// need skips a test whose tool is not here, by name; where all tools are required, that is an error.
func need(t *testing.T, tool, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err == nil {
		return
	}
	if os.Getenv("DMRI_TEST_INTEGRATIONS") == "required" {
		t.Fatalf("%s is required here: apt-get install %s", tool, pkg)
	}
	t.Skipf("skipped %s: %s is not installed (apt-get install %s)", t.Name(), tool, pkg)
}

// call runs a command with the program on its path and returns what it printed.
func call(t *testing.T, dir, name string, words ...string) string {
	t.Helper()
	command := exec.Command(name, words...)
	command.Dir = dir
	command.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "HOME="+dir, "XDG_CACHE_HOME="+dir)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	if err := command.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(words, " "), err, out.String())
	}
	return out.String()
}

// newPhantom writes a small scan into a folder: dwi.nii.gz, dwi.bval, dwi.bvec, mask.nii.gz and more.
func newPhantom(t *testing.T, seed uint64) string {
	t.Helper()
	dir := t.TempDir()
	p, err := phantom.Make(context.Background(), phantom.Options{Protocol: "small", Shape: [3]int{12, 12, 6}, SNR: 20, SigmaRatio: 1, Seed: seed, VoxelSize: [3]float64{2, 2, 2}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write(context.Background(), dir, false); err != nil {
		t.Fatal(err)
	}
	return dir
}

// sameAsRun requires that an image is what run makes of a phantom.
func sameAsRun(t *testing.T, scan, image string, flags ...string) {
	t.Helper()
	want := filepath.Join(t.TempDir(), "want.nii.gz")
	call(t, ".", filepath.Join(bin, "dmri-denoise"), append([]string{"run", filepath.Join(scan, "dwi.nii.gz"), want, "--no-qc", "-q"}, flags...)...)
	a, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Errorf("%s differs from what run writes", image)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var flagPattern = regexp.MustCompile(`(?:^|[\s"':(])(--[a-z0-9][a-z0-9-]*)`)

// ourFlags lists the flags in a text that stand behind the program's name, on the same logical line.
func ourFlags(text string) []string {
	var flags []string
	text = regexp.MustCompile(`\\+\n\s*`).ReplaceAllString(text, " ")
	text = regexp.MustCompile(`"\n\s*"`).ReplaceAllString(text, "")
	for line := range strings.Lines(text) {
		_, behind, ok := strings.Cut(line, "dmri-denoise run ")
		if !ok {
			continue
		}
		for _, m := range flagPattern.FindAllStringSubmatch(behind, -1) {
			if !slices.Contains(flags, m[1]) {
				flags = append(flags, m[1])
			}
		}
	}
	return flags
}

// checkFlags requires that run knows every flag.
func checkFlags(t *testing.T, flags []string, atLeast int) {
	t.Helper()
	help := call(t, ".", filepath.Join(bin, "dmri-denoise"), "help", "run")
	for _, f := range flags {
		if !regexp.MustCompile(`(?m)(^|, |\s)` + regexp.QuoteMeta(f) + `([ ,\n]|$)`).MatchString(help) {
			t.Errorf("run has no flag %s", f)
		}
	}
	if len(flags) < atLeast {
		t.Errorf("found only the flags %v", flags)
	}
}
