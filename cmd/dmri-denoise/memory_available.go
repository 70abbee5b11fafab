package main

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// availableMemory returns what the machine can still give, or the limit of the container or job that the process runs in
// if that is less; 0 if neither is known on this system.
func availableMemory() int64 {
	root := os.DirFS("/")
	free, limit := freeMemory(root), cgroupLimit(root)
	if free == 0 || limit > 0 && limit < free {
		return limit
	}
	return free
}

// freeMemory reads what is free or can be freed, 0 if that is not told.
func freeMemory(root fs.FS) int64 {
	data, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err == nil {
				return kib << 10
			}
		}
	}
	return 0
}

// noLimit is more than any machine has; version 1 writes "no limit" as a number above it.
const noLimit = 1 << 60

// cgroupLimit returns the lowest limit among the control groups that the process is in and those around them, 0 without
// one. Version 2 has one tree, version 1 a tree for memory alone; a machine may have both. A container sees its own group
// as the root of the tree and is told another name for it, so what is not found is passed over.
func cgroupLimit(root fs.FS) int64 {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		groups = []byte("0::/\n1:memory:/\n")
	}
	limit := int64(0)
	for line := range strings.Lines(string(groups)) { // number:controllers:group
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, ok := strings.Cut(rest, ":")
		tree, file := "sys/fs/cgroup", "memory.max"
		if controllers != "" {
			tree, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		if !ok || controllers != "" && !slices.Contains(strings.Split(controllers, ","), "memory") {
			continue
		}
		for group = path.Clean("/" + group); ; group = path.Dir(group) {
			if n := readLimit(root, path.Join(tree, group, file)); n > 0 && (limit == 0 || n < limit) {
				limit = n
			}
			if group == "/" {
				break
			}
		}
	}
	return limit
}

// readLimit returns the number in a file, 0 if there is none or it stands for no limit.
func readLimit(root fs.FS, name string) int64 {
	data, err := fs.ReadFile(root, name)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil || n >= noLimit {
		return 0
	}
	return n
}
