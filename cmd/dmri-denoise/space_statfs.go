//go:build linux || darwin

package main

import "syscall"

// freeSpace returns the bytes that this user may still write to the file system of a folder, -1 if that is not known.
func freeSpace(dir string) int64 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return -1
	}
	return int64(s.Bavail) * int64(s.Bsize)
}
