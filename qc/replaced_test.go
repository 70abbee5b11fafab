package qc

import (
	"errors"
	"math"
	"testing"
)

func TestReplacedTakesWhatIsNoNumber(t *testing.T) {
	clean, noisy, mask, g := head()
	for i := range noisy {
		noisy[i] = float32(math.NaN())
	}
	if _, err := Replaced(noisy, clean, mask, g, ReplacedOptions{Slices: []int{3}, BValue: math.NaN()}); err != nil {
		t.Errorf("a volume of NaN: %v", err)
	}
}

func TestReplacedRefuses(t *testing.T) {
	clean, noisy, mask, g := head()
	for name, c := range map[string]struct {
		measured []float32
		slices   []int
	}{
		"no slices":      {noisy, nil},
		"slice too high": {noisy, []int{16}},
		"wrong size":     {noisy[1:], []int{3}},
	} {
		if _, err := Replaced(c.measured, clean, mask, g, ReplacedOptions{Slices: c.slices}); !errors.Is(err, ErrInput) {
			t.Errorf("%s: %v, want ErrInput", name, err)
		}
	}
}

// Slices are lost along the third axis of the file, whatever plane that is.
func TestReplacedCutsAcrossTheThirdAxis(t *testing.T) {
	for _, axes := range []string{"LAS", "ASR", "RSA"} {
		g := oriented(axes)
		g.NX, g.NY, g.NZ = 4, 5, 6
		if got := g.view(g.planeAcross(2), false).through; got != 2 {
			t.Errorf("%s: plane %v has slices across axis %d", axes, g.planeAcross(2), got)
		}
	}
}
