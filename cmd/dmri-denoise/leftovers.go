package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// ownerFile is in every hidden folder. Its text names the start of the machine that the process runs on, and the process
// holds a lock on it, which the system lifts however it ends.
const ownerFile = ".owner"

var leftover = regexp.MustCompile(`^` + regexp.QuoteMeta(stagingPrefix) + `[0-9]+$`)

// own marks a hidden folder as that of a living process. The lock is there before the name is, so nobody finds a folder
// of this process that looks abandoned. Without locks or a known start of the machine it does nothing, and the folder is
// never taken for a leftover.
func own(hidden string) *os.File {
	boot := bootID()
	if boot == "" {
		return nil
	}
	f, err := os.CreateTemp(hidden, ownerFile+".")
	if err != nil {
		return nil
	}
	_, err = f.WriteString(boot)
	if err != nil || !tryLock(f) || os.Rename(f.Name(), filepath.Join(hidden, ownerFile)) != nil {
		f.Close()
		os.Remove(f.Name())
		return nil
	}
	return f
}

// removeLeftovers takes away the hidden folders in dir that programs left that were killed. It touches only what is marked
// and not locked, since this machine was started: what other machines are writing, or may be, it leaves alone. So it does
// with the folder of a program that was killed while it replaced files, which still holds those it replaced.
func removeLeftovers(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if hidden := filepath.Join(dir, entry.Name()); entry.IsDir() && leftover.MatchString(entry.Name()) {
			removeAbandoned(hidden)
		}
	}
}

func removeAbandoned(hidden string) {
	name := filepath.Join(hidden, ownerFile)
	if info, err := os.Lstat(name); err != nil || !info.Mode().IsRegular() {
		return
	}
	text, err := os.ReadFile(name)
	if boot := bootID(); err != nil || boot == "" || string(text) != boot {
		return
	}
	entries, err := os.ReadDir(hidden)
	if err != nil || slices.ContainsFunc(entries, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), backupPrefix) }) {
		return
	}
	f, err := os.Open(name)
	if err != nil {
		return
	}
	defer f.Close()
	if tryLock(f) {
		_ = os.RemoveAll(hidden)
	}
}

// bootID names the start of this machine, "" where there is no name for it. One machine has one kernel, which knows all
// locks of its processes, also of those in containers.
func bootID() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
