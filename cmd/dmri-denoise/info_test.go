package main

import (
	"testing"

	"github.com/dmri-denoise/dmri-denoise/nifti"
)

func TestRanges(t *testing.T) {
	for _, test := range []struct {
		numbers []int
		want    string
	}{
		{nil, ""}, {[]int{4}, "4"}, {[]int{0, 1}, "0, 1"}, {[]int{0, 1, 2, 5, 7, 8, 9, 10}, "0-2, 5, 7-10"},
	} {
		if got := ranges(test.numbers); got != test.want {
			t.Errorf("ranges(%v) = %q, want %q", test.numbers, got, test.want)
		}
	}
}

func TestAxisLetters(t *testing.T) {
	for _, test := range []struct {
		name   string
		affine [4][4]float64
		want   string
	}{
		{"scanner axes", [4][4]float64{{2, 0, 0}, {0, 2, 0}, {0, 0, 2}}, "RAS"},
		{"x and y reversed", [4][4]float64{{-2, 0, 0}, {0, -2, 0}, {0, 0, 3}}, "LPS"},
		{"sagittal", [4][4]float64{{0, 0, 2}, {-2, 0, 0}, {0, -2, 0}}, "PIR"},
		{"tilted", [4][4]float64{{1.9, 0.3, 0}, {-0.3, 1.9, 0.5}, {0.1, -0.5, 1.9}}, "RAS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := axisLetters(test.affine, nifti.Sform); got != test.want {
				t.Errorf("axisLetters = %q, want %q", got, test.want)
			}
		})
	}
	if got := axisLetters([4][4]float64{}, nifti.NoOrientation); got != "???" {
		t.Errorf("axisLetters without orientation = %q, want ???", got)
	}
}
