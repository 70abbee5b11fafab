package signals

import (
	"errors"
	"testing"
)

// counting is Arrays that counts what is out, and has room for a few.
type counting struct{ out, most, room int }

var errFull = errors.New("full")

func (c *counting) Floats(n int) ([]float32, error) {
	if c.out == c.room {
		return nil, errFull
	}
	c.out++
	c.most = max(c.most, c.out)
	return make([]float32, n), nil
}

func (c *counting) Free([]float32) { c.out-- }

// Arrays that were given back come again, as zeros and of the right length; what is asked for beyond them comes from
// below, and everything goes back at the end.
func TestRecycled(t *testing.T) {
	below := &counting{room: 4}
	r := Recycle(below)
	get := func(n int) []float32 {
		t.Helper()
		x, err := r.Floats(n)
		if err != nil || len(x) != n {
			t.Fatalf("%d values of %d: %v", len(x), n, err)
		}
		for i, v := range x {
			if v != 0 {
				t.Fatalf("value %d is %v", i, v)
			}
			x[i] = 1
		}
		return x
	}
	a, b := get(100), get(100)
	for range 10 { // a stage makes one and gives one back
		c := get(100)
		r.Free(a)
		a, b = b, c
	}
	if below.most != 3 {
		t.Errorf("%d arrays at once, want 3", below.most)
	}
	other := get(50)
	if _, err := r.Floats(70); !errors.Is(err, errFull) {
		t.Errorf("without room below: error %v", err)
	}
	r.Free(nil)
	for _, x := range [][]float32{a, b, other} {
		r.Free(x)
	}
	if below.out != mostKept {
		t.Errorf("%d arrays are kept, want %d", below.out, mostKept)
	}
	r.Close()
	if below.out != 0 {
		t.Errorf("%d arrays are not given back", below.out)
	}
}
