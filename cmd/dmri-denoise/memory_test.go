package main

import (
	"errors"
	"syscall"
	"testing"
)

func TestParseSize(t *testing.T) {
	for _, test := range []struct {
		text string
		want int64
		bad  bool
	}{
		{text: "", want: 0}, {text: "8G", want: 8 << 30}, {text: "8g", want: 8 << 30}, {text: "8GiB", want: 8 << 30}, {text: "8GB", want: 8 << 30},
		{text: "1.5G", want: 3 << 29}, {text: "4000M", want: 4000 << 20}, {text: "512K", want: 512 << 10}, {text: "1T", want: 1 << 40},
		{text: "2000", want: 2000 << 20},
		{text: "0", bad: true}, {text: "-1G", bad: true}, {text: "G", bad: true}, {text: "B", bad: true}, {text: "NaN", bad: true}, {text: "1e30T", bad: true}, {text: "8X", bad: true},
	} {
		t.Run(test.text, func(t *testing.T) {
			got, err := parseSize("mem", test.text)
			if (err != nil) != test.bad || got != test.want {
				t.Errorf("parseSize(%q) = %d, %v, want %d, error %v", test.text, got, err, test.want, test.bad)
			}
		})
	}
}

func TestCheckSpace(t *testing.T) {
	for _, test := range []struct {
		name, image string
		bytes, free int64
		full        bool
	}{
		{"room enough", "a.nii", 100, 100, false},
		{"one byte short", "a.nii", 100, 99, true},
		{"compressed to half", "a.nii.gz", 100, 50, false},
		{"compressed and still too large", "a.nii.gz", 100, 49, true},
		{"free space not known", "a.nii", 100, -1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := checkSpace(test.image, test.bytes, test.free)
			if errors.Is(err, syscall.ENOSPC) != test.full || (err != nil) != test.full {
				t.Errorf("checkSpace(%q, %d, %d) = %v, want an error: %v", test.image, test.bytes, test.free, err, test.full)
			}
			if test.full && exitCode(t.Context(), err) != exitNoResources {
				t.Errorf("exit status %d, want %d", exitCode(t.Context(), err), exitNoResources)
			}
		})
	}
	if free := freeSpace(t.TempDir()); free == 0 || free < -1 {
		t.Errorf("freeSpace = %d, want bytes or -1", free)
	}
}
