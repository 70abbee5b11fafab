package integrations

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestDockerfile(t *testing.T) {
	text := read(t, "container/Dockerfile")
	for _, want := range []string{"\nFROM scratch\n", "\nUSER 65532:65532\n", `ENTRYPOINT ["/dmri-denoise"]`, "COPY dmri-denoise /dmri-denoise"} {
		if !strings.Contains(text, want) {
			t.Errorf("Dockerfile lacks %q", want)
		}
	}
	definition := read(t, "container/dmri-denoise.def")
	for _, want := range []string{"Bootstrap: scratch\n", "%files\n", "%runscript\n", "%labels\n", "%help\n", `exec /bin/dmri-denoise "$@"`} {
		if !strings.Contains(definition, want) {
			t.Errorf("dmri-denoise.def lacks %q", want)
		}
	}
	need(t, "buildah", "buildah")
	if os.Geteuid() != 0 {
		t.Skipf("skipped %s: buildah builds here as root only", t.Name())
	}
	store := t.TempDir()
	buildah := func(words ...string) string {
		t.Helper()
		global := []string{"--storage-driver", "vfs", "--root", filepath.Join(store, "root"), "--runroot", filepath.Join(store, "run")}
		return strings.TrimSpace(call(t, store, "buildah", append(global, words...)...))
	}
	file, err := filepath.Abs("container/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	buildah("bud", "--isolation", "chroot", "-f", file, "-t", "dmri-denoise:test", bin)
	container := buildah("from", "dmri-denoise:test")
	if out := buildah("run", "--isolation", "chroot", container, "/dmri-denoise", "--version"); !strings.HasPrefix(out, "dmri-denoise ") {
		t.Errorf("the program in the image said %q", out)
	}
	buildah("rm", container)
}

// TestEmptyRoot runs the program as user 65532 where there is nothing but the program and the data: no shell, no /proc, no /tmp,
// no home.
func TestEmptyRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skipf("skipped %s: chroot needs root", t.Name())
	}
	root := t.TempDir()
	program, err := os.ReadFile(filepath.Join(bin, "dmri-denoise"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "dmri-denoise"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(root, "in"), os.DirFS(newPhantom(t, 8))); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(root, "out")
	for _, step := range []error{os.Mkdir(out, 0o755), os.Chown(out, 65532, 65532), os.Chmod(root, 0o755)} {
		if step != nil {
			t.Fatal(step)
		}
	}
	command := exec.Command("/dmri-denoise", "run", "/in/dwi.nii.gz", "/out/clean.nii.gz", "--nthreads", "2")
	command.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	command.Dir, command.Env = "/", []string{}
	var said bytes.Buffer
	command.Stderr = &said
	if err := command.Run(); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	if _, err := os.Stat(filepath.Join(out, "clean_qc", "figures", "noise_map.png")); err != nil {
		t.Error(err)
	}
}
