package integrations

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// copyTree copies a folder's files, so that tools leave their traces elsewhere.
func copyTree(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), filepath.Base(from))
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// newDataset makes a BIDS data set of two subjects, one with a session, tables beside the images.
func newDataset(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for i, stem := range []string{"sub-01/dwi/sub-01_dwi", "sub-02/ses-a/dwi/sub-02_ses-a_dwi"} {
		scan := newPhantom(t, uint64(i))
		for _, ext := range []string{".nii.gz", ".bval", ".bvec"} {
			to := filepath.Join(root, stem+ext)
			if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(scan, "dwi"+ext), to); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

func TestSnakemake(t *testing.T) {
	need(t, "snakemake", "snakemake")
	flow, data := copyTree(t, "snakemake"), newDataset(t)
	checkFlags(t, ourFlags(read(t, "snakemake/dmri_denoise.smk")), 6)
	out := filepath.Join(flow, "out")
	t.Log(call(t, flow, "snakemake", "--cores", "2", "--config", "bids="+data, "out="+out))
	for _, name := range []string{"sub-01/dwi/sub-01_desc-denoised_dwi.nii.gz", "sub-02/ses-a/dwi/sub-02_ses-a_desc-denoised_dwi.json", "sub-02/ses-a/dwi/sub-02_ses-a_stat-sigma_dwimap.nii.gz"} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if again := call(t, flow, "snakemake", "--cores", "2", "--config", "bids="+data, "out="+out); !strings.Contains(again, "Nothing to be done") {
		t.Errorf("a second run does something:\n%s", again)
	}
}

// TestSnakemakeOnSlurm submits the same workflow through the profile.
func TestSnakemakeOnSlurm(t *testing.T) {
	if os.Getenv("DMRI_TEST_SLURM") == "" {
		t.Skipf("skipped %s: no Slurm here; see .ci/slurm", t.Name())
	}
	need(t, "snakemake", "snakemake")
	flow, data := copyTree(t, "snakemake"), newDataset(t)
	if err := os.Chmod(filepath.Join(flow, "profile/slurm/status.sh"), 0o755); err != nil { // copies lose the bit
		t.Fatal(err)
	}
	t.Log(call(t, flow, "snakemake", "--profile", "profile/slurm", "--latency-wait", "5", "--config", "bids="+data, "out="+filepath.Join(flow, "out")))
	if _, err := os.Stat(filepath.Join(flow, "out/sub-01/dwi/sub-01_desc-denoised_dwi.nii.gz")); err != nil {
		t.Error(err)
	}
}

func TestCWL(t *testing.T) {
	need(t, "cwltool", "cwltool")
	tool, err := filepath.Abs("cwl/dmri-denoise.cwl")
	if err != nil {
		t.Fatal(err)
	}
	var flags []string
	for _, field := range strings.FieldsFunc(read(t, tool), func(r rune) bool { return strings.ContainsRune(" {},\n", r) }) {
		if strings.HasPrefix(field, "--") {
			flags = append(flags, field)
		}
	}
	checkFlags(t, flags, 8)
	scan, dir := newPhantom(t, 3), t.TempDir()
	call(t, dir, "cwltool", "--validate", tool)
	t.Log(call(t, dir, "cwltool", "--no-container", "--preserve-environment", "PATH", "--outdir", "out", tool, "--threads", "2", "--rician", "off",
		"--dwi", filepath.Join(scan, "dwi.nii.gz"), "--bval", filepath.Join(scan, "dwi.bval"), "--bvec", filepath.Join(scan, "dwi.bvec"), "--mask", filepath.Join(scan, "mask.nii.gz")))
	sameAsRun(t, scan, filepath.Join(dir, "out", "denoised.nii.gz"), "--rician", "off", "--mask", filepath.Join(scan, "mask.nii.gz"))
	for _, name := range []string{"denoised.bval", "denoised.json", "noise.nii.gz", "qc/report.html", "qc/figures/noise_map.png"} {
		if _, err := os.Stat(filepath.Join(dir, "out", name)); err != nil {
			t.Error(err)
		}
	}
}

func TestNipype(t *testing.T) {
	const python = "/usr/bin/python3" // Debian's, the one that python3-nipype belongs to
	need(t, python, "python3-nipype")
	if err := exec.Command(python, "-c", "import nipype").Run(); err != nil {
		if os.Getenv("DMRI_TEST_INTEGRATIONS") == "required" {
			t.Fatal("nipype is required here: apt-get install python3-nipype")
		}
		t.Skipf("skipped %s: nipype is not installed (apt-get install python3-nipype)", t.Name())
	}
	folder, scan, work := copyTree(t, "nipype"), newPhantom(t, 4), t.TempDir()
	out := call(t, folder, python, "test_dmri_denoise.py", scan, work)
	t.Log(out)
	first, _, _ := strings.Cut(out, "\n")
	checkFlags(t, ourFlags(first), 5)
	sameAsRun(t, scan, filepath.Join(work, "denoise", "dwi_denoised.nii.gz"), "--extent", "5,5,5", "--mask", filepath.Join(scan, "mask.nii.gz"))
}

func TestBoutiques(t *testing.T) {
	var d descriptor
	if err := json.Unmarshal([]byte(read(t, "boutiques/dmri-denoise.json")), &d); err != nil {
		t.Fatal(err)
	}
	validate(t, "boutiques/schema.json", "boutiques/dmri-denoise.json")
	var flags []string
	for _, in := range d.Inputs {
		if !strings.Contains(d.CommandLine, in.ValueKey) {
			t.Errorf("input %s is not on the command line", in.ID)
		}
		if in.Flag != "" {
			flags = append(flags, in.Flag)
		}
	}
	checkFlags(t, flags, 10)
	scan, dir := newPhantom(t, 5), t.TempDir()
	values := map[string]string{"dwi": filepath.Join(scan, "dwi.nii.gz"), "out": "clean.nii.gz", "bval": filepath.Join(scan, "dwi.bval"), "bvec": filepath.Join(scan, "dwi.bvec"),
		"mask": filepath.Join(scan, "mask.nii.gz"), "noise_out": "sigma.nii.gz", "rician": "off", "sampler": "mean", "seed": "7", "threads": "2", "force": "true"}
	words := strings.Fields(d.fill(d.CommandLine, values, true))
	call(t, dir, filepath.Join(bin, words[0]), words[1:]...)
	for _, o := range d.Outputs {
		if _, err := os.Stat(filepath.Join(dir, d.path(o, values))); err != nil && !o.Optional {
			t.Error(err)
		}
	}
	sameAsRun(t, scan, filepath.Join(dir, "clean.nii.gz"), "--rician", "off", "--seed", "7", "--mask", filepath.Join(scan, "mask.nii.gz"))
}
