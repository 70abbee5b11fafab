package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// listing returns every path below a folder with the content of its files.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if d.IsDir() {
			out[name] = "folder"
			return nil
		}
		data, err := os.ReadFile(path)
		out[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func mustWrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestOutputsCommit(t *testing.T) {
	dir := t.TempDir()
	mustWrite(t, filepath.Join(dir, "b"), "old b")
	o := newOutputs(true)
	defer o.discard()
	for _, name := range []string{"a", "b", "deep/er/c"} {
		if err := o.write(filepath.Join(dir, name), []byte("new "+name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "a")); err == nil {
		t.Error("a is visible before commit")
	}
	if err := o.commit(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "new a", "b": "new b", "deep": "folder", "deep/er": "folder", "deep/er/c": "new deep/er/c"}
	if diff := cmp.Diff(want, listing(t, dir)); diff != "" {
		t.Errorf("after commit (-want +got):\n%s", diff)
	}
}

func TestOutputsDiscardLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	mustWrite(t, filepath.Join(dir, "b"), "old b")
	o := newOutputs(true)
	for _, name := range []string{"b", "deep/er/c"} {
		if err := o.write(filepath.Join(dir, name), []byte("new")); err != nil {
			t.Fatal(err)
		}
	}
	o.discard()
	if diff := cmp.Diff(map[string]string{"b": "old b"}, listing(t, dir)); diff != "" {
		t.Errorf("after discard (-want +got):\n%s", diff)
	}
}

func TestOutputsCommitFailureRestores(t *testing.T) {
	dir := t.TempDir()
	mustWrite(t, filepath.Join(dir, "b"), "old b")
	o := newOutputs(true)
	for _, name := range []string{"a", "b", "c"} {
		if err := o.write(filepath.Join(dir, name), []byte("new")); err != nil {
			t.Fatal(err)
		}
	}
	// A folder with content cannot be replaced by a file, so the third rename fails after two went well.
	if err := os.MkdirAll(filepath.Join(dir, "c", "x"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := o.commit(); err == nil {
		t.Fatal("commit over a folder: no error")
	}
	o.discard()
	want := map[string]string{"b": "old b", "c": "folder", "c/x": "folder"}
	if diff := cmp.Diff(want, listing(t, dir)); diff != "" {
		t.Errorf("after a failed commit (-want +got):\n%s", diff)
	}
}

func TestOutputsWithoutForceKeepsLateFile(t *testing.T) {
	dir := t.TempDir()
	o := newOutputs(false)
	defer o.discard()
	if err := o.write(filepath.Join(dir, "a"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, filepath.Join(dir, "a"), "somebody else's")
	if err := o.commit(); !errors.Is(err, nifti.ErrExists) {
		t.Errorf("commit over a file that came meanwhile: error %v, want ErrExists", err)
	}
	o.discard()
	if diff := cmp.Diff(map[string]string{"a": "somebody else's"}, listing(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCheckOutputs(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	mustWrite(t, at("in"), "x")
	mustWrite(t, at("old"), "x")
	if err := os.Symlink(at("in"), at("link")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	for _, test := range []struct {
		name  string
		files []string
		force bool
		want  string // "" = accepted, "usage", "exists"
	}{
		{"new files", []string{at("a"), at("b")}, false, ""},
		{"existing", []string{at("old")}, false, "exists"},
		{"existing with force", []string{at("old")}, true, ""},
		{"the input", []string{at("in")}, false, "usage"},
		{"the input with force", []string{at("in")}, true, "usage"},
		{"the input through a link", []string{at("link")}, true, "usage"},
		{"the input by another spelling", []string{dir + "/./in"}, true, "usage"},
		{"one name twice", []string{at("a"), dir + "/./a"}, true, "usage"},
		{"a folder", []string{dir}, true, "usage"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := checkOutputs(test.files, []string{at("in"), ""}, test.force)
			var usage *usageError
			got := ""
			switch {
			case errors.As(err, &usage):
				got = "usage"
			case errors.Is(err, nifti.ErrExists):
				got = "exists"
			case err != nil:
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("checkOutputs: %q (%v), want %q", got, err, test.want)
			}
		})
	}
}

// Hidden folders of programs that were killed are taken away by the next one that writes there; those of the living, of
// another machine, without a mark, with files that were being replaced, and what only looks like one are not.
func TestLeftovers(t *testing.T) {
	if bootID() == "" {
		t.Skip("this system does not name its start")
	}
	dir := filepath.Join(t.TempDir(), "out [1]")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, stagingPrefix+name) }
	living := newOutputs(false)
	if err := living.write(filepath.Join(dir, "a"), []byte("a")); err != nil {
		t.Fatal(err)
	}
	for name, boot := range map[string]string{"1": bootID(), "2": "another machine", "3": "", "4": bootID(), "work": bootID(), "5.txt": bootID()} {
		if err := os.Mkdir(at(name), 0o777); err != nil {
			t.Fatal(err)
		}
		mustWrite(t, filepath.Join(at(name), "staged.nii.gz"), "half")
		if boot != "" {
			mustWrite(t, filepath.Join(at(name), ownerFile), boot)
		}
	}
	mustWrite(t, filepath.Join(at("4"), backupPrefix+"0"), "old")
	if err := os.Symlink(at("2"), at("6")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	next := newOutputs(false)
	defer next.discard()
	if err := next.write(filepath.Join(dir, "b"), []byte("b")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"2", "3", "4", "work", "5.txt", "6"} {
		if _, err := os.Lstat(at(name)); err != nil {
			t.Errorf("%s is gone: %v", at(name), err)
		}
	}
	if _, err := os.Lstat(at("1")); err == nil {
		t.Errorf("%s, which nobody holds, is still there", at("1"))
	}
	if err := living.commit(); err != nil {
		t.Errorf("the living one: %v", err)
	}
	if err := next.commit(); err != nil {
		t.Errorf("the next one: %v", err)
	}
	for _, name := range []string{"a", "b"} {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(data) != name {
			t.Errorf("%s has %q, %v", name, data, err)
		}
	}
}
