package qc

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// cone returns a mask on a 20×20×24 RAS grid whose slices z = 3 to 20 hold
// squares of growing and then shrinking width, widest at z = 14.
func cone() ([]bool, Grid) {
	g := Grid{NX: 20, NY: 20, NZ: 24}
	mask := make([]bool, g.Voxels())
	for z := 3; z <= 20; z++ {
		half := 10 - max(14-z, z-14)
		if half < 1 {
			half = 1
		}
		for y := 10 - half; y < 10+half; y++ {
			for x := 10 - half; x < 10+half; x++ {
				mask[x+20*(y+20*z)] = true
			}
		}
	}
	return mask, g
}

func TestMiddleSlice(t *testing.T) {
	mask, g := cone()
	if got := MiddleSlice(mask, g, Axial); got != 14 {
		t.Errorf("MiddleSlice of a cone = %d, want its widest slice 14", got)
	}
	// A slab outside the middle half of the box is larger but stands for less.
	for i := range 400 {
		mask[20*400+i] = true
	}
	if got := MiddleSlice(mask, g, Axial); got != 14 {
		t.Errorf("MiddleSlice = %d, want 14 although slice 20 is larger", got)
	}
	full := make([]bool, g.Voxels())
	for i := range full {
		full[i] = true
	}
	if got := MiddleSlice(full, g, Axial); got != 11 {
		t.Errorf("MiddleSlice of a full grid = %d, want 11", got)
	}
	if got := MiddleSlice(make([]bool, g.Voxels()), g, Coronal); got != 10 {
		t.Errorf("MiddleSlice of an empty mask = %d, want the grid's middle 10", got)
	}
}

func TestSpreadSlices(t *testing.T) {
	mask, g := cone() // area ≥ a quarter of the largest in z = 9 to 19
	for _, c := range []struct {
		name string
		mask []bool
		n    int
		want []int
	}{
		{"five", mask, 5, []int{10, 12, 14, 16, 18}},
		{"one", mask, 1, []int{14}},
		{"more than there are", mask, 99, []int{9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}},
		{"empty mask", make([]bool, g.Voxels()), 2, []int{6, 18}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := SpreadSlices(c.mask, g, Axial, c.n); !slices.Equal(got, c.want) {
				t.Errorf("SpreadSlices = %v, want %v", got, c.want)
			}
		})
	}
}

func TestForeground(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	v := make([]float32, 10000)
	for i := range v {
		v[i] = float32(10 * rng.ExpFloat64()) // air
		if i%3 == 0 {
			v[i] = float32(300 + 60*rng.NormFloat64()) // tissue
		}
		if i%300 == 0 {
			v[i] = 5000 // vessels and fluid
		}
	}
	wrong := 0
	for i, in := range Foreground(v) {
		if in != (i%3 == 0) {
			wrong++
		}
	}
	// The classes overlap by some tens of voxels wherever the threshold lies.
	if wrong > 50 {
		t.Errorf("%d of 10000 voxels on the wrong side, want at most 50", wrong)
	}
	if slices.Contains(Foreground(make([]float32, 50)), true) {
		t.Error("a constant volume has a foreground")
	}
}
