package bids

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseName(t *testing.T) {
	for _, test := range []struct{ file, want string }{
		{"sub-01_dwi.nii.gz", ""}, {"dwi.bval", ""}, {"sub-01_ses-a_acq-x+y_run-01_part-mag_dwi.nii", ""},
		{"sub-01__dwi.nii.gz", `""`}, {"sub-_dwi.nii.gz", `"sub-"`}, {"sub-01_sub-02_dwi.nii", "twice"}, {"sub-01_my scan.nii", "suffix"},
		{"sub-ä_dwi.nii", "letters"}, {"", "suffix"},
	} {
		n, err := ParseName(test.file)
		if test.want == "" {
			if err != nil || n.String() != test.file {
				t.Errorf("ParseName(%q) = %v, %v", test.file, n, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("ParseName(%q): error %v, want %s", test.file, err, test.want)
		}
	}
}

// FuzzParseName: no text panics; a name that parses gives its text back, and derived names parse and follow the rules.
func FuzzParseName(f *testing.F) {
	for _, seed := range []string{"sub-01_dwi.nii.gz", "sub-01_ses-a_acq-x_dir-AP_run-1_dwi.nii", "dwi.json", "sub-1_foo-2_desc-x_dwi.nii.gz", "_-_.", "sub-+_dwi.nii"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file string) {
		n, err := ParseName(file)
		if err != nil {
			return
		}
		if n.String() != file {
			t.Fatalf("%q came back as %q", file, n)
		}
		if n.Suffix != "dwi" || n.Value("sub") == "" || len(n.Entities) > 2 {
			return
		}
		d, err := NewDerivative(n)
		if err != nil {
			return
		}
		for _, name := range []string{d.Series(".nii.gz"), d.Map("sigma", ".nii.gz")} {
			if _, err := ParseName(filepath.Base(name)); err != nil {
				t.Fatalf("derived name: %v", err)
			}
		}
	})
}

func TestDerivativeNames(t *testing.T) {
	for _, test := range []struct{ source, series, sigma, figure string }{
		{"sub-01_dwi.nii.gz", "sub-01/dwi/sub-01_desc-denoised_dwi.nii.gz", "sub-01/dwi/sub-01_stat-sigma_dwimap.nii.gz",
			"sub-01/figures/sub-01_desc-noiseMap_dwi.png"},
		{"sub-01_ses-a_dir-AP_run-02_part-mag_dwi.nii", "sub-01/ses-a/dwi/sub-01_ses-a_dir-AP_run-02_part-mag_desc-denoised_dwi.nii.gz",
			"sub-01/ses-a/dwi/sub-01_ses-a_dir-AP_run-02_part-mag_stat-sigma_dwimap.nii.gz",
			"sub-01/figures/sub-01_ses-a_dir-AP_run-02_part-mag_desc-noiseMap_dwi.png"},
		{"sub-01_desc-preproc_dwi.nii.gz", "sub-01/dwi/sub-01_desc-denoised_dwi.nii.gz", "sub-01/dwi/sub-01_stat-sigma_dwimap.nii.gz",
			"sub-01/figures/sub-01_desc-noiseMap_dwi.png"},
	} {
		n, err := ParseName(test.source)
		if err != nil {
			t.Fatal(err)
		}
		d, err := NewDerivative(n)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{d.Series(".nii.gz"), d.Map("sigma", ".nii.gz"), d.Figure("noise_map", ".png")}
		for i, want := range []string{test.series, test.sigma, test.figure} {
			if got[i] != want {
				t.Errorf("%s: %s, want %s", test.source, got[i], want)
			}
			if err := CheckDerivativeName(got[i]); err != nil {
				t.Errorf("own name breaks own rules: %v", err)
			}
		}
	}
	long, _ := ParseName("sub-" + strings.Repeat("x", 220) + "_dwi.nii.gz")
	if _, err := NewDerivative(long); err == nil {
		t.Error("a name of more than 255 bytes is accepted")
	}
}

func TestCheckDerivativeName(t *testing.T) {
	for _, bad := range []string{"sub-01/dwi/sub-01_dwi.nii.gz", "sub-02/dwi/sub-01_desc-denoised_dwi.nii.gz", "sub-01/dwi/sub-01_desc-denoised_run-1_dwi.nii.gz",
		"sub-01/dwi/sub-01_desc-denoised_dwi.png", "sub-01/dwi/sub-01_stat-sigma_dwimap.bval", "sub-01/dwi/sub-01_noise.nii.gz", "sub-01/figures/sub-01_desc-x_dwi.nii.gz"} {
		if err := CheckDerivativeName(bad); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

func TestMetadata(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a, b := write("a.json", "\ufeff{\"x\": 1, \"y\": [1]}"), write("b.json", `{"x": 2}`)
	merged, err := Metadata([]string{a, b})
	if err != nil || string(merged["x"]) != "2" || string(merged["y"]) != "[1]" {
		t.Errorf("merged %v, %v", merged, err)
	}
	if _, err := Metadata([]string{write("c.json", "[1]")}); err == nil || !strings.Contains(err.Error(), "c.json") {
		t.Errorf("not an object: %v", err)
	}
}

func TestDescriptions(t *testing.T) {
	base := t.TempDir()
	raw, out := filepath.Join(base, "raw"), filepath.Join(base, "raw", "derivatives", "dmri-denoise")
	d := &Dataset{Root: raw, Description: Description{Name: "study", DatasetDOI: "doi:1"}}
	got := d.Derived(out, Generator{Name: "dmri-denoise", Version: "1"})
	if got.DatasetType != "derivative" || got.DatasetLinks["raw"] != "../.." || got.SourceDatasets[0].DOI != "doi:1" {
		t.Errorf("derived description %+v", got)
	}
	if err := CheckOutput(out, "dmri-denoise"); err != nil {
		t.Errorf("new folder: %v", err)
	}
	if err := os.MkdirAll(out, 0o777); err != nil {
		t.Fatal(err)
	}
	for text, ok := range map[string]bool{`{"GeneratedBy": [{"Name": "dmri-denoise"}]}`: true, `{"GeneratedBy": [{"Name": "qsiprep"}]}`: false, `{`: false} {
		if err := os.WriteFile(filepath.Join(out, DescriptionFile), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := CheckOutput(out, "dmri-denoise"); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}
