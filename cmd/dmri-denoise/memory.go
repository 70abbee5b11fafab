package main

import (
	"fmt"
	"math"
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
