package integrations

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const module = "nextflow/denoising/dmridenoise/"

// TestNextflowMeta compares meta.yml with main.nf: the same inputs, the same outputs.
func TestNextflowMeta(t *testing.T) {
	var meta struct {
		Name   string           `yaml:"name"`
		Input  []map[string]any `yaml:"input"`
		Output []map[string]any `yaml:"output"`
	}
	if err := yaml.Unmarshal([]byte(read(t, module+"meta.yml")), &meta); err != nil {
		t.Fatal(err)
	}
	text := read(t, module+"main.nf")
	if want := "process " + strings.ToUpper(meta.Name) + " {"; !strings.Contains(text, want) {
		t.Errorf("main.nf lacks %q", want)
	}
	section := func(name string) string {
		_, rest, _ := strings.Cut(text, "\n    "+name+":\n")
		body, _, _ := strings.Cut(rest, "\n\n")
		return body
	}
	for _, in := range meta.Input {
		for name := range in {
			if !regexp.MustCompile(`\((` + name + `)\)`).MatchString(section("input")) {
				t.Errorf("input %s of meta.yml is not in main.nf", name)
			}
		}
	}
	emitted := regexp.MustCompile(`emit: (\w+)`).FindAllStringSubmatch(section("output"), -1)
	if len(emitted) != len(meta.Output)-1 { // meta is not emitted by itself
		t.Errorf("main.nf emits %d outputs, meta.yml lists %d", len(emitted), len(meta.Output)-1)
	}
	for _, e := range emitted {
		found := false
		for _, out := range meta.Output {
			_, ok := out[e[1]]
			found = found || ok
		}
		if !found {
			t.Errorf("output %s of main.nf is not in meta.yml", e[1])
		}
	}
	for _, file := range []string{"environment.yml", "tests/tags.yml"} {
		var any map[string]any
		if err := yaml.Unmarshal([]byte(read(t, module+file)), &any); err != nil || len(any) == 0 {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestNextflowBlocks runs the script and the stub of the process by bash, with the variables filled in as Nextflow fills them.
func TestNextflowBlocks(t *testing.T) {
	need(t, "bash", "bash")
	text := read(t, module+"main.nf")
	checkFlags(t, ourFlags(text), 4)
	blocks := regexp.MustCompile(`(?s)\n    (script|stub):.*?"""(.*?)"""`).FindAllStringSubmatch(text, -1)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks in main.nf", len(blocks))
	}
	outputs := regexp.MustCompile(`path[( ]"([^"]+)"`).FindAllStringSubmatch(text[strings.Index(text, "output:"):strings.Index(text, "when:")], -1)
	for _, block := range blocks {
		t.Run(block[1], func(t *testing.T) {
			dir := newPhantom(t, 6)
			fill := strings.NewReplacer("$dwi", "dwi.nii.gz", "$bval", "dwi.bval", "$bvec", "dwi.bvec", "$use_mask", "--mask mask.nii.gz",
				"$task.cpus", "2", "$memory", "--mem 2000M", "$args", "--rician off", "${prefix}", "test", "${task.process}", "DENOISING_DMRIDENOISE", `\$`, "$", `\\`, `\`)
			script := "set -euo pipefail\n" + unindent(fill.Replace(block[2]))
			if err := os.WriteFile(filepath.Join(dir, "command.sh"), []byte(script), 0o666); err != nil {
				t.Fatal(err)
			}
			call(t, dir, "bash", "command.sh")
			for _, o := range outputs {
				if found, err := filepath.Glob(filepath.Join(dir, o[1])); err != nil || len(found) == 0 {
					t.Errorf("no output %s: %v", o[1], err)
				}
			}
			versions := read(t, filepath.Join(dir, "versions.yml"))
			var v map[string]map[string]string
			if err := yaml.Unmarshal([]byte(versions), &v); err != nil || v["DENOISING_DMRIDENOISE"]["dmri-denoise"] == "" {
				t.Errorf("versions.yml %q: %v", versions, err)
			}
		})
	}
}

// unindent takes off the four blanks before every line and, as Nextflow's <<-END needs, turns those of here-documents into tabs.
func unindent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(line, "    ")
		if strings.HasPrefix(line, "END_VERSIONS") {
			line = strings.TrimSpace(line) + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}
