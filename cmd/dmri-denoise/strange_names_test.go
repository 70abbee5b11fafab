package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// scripts are names and header texts that would run where a page does not escape them. A file name has no slash.
var scripts = []string{`<script>alert(1)<`, `"><img src=x onerror=alert(2)>`, `</title></script><script>alert(3)</script>`, `'-alert(4)-'`}

// called finds alert( as code: behind what ends a tag, in an attribute, or in a script that a quotation mark was left of.
var called = regexp.MustCompile(`(?i)<script>alert|<img src=x|</title></script><script|<[^>]*onerror=alert|'-alert\(4\)-'`)

// checkPages looks at every page below a folder, and at how often it tells of a script in words.
func checkPages(t *testing.T, root string) (pages, told int) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".html" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		pages++
		told += strings.Count(string(data), "alert(")
		if at := called.FindIndex(data); at != nil {
			t.Errorf("%s: not escaped: …%s…", path, data[max(at[0]-80, 0):min(at[1]+80, len(data))])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages, told
}

// Names of files and texts of headers are escaped in the report and in pages made of it.
func TestScriptsInNames(t *testing.T) {
	dir := t.TempDir()
	must(t, dir, "phantom", "p", "--protocol", "small", "--shape", "12,12,4", "-q")
	scan := readImage(t, filepath.Join(dir, "p/dwi.nii.gz"))
	for k, text := range scripts {
		if !called.MatchString("<p>" + text) {
			t.Fatalf("%q would not be found if it stood on a page as it is", text)
		}
		name := strings.ReplaceAll(text, "/", "")
		scan.Header.Descrip, scan.Header.IntentName, scan.Header.AuxFile = text, text[:min(len(text), 15)], text[:min(len(text), 23)]
		writeImage(t, scan, filepath.Join(dir, name+".nii.gz"))
		out := filepath.Join(dir, "out", name)
		must(t, dir, "run", name+".nii.gz", filepath.Join(out, name+".nii.gz"), "--bval", "p/dwi.bval", "--bvec", "p/dwi.bvec", "-q")
		pages, told := checkPages(t, out)
		if pages == 0 || told == 0 {
			t.Errorf("%q: %d pages tell the name %d times", name, pages, told)
		}
		if k == 0 { // the pages of two files at once
			must(t, dir, "qc", "report", "--before", name+".nii.gz", "--after", filepath.Join(out, name+".nii.gz"), "--qc-dir", filepath.Join(out, "again"), "--title", text, "-q")
			checkPages(t, out)
		}
	}
}

// A data set whose names, descriptions and JSON fields hold scripts and ways out of the folder: pages escape them, and
// nothing is written but below the output folder.
func TestHostileDataset(t *testing.T) {
	dir := t.TempDir()
	must(t, dir, "phantom", "p", "--protocol", "small", "--shape", "12,12,4", "-q")
	for _, text := range scripts {
		if strings.Contains(text, "/") {
			continue
		}
		root := filepath.Join(dir, "in", text)
		hostile(t, filepath.Join(dir, "p"), root, text)
		before := listing(t, filepath.Join(dir, "in"))
		out := filepath.Join(dir, "out", "deep", text)
		status, said := statusOf(t, dir, nil, "batch", root, out, "participant", "--nthreads", "1", "--prior", "local")
		if status != exitSomeFailed {
			t.Fatalf("status %d, want %d: %s", status, exitSomeFailed, said)
		}
		if strings.Contains(said, "panic") {
			t.Error(said)
		}
		pages, told := checkPages(t, out)
		if pages < 3 || told == 0 { // two subjects and the group
			t.Errorf("%q: %d pages, which tell of it %d times", text, pages, told)
		}
		after := listing(t, filepath.Join(dir, "in"))
		for _, name := range slices.Sorted(maps.Keys(after)) {
			if after[name] != before[name] {
				t.Errorf("%q: %s was written in the data set", text, name)
			}
		}
	}
	for _, place := range []string{".", "out", "out/deep"} {
		entries, err := os.ReadDir(filepath.Join(dir, place))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !e.IsDir() || strings.Contains(e.Name(), "escaped") {
				t.Errorf("%s was written outside of the output folder", filepath.Join(place, e.Name()))
			}
		}
	}
	if found, err := filepath.Glob("/tmp/dmri-denoise-escaped*"); err != nil || len(found) > 0 {
		t.Errorf("written: %v, %v", found, err)
	}
}

// hostile makes a data set of two subjects, the second with a scan that cannot be read, and a folder that is no subject's.
func hostile(t *testing.T, from, root, text string) {
	t.Helper()
	quoted := strings.NewReplacer(`"`, `\"`, `<`, `<`).Replace(text)
	fields := `{"EchoTime": 0.09, "IntendedFor": ["../../../../escaped.nii.gz", "/tmp/dmri-denoise-escaped.nii.gz", "bids::../../escaped.nii.gz"],
  "Sources": ["../../escaped"], "filename": "../../escaped.nii.gz", "OutputDir": "/tmp/dmri-denoise-escaped", "SeriesDescription": "` + quoted + `", "` + quoted + `": "` + quoted + `",
  "../../escaped": "../../escaped", "GeneratedBy": "../../escaped", "TaskName": "` + quoted + `"}`
	put := func(name, text string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		mustWrite(t, path, text)
	}
	put("dataset_description.json", `{"Name": "`+quoted+`", "BIDSVersion": "1.10.0", "DatasetLinks": {"x": "../../escaped"}, "GeneratedBy": [{"Name": "`+quoted+`"}]}`)
	put("dwi.json", fields)
	put("participants.tsv", "participant_id\tnote\nsub-01\t"+text+"\n../../escaped\t"+text+"\n")
	image := readImage(t, filepath.Join(from, "dwi.nii.gz"))
	image.Header.Descrip = text
	for _, name := range []string{"sub-01/dwi/sub-01_dwi", "sub-02/dwi/sub-02_dwi", "sub-" + text + "/dwi/sub-" + text + "_dwi"} {
		put(name+".json", fields)
		for _, ext := range []string{".bval", ".bvec"} {
			data, err := os.ReadFile(filepath.Join(from, "dwi"+ext))
			if err != nil {
				t.Fatal(err)
			}
			put(name+ext, string(data))
		}
		writeImage(t, image, filepath.Join(root, name+".nii.gz"))
	}
	put("sub-02/dwi/sub-02_dwi.nii.gz", "not an image "+text)
}

// What stands behind a line break in a directive of a job script would be a command.
func TestLineBreakInJobScript(t *testing.T) {
	dir := t.TempDir()
	status, said := statusOf(t, dir, nil, "batch", ".", "out\ntouch escaped\n#", "participant", "--engine", "slurm", "--dry-run")
	if status != exitUsage || !strings.Contains(said, "line break") {
		t.Errorf("status %d, %q", status, said)
	}
}
