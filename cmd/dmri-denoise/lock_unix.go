//go:build linux || darwin

package main

import (
	"os"
	"syscall"
)

// lockFile waits until no other process holds the file, here a folder, and holds it until it is closed.
func lockFile(f *os.File) { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }

// tryLock takes the file if no other process holds it, until it is closed or the process ends.
func tryLock(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// addressSpaceLeft is what the process may still map under a limit on its address space (ulimit -v), 0 without one.
func addressSpaceLeft() int64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_AS, &limit); err != nil || limit.Cur >= 1<<62 {
		return 0
	}
	return max(int64(limit.Cur)-mappedNow(), 1)
}
