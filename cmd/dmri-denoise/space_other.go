//go:build !linux && !darwin

package main

// freeSpace returns -1: not known on this system.
func freeSpace(string) int64 { return -1 }
