package bids

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzMetadata reads arbitrary bytes as a metadata file and as a filter file: an error names the file, and what is
// accepted can be written and read again.
func FuzzMetadata(f *testing.F) {
	for _, text := range []string{`{"EchoTime": 0.08}`, "\ufeff{}", "null", "[1]", `{"dwi": {"session": "01", "run": [1, null]}}`, `{"dwi": {"x": 1}}`,
		`{"dwi": {"acquisition": {}}}`, "{", "/annex/objects/MD5E-s1--x", "version https://git-lfs", `{"dwi": null}`} {
		f.Add([]byte(text))
	}
	file := filepath.Join(f.TempDir(), "dwi.json")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(file, data, 0o666); err != nil {
			t.Fatal(err)
		}
		fields, err := Metadata([]string{file})
		if err != nil {
			if !strings.Contains(err.Error(), "dwi.json") {
				t.Errorf("%q: the error %q does not name the file", data, err)
			}
		} else if again, err := json.Marshal(fields); err != nil || !json.Valid(again) {
			t.Errorf("%q: cannot be written again: %v", data, err)
		}
		entities, err := ReadFilterFile(file)
		if err != nil {
			if !strings.Contains(err.Error(), "dwi.json") {
				t.Errorf("%q: the error %q does not name the file", data, err)
			}
			return
		}
		for key := range entities {
			if !isLabel(key) {
				t.Errorf("%q: entity %q", data, key)
			}
		}
		Filter{Entities: entities}.match(Name{Entities: []Entity{{"sub", "01"}}, Suffix: "dwi"})
	})
}
