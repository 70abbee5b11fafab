package main

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// parseSize reads a memory size: a number with K, M, G or T (powers of 1024; a final B or iB is allowed); a bare
// number means MB, as in BIDS apps. An empty text gives 0, no limit.
func parseSize(flag, text string) (int64, error) {
	s := strings.ToUpper(strings.TrimSpace(text))
	if s == "" {
		return 0, nil
	}
	s = strings.TrimSuffix(strings.TrimSuffix(s, "B"), "I")
	factor := math.Exp2(20)
	for i, unit := range []string{"K", "M", "G", "T"} {
		if number, ok := strings.CutSuffix(s, unit); ok {
			s, factor = number, math.Exp2(float64(10*(i+1)))
			break
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !(n > 0) || n*factor >= math.MaxInt64 {
		return 0, usagef("--%s %q: a size such as 8G or 4000M is needed", flag, text)
	}
	return int64(n * factor), nil
}

// checkSpace refuses to start work whose output cannot fit on the disk. Noise hardly compresses, so a float32 image
// needs at least half its size even as .nii.gz.
func checkSpace(image string, bytes, free int64) error {
	if strings.HasSuffix(strings.ToLower(image), ".gz") {
		bytes /= 2
	}
	if free < 0 || free >= bytes {
		return nil
	}
	return withHint(fmt.Errorf("output %s needs about %s, its disk has %s left: %w", image, formatBytes(bytes), formatBytes(free), syscall.ENOSPC),
		"make room, or write to another disk")
}

// formatBytes writes a size for people.
func formatBytes(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KiB", (n+1023)/1024)
}

// availableMemory returns what the machine, or the container that the process runs in, can still give; 0 if that
// is not known on this system.
func availableMemory() int64 {
	limit := int64(0)
	if data, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range strings.Lines(string(data)) {
			if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
				if kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64); err == nil {
					limit = kib << 10
				}
			}
		}
	}
	if data, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64); err == nil && (limit == 0 || n < limit) {
			limit = n
		}
	}
	return limit
}
