package bids_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/internal/bids"
	"github.com/dmri-denoise/dmri-denoise/internal/bids/bidstest"
)

func crawl(t *testing.T, root string, o bids.OpenOptions, filter bids.Filter) *bids.Crawl {
	t.Helper()
	d, err := bids.Open(root, o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.Scans(context.Background(), filter)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestFixtures crawls the file trees of five public data sets: counts and the tables that apply.
func TestFixtures(t *testing.T) {
	bval := map[string]string{
		"ds114": "dwi.bval", "genetics_ukbb": "dwi.bval", "ds000117": "sub-01/ses-mri/dwi/sub-01_ses-mri_dwi.bval",
		"eeg_rest_fmri": "sub-32/dwi/sub-32_acq-NODDI10DIR_dwi.bval", "dwi_deriv": "sub-01/dwi/sub-01_dwi.bval",
	}
	sidecar := map[string]string{"ds114": "dwi.json", "genetics_ukbb": "dwi.json", "eeg_rest_fmri": "acq-NODDI10DIR_dwi.json", "dwi_deriv": "sub-01/dwi/sub-01_dwi.json"}
	for _, f := range bidstest.Fixtures() {
		t.Run(f.Name, func(t *testing.T) {
			root := t.TempDir()
			if err := f.Make(root); err != nil {
				t.Fatal(err)
			}
			if _, err := bids.Open(root, bids.OpenOptions{}); f.Raw != (err == nil) || !f.Raw && !errors.Is(err, bids.ErrDerived) {
				t.Errorf("Open without Derivatives: %v", err)
			}
			c := crawl(t, root, bids.OpenOptions{Derivatives: true}, bids.Filter{})
			if len(c.Scans) != f.Scans || len(c.Warnings) > 0 || len(c.Skipped) > 0 {
				t.Fatalf("%d scans, want %d; warnings %q, skipped %q", len(c.Scans), f.Scans, c.Warnings, c.Skipped)
			}
			for _, s := range c.Scans {
				if s.Problem != nil {
					t.Errorf("%s: %v", s.ID(), s.Problem)
				}
			}
			first := c.Scans[0]
			if want := filepath.Join(root, filepath.FromSlash(bval[f.Name])); first.BVal != want {
				t.Errorf("b-values %s, want %s", first.BVal, want)
			}
			if want := sidecar[f.Name]; want == "" && len(first.Sidecars) > 0 || want != "" && (len(first.Sidecars) != 1 || first.Sidecars[0] != filepath.Join(root, filepath.FromSlash(want))) {
				t.Errorf("sidecars %q, want %q", first.Sidecars, want)
			}
		})
	}
}

// tree writes files, "->" in front of the content making a link.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(content, "->"); ok {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(content), 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// TestInheritance goes through the rules on one scan: which files apply, and what is wrong when none or two do.
func TestInheritance(t *testing.T) {
	const image = "sub-01/ses-a/dwi/sub-01_ses-a_acq-x_dwi.nii.gz"
	for _, test := range []struct {
		name       string
		files      map[string]string
		bval, bvec string
		sidecars   string
		problem    string
	}{
		{"root", map[string]string{"dwi.bval": "0", "dwi.bvec": "0"}, "dwi.bval", "dwi.bvec", "", ""},
		{"nearest wins, one by one", map[string]string{"dwi.bval": "0", "dwi.bvec": "0", "sub-01/sub-01_dwi.bvec": "0",
			"sub-01/ses-a/sub-01_ses-a_dwi.bval": "0"}, "sub-01/ses-a/sub-01_ses-a_dwi.bval", "sub-01/sub-01_dwi.bvec", "", ""},
		{"other acquisition does not apply", map[string]string{"acq-x_dwi.bval": "0", "acq-xy_dwi.bval": "0", "acq-y_dwi.bvec": "0", "dwi.bvec": "0"}, "acq-x_dwi.bval", "dwi.bvec", "", ""},
		{"json merges from the root", map[string]string{"dwi.bval": "0", "dwi.bvec": "0", "dwi.json": "{}", "sub-01/sub-01_acq-x_dwi.json": "{}",
			"sub-01/ses-a/dwi/sub-01_ses-a_acq-x_dwi.json": "{}"}, "dwi.bval", "dwi.bvec",
			"dwi.json sub-01/sub-01_acq-x_dwi.json sub-01/ses-a/dwi/sub-01_ses-a_acq-x_dwi.json", ""},
		{"two at one level", map[string]string{"dwi.bval": "0", "acq-x_dwi.bval": "0", "dwi.bvec": "0"}, "", "dwi.bvec", "", "applies to sub-01_ses-a_acq-x_dwi.nii.gz too"},
		{"no bvec", map[string]string{"dwi.bval": "0"}, "dwi.bval", "", "", "no directions (.bvec) apply to it"},
		{"wrong suffix", map[string]string{"dwi.bval": "0", "bold.bvec": "0"}, "dwi.bval", "", "", "no directions"},
		{"empty image", map[string]string{"dwi.bval": "0", "dwi.bvec": "0", image: ""}, "dwi.bval", "dwi.bvec", "", "empty file"},
		{"annex link", map[string]string{"dwi.bval": "0", "dwi.bvec": "0", image: "->../../../.git/annex/objects/aa/bb/MD5E-s9--c.nii.gz/MD5E-s9--c.nii.gz"}, "dwi.bval", "dwi.bvec", "", "content not downloaded"},
		{"annex pointer", map[string]string{"dwi.bval": "0", "dwi.bvec": "0", image: "/annex/objects/MD5E-s9--c.nii.gz\n"}, "dwi.bval", "dwi.bvec", "", "content not downloaded"},
		{"LFS pointer", map[string]string{"dwi.bval": "version https://git-lfs.github.com/spec/v1\n", "dwi.bvec": "0"}, "dwi.bval", "dwi.bvec", "", "content not downloaded"},
		{"dangling link", map[string]string{"dwi.bval": "->nowhere", "dwi.bvec": "0"}, "dwi.bval", "dwi.bvec", "", "dangling link to nowhere"},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := map[string]string{image: "x", "dataset_description.json": "{}"}
			for name, content := range test.files {
				files[name] = content
			}
			root := tree(t, files)
			c := crawl(t, root, bids.OpenOptions{}, bids.Filter{})
			if len(c.Scans) != 1 {
				t.Fatalf("%d scans", len(c.Scans))
			}
			s := c.Scans[0]
			rel := func(path string) string {
				return strings.TrimPrefix(filepath.ToSlash(path), filepath.ToSlash(root)+"/")
			}
			var sidecars []string
			for _, file := range s.Sidecars {
				sidecars = append(sidecars, rel(file))
			}
			if rel(s.BVal) != test.bval || rel(s.BVec) != test.bvec || strings.Join(sidecars, " ") != test.sidecars {
				t.Errorf("tables %q %q sidecars %q", rel(s.BVal), rel(s.BVec), sidecars)
			}
			if got := text(s.Problem); (got == "") != (test.problem == "") || !strings.Contains(got, test.problem) {
				t.Errorf("problem %q, want %q", got, test.problem)
			}
			if errors.Is(s.Problem, bids.ErrNotFetched) && strings.Contains(test.name, "annex") {
				var file *bids.FileError
				if !errors.As(s.Problem, &file) || !strings.HasPrefix(file.Remedy, "datalad get ") {
					t.Errorf("no remedy: %v", s.Problem)
				}
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestPassedOver lists what a dwi folder may hold beside series.
func TestPassedOver(t *testing.T) {
	root := tree(t, map[string]string{
		"dwi.bval": "0", "dwi.bvec": "0", "derivatives/x/sub-01/dwi/sub-01_dwi.nii.gz": "x", "sourcedata/sub-09/dwi/sub-09_dwi.nii.gz": "x",
		"sub-01/dwi/sub-01_dwi.nii.gz": "x", "sub-01/dwi/sub-01_sbref.nii.gz": "x", "sub-01/dwi/sub-01_FA.nii.gz": "x",
		"sub-02/dwi/sub-02_part-mag_dwi.nii.gz": "x", "sub-02/dwi/sub-02_part-phase_dwi.nii.gz": "x", "sub-02/dwi/._sub-02_dwi.nii.gz": "x",
		"sub-02/dwi/sub-02_desc-denoised_dwi.nii.gz": "x", "sub-02/dwi/my scan_dwi.nii.gz": "x",
		"sub-03/anat/sub-03_T1w.nii.gz": "x", "sub-04/dwi/sub-05_dwi.nii.gz": "x", "sub-05": "a file",
	})
	c := crawl(t, root, bids.OpenOptions{}, bids.Filter{})
	var ids []string
	for _, s := range c.Scans {
		ids = append(ids, s.ID())
	}
	if got := strings.Join(ids, " "); got != "sub-01_dwi sub-02_part-mag_dwi sub-05_dwi" {
		t.Errorf("scans %s", got)
	}
	if len(c.Skipped) != 2 || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "my scan") {
		t.Errorf("skipped %q, warnings %q", c.Skipped, c.Warnings)
	}
	if p := text(c.Scans[2].Problem); !strings.Contains(p, "disagree") {
		t.Errorf("misplaced scan: %s", p)
	}
}

func TestFilter(t *testing.T) {
	root := tree(t, map[string]string{
		"dwi.bval": "0", "dwi.bvec": "0", "filter.json": `{"dwi": {"session": ["b", 2], "acquisition": null, "suffix": "dwi"}, "t1w": {}}`,
		"sub-01/ses-a/dwi/sub-01_ses-a_dwi.nii.gz": "x", "sub-01/ses-b/dwi/sub-01_ses-b_dwi.nii.gz": "x",
		"sub-02/ses-b/dwi/sub-02_ses-b_acq-q_dwi.nii.gz": "x", "bad.json": `{"dwi": {"colour": "red"}}`,
	})
	entities, err := bids.ReadFilterFile(filepath.Join(root, "filter.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		filter bids.Filter
		want   int
	}{
		{bids.Filter{}, 3}, {bids.Filter{Subjects: []string{"01"}}, 2}, {bids.Filter{Sessions: []string{"b"}}, 2},
		{bids.Filter{Entities: entities}, 1}, {bids.Filter{Subjects: []string{"02"}, Entities: entities}, 0},
	} {
		if c := crawl(t, root, bids.OpenOptions{}, test.filter); len(c.Scans) != test.want {
			t.Errorf("%+v: %d scans, want %d", test.filter, len(c.Scans), test.want)
		}
	}
	if _, err := bids.ReadFilterFile(filepath.Join(root, "bad.json")); err == nil || !strings.Contains(err.Error(), "colour") {
		t.Errorf("unknown entity: %v", err)
	}
	d, err := bids.Open(root, bids.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Scans(context.Background(), bids.Filter{Subjects: []string{"7"}}); !errors.Is(err, bids.ErrDataset) {
		t.Errorf("unknown subject: %v", err)
	}
	if _, err := bids.Labels("sub", []string{"sub-01", "01", "a/b"}); !errors.Is(err, bids.ErrName) {
		t.Errorf("bad label: %v", err)
	}
}

func TestOpen(t *testing.T) {
	for _, test := range []struct{ name, description, want string }{
		{"derived", `{"DatasetType": "derivative"}`, "derived"},
		{"study", `{"DatasetType": "study"}`, "rawbids"},
		{"not JSON", `{`, "not JSON"},
		{"odd field", `{"DatasetType": "raw", "GeneratedBy": "me"}`, ""},
	} {
		root := tree(t, map[string]string{"dataset_description.json": test.description})
		if _, err := bids.Open(root, bids.OpenOptions{}); !strings.Contains(text(err), test.want) || (err == nil) != (test.want == "") {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if _, err := bids.Open(filepath.Join(t.TempDir(), "none"), bids.OpenOptions{}); !errors.Is(err, bids.ErrDataset) {
		t.Errorf("missing folder: %v", err)
	}
}

// What a raw data set's .bidsignore names is skipped and said so, by gitignore's
// rules; a derived data set is taken whole.
func TestIgnoreFile(t *testing.T) {
	for _, c := range []struct {
		rules          string
		scans, skipped int
	}{
		{"", 3, 0},
		{"*.fif\n# a comment\n", 3, 0},
		{"sub-02/\n", 2, 1},
		{"*_run-2_dwi.nii.gz\n", 2, 1},
		{"**/dwi/*\n!sub-01/dwi/sub-01_run-1_dwi.nii.gz\n", 1, 2},
		{"/sub-01/dwi/sub-01_run-1_dwi.*\r\nsub-02/**\r\n", 1, 2},
	} {
		for _, kind := range []string{"raw", "derivative"} {
			root := t.TempDir()
			write := func(path, text string) {
				path = filepath.Join(root, filepath.FromSlash(path))
				if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			write("dataset_description.json", `{"Name": "x", "BIDSVersion": "1.9.0", "DatasetType": "`+kind+`"}`)
			write("dwi.bval", "0 1000")
			write("dwi.bvec", "0 1\n0 0\n0 0")
			for _, image := range []string{"sub-01/dwi/sub-01_run-1_dwi.nii.gz", "sub-01/dwi/sub-01_run-2_dwi.nii.gz", "sub-02/dwi/sub-02_dwi.nii.gz"} {
				write(image, "content")
			}
			if c.rules != "" {
				write(".bidsignore", c.rules)
			}
			scans, skipped := c.scans, c.skipped
			if kind == "derivative" {
				scans, skipped = 3, 0
			}
			got := crawl(t, root, bids.OpenOptions{Derivatives: true}, bids.Filter{})
			if len(got.Scans) != scans || len(got.Skipped) != skipped || len(got.Warnings) > 0 {
				t.Errorf("%s, %q: %d scans, skipped %q, warnings %q; want %d and %d", kind, c.rules, len(got.Scans), got.Skipped, got.Warnings, scans, skipped)
			}
		}
	}
}
