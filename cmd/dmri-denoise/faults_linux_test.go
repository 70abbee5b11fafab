package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// kills is the number of random moments at which a program is killed.
const kills = 30

// Killed outright at random moments, run leaves no file under its final name that is not complete, the image only
// with all others, and the same command does the work afterwards.
func TestRunKilledAtAnyMoment(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	dir := t.TempDir()
	must(t, dir, "phantom", "p", "--protocol", "small", "--shape", "10,10,4", "-q")
	words := func(out string, more ...string) []string {
		return append([]string{"run", "p/dwi.nii.gz", out + "/dwi.nii.gz", "-q", "--prior", "gaussian", "--residual-out", out + "/res.nii.gz"}, more...)
	}
	whole := must(t, dir, words("want")...)
	want := files(t, filepath.Join(dir, "want"))
	rng := rand.New(rand.NewPCG(9, 9))
	seen := map[int]int{}
	for k := range kills {
		out := fmt.Sprintf("w%d", k)
		cmd, said := program(t.Context(), dir, words(out)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Half of the moments are just after the image was begun, where files get their names.
		moment := time.Duration(rng.Float64() * float64(whole))
		if k%2 == 1 {
			moment = time.Duration(rng.Float64() * float64(12*time.Millisecond))
			for range 10000 {
				if begun, _ := filepath.Glob(filepath.Join(dir, out, stagingPrefix+"*", "*dwi.nii.gz*")); len(begun) > 0 {
					break
				}
				time.Sleep(time.Millisecond)
			}
		}
		time.Sleep(moment)
		_ = cmd.Process.Kill()
		err := cmd.Wait()
		got := files(t, filepath.Join(dir, out))
		seen[len(got)]++
		for name, data := range got {
			if data != want[name] {
				t.Errorf("killed after %v: %s is not complete (%d bytes of %d)", moment, name, len(data), len(want[name]))
			}
		}
		if _, ok := got["dwi.nii.gz"]; ok && len(got) != len(want) {
			t.Errorf("killed after %v: the image is there, %d of %d files are", moment, len(got), len(want))
		}
		if err == nil && len(got) != len(want) {
			t.Errorf("ended well with %d of %d files: %s", len(got), len(want), said)
		}
		if k%6 == 0 {
			must(t, dir, words(out, "--force")...)
			for name, data := range files(t, filepath.Join(dir, out)) {
				if data != want[name] {
					t.Errorf("after another run %s differs", name)
				}
			}
			// Killed while it replaced files it keeps those replaced; this one replaced none.
			if left, err := filepath.Glob(filepath.Join(dir, out, stagingPrefix+"*")); err != nil || len(left) > 0 {
				t.Errorf("after another run, left in the folder: %v, %v", left, err)
			}
		}
	}
	t.Logf("of %d files, by number of kills: %v", len(want), seen)
}

// Killed again and again, batch goes on where it was, leaves no incomplete file, and comes to what it would have come
// to undisturbed.
func TestBatchKilledAtAnyMoment(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	dir := t.TempDir()
	must(t, dir, "phantom", "p", "--protocol", "small", "--shape", "10,10,4", "-q")
	for _, sub := range []string{"01", "02", "03"} {
		folder := filepath.Join(dir, "ds", "sub-"+sub, "dwi")
		if err := os.MkdirAll(folder, 0o777); err != nil {
			t.Fatal(err)
		}
		for _, ext := range []string{".nii.gz", ".bval", ".bvec"} {
			data, err := os.ReadFile(filepath.Join(dir, "p", "dwi"+ext))
			if err == nil {
				err = os.WriteFile(filepath.Join(folder, "sub-"+sub+"_dwi"+ext), data, 0o666)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	words := func(out string) []string {
		return []string{"batch", "ds", out, "participant", "-q", "--no-qc", "--prior", "gaussian", "--nthreads", "1"}
	}
	whole := must(t, dir, words("want")...)
	want := files(t, filepath.Join(dir, "want"))
	rng := rand.New(rand.NewPCG(10, 10))
	images := 0
	check := func(when string) {
		for name, data := range files(t, filepath.Join(dir, "got")) {
			// Reports and tables tell times; images and tables of gradients do not.
			exact := strings.HasSuffix(name, ".nii.gz") || strings.HasSuffix(name, ".bval") || strings.HasSuffix(name, ".bvec")
			if exact && data != want[name] {
				t.Errorf("%s: %s is not that of an undisturbed batch (%d bytes, want %d)", when, name, len(data), len(want[name]))
			}
			if exact {
				images++
			}
		}
	}
	for range kills {
		cmd, _ := program(t.Context(), dir, words("got")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		moment := time.Duration(rng.Float64() * 0.6 * float64(whole))
		time.Sleep(moment)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		check(fmt.Sprintf("killed after %v", moment))
	}
	// What a kill left of a file that was being written is taken away when it is written again, ten minutes later.
	hidden := func() []string {
		out, err := exec.Command("find", filepath.Join(dir, "got"), "-name", stagingPrefix+"*", "!", "-name", "*work").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(out))
	}
	for _, name := range hidden() {
		if err := os.Chtimes(name, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	must(t, dir, words("got")...)
	check("at the end")
	got := files(t, filepath.Join(dir, "got"))
	for name := range want {
		if _, ok := got[name]; !ok && !strings.HasPrefix(name, "logs/") {
			t.Errorf("%s is missing at the end", name)
		}
	}
	if images == 0 {
		t.Error("nothing was ever written")
	}
	if left := hidden(); len(left) > 0 {
		t.Errorf("left in the folder: %v", left)
	}
}

// Two runs that write the same output at once: one is first with all its files, the other says that they exist and
// leaves them; with --force the last one is there with all its files.
func TestTwoRunsOfOneOutput(t *testing.T) {
	dir := t.TempDir()
	var want [2]map[string]string
	for k := range want {
		name := fmt.Sprintf("p%d", k)
		must(t, dir, "phantom", name, "--protocol", "small", "--shape", "12,12,4", "-q", "--seed", fmt.Sprint(k+1))
		must(t, dir, "run", name+"/dwi.nii.gz", name+"want/dwi.nii.gz", "-q", "--no-qc")
		want[k] = files(t, filepath.Join(dir, name+"want"))
	}
	for try := range 8 {
		out := fmt.Sprintf("both%d", try)
		force := try%2 == 1
		var cmds [2]*exec.Cmd
		var said [2]*bytes.Buffer
		for k := range cmds {
			words := []string{"run", fmt.Sprintf("p%d/dwi.nii.gz", k), out + "/dwi.nii.gz", "-q", "--no-qc"}
			if force {
				words = append(words, "--force")
			}
			cmds[k], said[k] = program(t.Context(), dir, words...)
			if err := cmds[k].Start(); err != nil {
				t.Fatal(err)
			}
		}
		won := 0
		for k, cmd := range cmds {
			if cmd.Wait() == nil {
				won++
			} else if !strings.Contains(said[k].String(), "exists") || cmd.ProcessState.ExitCode() != exitError {
				t.Errorf("the second run ends with %d and says %q", cmd.ProcessState.ExitCode(), said[k])
			}
		}
		if !force && won != 1 || force && won != 2 {
			t.Errorf("force %v: %d runs succeeded", force, won)
		}
		got := files(t, filepath.Join(dir, out))
		owner := -1
		for k := range want {
			if got["dwi.nii.gz"] == want[k]["dwi.nii.gz"] {
				owner = k
			}
		}
		if owner < 0 || len(got) != len(want[owner]) {
			t.Fatalf("force %v: %d files, image of neither run or incomplete", force, len(got))
		}
		for name, data := range got {
			if data != want[owner][name] {
				t.Errorf("force %v: %s is not from the run that the image is from", force, name)
			}
		}
		if left, err := filepath.Glob(filepath.Join(dir, out, stagingPrefix+"*")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

// mounted mounts a file system for the test, or skips it with the reason.
func mounted(t *testing.T, words ...string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", append(words, dir)...).CombinedOutput(); err != nil {
		t.Skipf("mount %s: needs root and the file system: %s", strings.Join(words, " "), out)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// A disk that fills up while files are written: status 5, the reason, and an empty folder.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	must(t, dir, "phantom", "p", "--protocol", "small", "--shape", "24,24,8", "-q")
	for _, size := range []string{"100k", "400k", "520k"} { // the output takes about 560 KiB; 304 pass for enough beforehand
		disk := mounted(t, "-t", "tmpfs", "-o", "size="+size, "tmpfs")
		for _, more := range [][]string{nil, {"--residual-out", filepath.Join(disk, "out/res.nii.gz")}} {
			status, said := statusOf(t, dir, nil, append([]string{"run", "p/dwi.nii.gz", filepath.Join(disk, "out/dwi.nii.gz"), "-q", "--no-qc"}, more...)...)
			if status != exitNoResources || !strings.Contains(said, "no space left on device") || strings.Contains(said, stagingPrefix) {
				t.Errorf("%s: status %d, %q", size, status, said)
			}
			if left, err := os.ReadDir(disk); err != nil || len(left) > 0 {
				t.Errorf("%s: %d names left, %v", size, len(left), err)
			}
		}
	}
}

// A disk that cannot be written to: status 1 before any work with folder, reason and remedy, and the disk is as it was.
// It can be read from.
func TestReadOnlyDisk(t *testing.T) {
	dir := t.TempDir()
	disk := mounted(t, "-t", "tmpfs", "-o", "size=8m", "tmpfs")
	must(t, disk, "phantom", "p", "--protocol", "small", "--shape", "12,12,4", "-q")
	folder := filepath.Join(disk, "ds/sub-01/dwi")
	if err := os.MkdirAll(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, ext := range []string{".nii.gz", ".bval", ".bvec"} {
		if err := os.Link(filepath.Join(disk, "p/dwi"+ext), filepath.Join(folder, "sub-01_dwi"+ext)); err != nil {
			t.Fatal(err)
		}
	}
	must(t, disk, "run", "p/dwi.nii.gz", "old.nii.gz", "-q")
	before := listing(t, disk)
	if out, err := exec.Command("mount", "-o", "remount,ro", disk).CombinedOutput(); err != nil {
		t.Skipf("remounting: %s", out)
	}
	for _, words := range [][]string{
		{"run", "p/dwi.nii.gz", "new.nii.gz"},
		{"run", "p/dwi.nii.gz", "deep/er/new.nii.gz"},
		{"run", "p/dwi.nii.gz", "old.nii.gz", "--force"},
		{"run", "p/dwi.nii.gz", filepath.Join(dir, "half.nii.gz"), "--residual-out", "res.nii.gz"},
		{"phantom", "p2", "--protocol", "small", "--shape", "12,12,4"},
		{"qc", "report", "--before", "p/dwi.nii.gz", "--after", "old.nii.gz", "--qc-dir", "qc2"},
		{"batch", "ds", "out", "participant"},
	} {
		status, said := statusOf(t, disk, nil, append(words, "-q")...)
		if status != exitError || !strings.Contains(said, "read-only file system") || strings.Count(said, "error: ") != 1 || strings.Contains(said, stagingPrefix) {
			t.Errorf("%v: status %d, %q", words, status, said)
		}
		if words[0] == "run" && !strings.Contains(said, "hint: ") {
			t.Errorf("%v: no remedy: %q", words, said)
		}
	}
	if after := listing(t, disk); !maps.Equal(before, after) {
		t.Error("the disk changed")
	}
	must(t, disk, "run", "p/dwi.nii.gz", filepath.Join(dir, "out/dwi.nii.gz"), "-q", "--no-qc")
	if left := listing(t, dir); left["half.nii.gz"] != "" || left["out/dwi.nii.gz"] == "" {
		t.Error("half a result was left, or none was made of a scan on the disk")
	}
}

// A disk that fails: reading and writing end with the reason and without a trace.
func TestFailingDisk(t *testing.T) {
	dir := t.TempDir()
	must(t, dir, "phantom", "p", "--protocol", "small", "--shape", "24,24,8", "-q")
	image := filepath.Join(mounted(t, "-t", "tmpfs", "-o", "size=4m", "tmpfs"), "disk")
	makeDisk := func(size string) string {
		if out, err := exec.Command("sh", "-c", "rm -f "+image+" && truncate -s "+size+" "+image+" && mkfs.ext4 -q -m 0 -O ^has_journal "+image).CombinedOutput(); err != nil {
			t.Skipf("no ext4 here: %s", out)
		}
		return mounted(t, "-o", "loop", image)
	}

	// Writing: the file system believes in 32 MB, the device behind it is full after 4.
	disk := makeDisk("32M")
	filler := filepath.Join(filepath.Dir(image), "filler")
	_ = exec.Command("sh", "-c", "cat /dev/zero > "+filler).Run()
	status, said := statusOf(t, dir, nil, "run", "p/dwi.nii.gz", filepath.Join(disk, "out/dwi.nii.gz"), "-q", "--no-qc")
	if status != exitError && status != exitNoResources || !strings.Contains(said, "input/output error") && !strings.Contains(said, "no space left") {
		t.Errorf("writing: status %d, %q", status, said)
	}
	if found := files(t, filepath.Join(disk, "out")); len(found) > 0 {
		t.Errorf("writing: %d files under their final names", len(found))
	}
	if err := errors.Join(syscall.Unmount(disk, syscall.MNT_DETACH), os.Remove(filler)); err != nil {
		t.Fatal(err)
	}

	// Reading: the device lost its second half after the scan was put there.
	disk = makeDisk("3M")
	if out, err := exec.Command("cp", filepath.Join(dir, "p/dwi.nii.gz"), disk).CombinedOutput(); err != nil {
		t.Skipf("the scan does not fit: %s", out)
	}
	if err := syscall.Unmount(disk, 0); err != nil { // nothing of it stays in memory
		t.Skipf("unmounting: %v", err)
	}
	if out, err := exec.Command("mount", "-o", "loop,ro", image, disk).CombinedOutput(); err != nil {
		t.Skipf("the disk cannot be mounted again: %s", out)
	}
	defer syscall.Unmount(disk, syscall.MNT_DETACH)
	if err := os.Truncate(image, 400<<10); err != nil {
		t.Fatal(err)
	}
	status, said = statusOf(t, dir, nil, "run", filepath.Join(disk, "dwi.nii.gz"), "out/dwi.nii.gz", "-q", "--no-qc", "--bval", "p/dwi.bval", "--bvec", "p/dwi.bvec")
	if status != exitError && status != exitBadInput || !strings.Contains(said, "dwi.nii.gz") || strings.Contains(said, "panic") {
		t.Errorf("reading: status %d, %q", status, said)
	}
	t.Logf("reading: status %d, %s", status, said)
	if found := files(t, filepath.Join(dir, "out")); len(found) > 0 {
		t.Errorf("reading: %d files written", len(found))
	}
}

// Under a soft limit of the runtime work goes on with the same bytes; under one on the address space, which the
// runtime would not survive, it is refused before it begins.
func TestLittleMemory(t *testing.T) {
	dir := t.TempDir()
	must(t, dir, "phantom", "p", "--protocol", "small", "--shape", "24,24,8", "-q")
	must(t, dir, "run", "p/dwi.nii.gz", "want/dwi.nii.gz", "-q", "--no-qc")
	if status, said := statusOf(t, dir, []string{"GOMEMLIMIT=8MiB"}, "run", "p/dwi.nii.gz", "got/dwi.nii.gz", "-q", "--no-qc"); status != 0 {
		t.Errorf("GOMEMLIMIT: status %d, %q", status, said)
	}
	want, got := files(t, filepath.Join(dir, "want")), files(t, filepath.Join(dir, "got"))
	for name, data := range want {
		if got[name] != data {
			t.Errorf("GOMEMLIMIT: %s differs", name)
		}
	}
	must(t, dir, "phantom", "large", "--protocol", "hcp", "--shape", "64,64,40", "-q")
	for _, command := range []string{
		"run large/dwi.nii.gz none/dwi.nii.gz", "uncertainty large/dwi.nii.gz none/u", "sample --like large/dwi.nii.gz none/s.nii.gz",
		"sample none/v.nii.gz --bval large/dwi.bval --bvec large/dwi.bvec --train large/dwi.nii.gz", "impute large/dwi.nii.gz none/i.nii.gz --drop auto", "train large/dwi.nii.gz --out none/m.model",
		"compare large/truth.nii.gz large/dwi.nii.gz", "qc montage --before large/dwi.nii.gz --after large/truth.nii.gz --out none/m.png",
		"qc strip --reverse large/dwi.nii.gz --out none/s.png",
	} {
		cmd, out := program(t.Context(), dir)
		cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-c", "ulimit -v 1500000; exec dmri-denoise " + command + " -q"}
		_ = cmd.Run()
		if status := cmd.ProcessState.ExitCode(); status != exitNoResources || !strings.Contains(out.String(), "ulimit -v") {
			t.Errorf("ulimit -v: %s: status %d, %q", command, status, out.String()[:min(out.Len(), 500)])
		}
		if _, err := os.Stat(filepath.Join(dir, "none")); err == nil {
			t.Errorf("ulimit -v: %s: a folder was made", command)
		}
	}
}
