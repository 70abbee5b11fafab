package impute

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseList(t *testing.T) {
	for _, c := range []struct {
		text string
		want []Span
	}{
		{"12", []Span{{First: 12, Last: 12, AllSlices: true}}},
		{"12,31:4-9", []Span{{First: 12, Last: 12, AllSlices: true}, {First: 31, Last: 31, FirstSlice: 4, LastSlice: 9}}},
		{" 3-5 : 7 , 0", []Span{{First: 3, Last: 5, FirstSlice: 7, LastSlice: 7}, {AllSlices: true}}},
	} {
		got, err := ParseList(c.text)
		if err != nil {
			t.Errorf("ParseList(%q): %v", c.text, err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("ParseList(%q): %s", c.text, d)
		}
	}
}

func TestParseListRefuses(t *testing.T) {
	for _, c := range []struct{ text, word string }{
		{"", "empty"}, {"1,", "empty"}, {"x", `"x"`}, {"-3", `""`}, {"3:", `""`}, {"9-3", "backwards"}, {"1:9-3", "backwards"},
		{"1:2:3", `"2:3"`}, {"1.5", `"1.5"`}, {"+1", `"+1"`}, {"99999999999999999999", "whole number"},
	} {
		_, err := ParseList(c.text)
		if !errors.Is(err, ErrList) || !strings.Contains(err.Error(), c.word) {
			t.Errorf("ParseList(%q): %v, want an ErrList with %q", c.text, err, c.word)
		}
	}
}

func TestAddSpansRefusesWhatTheScanHasNot(t *testing.T) {
	for _, text := range []string{"5", "3-5", "1:4", "1:2-4"} {
		spans, err := ParseList(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := NewLost(5, 4).AddSpans(spans); !errors.Is(err, ErrList) {
			t.Errorf("%q in 5 volumes of 4 slices: %v, want ErrList", text, err)
		}
	}
}

// FuzzParseList: no text panics, and what is read is written and read again as
// the same.
func FuzzParseList(f *testing.F) {
	for _, seed := range []string{"12,31:4-9", "0", "1-3:2", "", ":", "1:-", "3-", "7:1-2,7:4"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		spans, err := ParseList(text)
		if err != nil {
			if !errors.Is(err, ErrList) {
				t.Fatalf("%q: %v is no ErrList", text, err)
			}
			return
		}
		l := NewLost(64, 32)
		if l.AddSpans(spans) != nil {
			return
		}
		again, err := ParseList(l.String())
		if err != nil {
			t.Fatalf("%q becomes %q: %v", text, l, err)
		}
		m := NewLost(64, 32)
		if err := m.AddSpans(again); err != nil || !m.equal(l) {
			t.Fatalf("%q becomes %q and then %q, %v", text, l, m, err)
		}
	})
}

func TestLostEntries(t *testing.T) {
	l := NewLost(3, 5)
	l.Add(1, 2, Dropout, -7)
	l.Add(1, 3, Dropout, -12)
	l.Add(1, 3, Named, 0) // the first reason stays
	for z := range 5 {
		l.Add(2, z, Constant, 0)
	}
	want := []Entry{{Volume: 1, First: 2, Last: 3, Reason: Dropout, Z: -12}, {Volume: 2, First: 0, Last: 4, Whole: true, Reason: Constant}}
	if d := cmp.Diff(want, l.Entries()); d != "" {
		t.Error(d)
	}
	if got := l.String(); got != "1:2-3,2" {
		t.Errorf("String() = %q", got)
	}
	if l.Len() != 7 || l.Share() != 7.0/15 {
		t.Errorf("%d lost, share %v", l.Len(), l.Share())
	}
	if rest := l.Without([]int{2}); rest.Volumes != 2 || rest.Len() != 2 || !rest.Is(1, 3) {
		t.Errorf("without volume 2: %v", rest)
	}
}

func TestFindMissing(t *testing.T) {
	const nx, ny, nz, nt = 3, 2, 4, 5
	image := make([]float32, nx*ny*nz*nt)
	for i := range image {
		image[i] = float32(i%7) + 1
	}
	slice := func(v, z int) []float32 { return image[(v*nz+z)*nx*ny : (v*nz+z+1)*nx*ny] }
	nan := float32(0)
	nan /= nan
	copy(slice(1, 2), []float32{nan, nan, nan, 4, 5, 6})
	copy(slice(2, 0), []float32{9, 9, 9, 9, 9, 9})
	copy(slice(4, 1), []float32{nan, 2, 3, 4, 5, 6}) // one voxel is no lost slice
	for v := range nt {
		clear(slice(v, 3)) // beyond the brain in all volumes
	}
	l := NewLost(nt, nz)
	FindMissing(image, nx, ny, l)
	want := []Entry{{Volume: 1, First: 2, Last: 2, Reason: NonFinite}, {Volume: 2, First: 0, Last: 0, Reason: Constant}}
	if d := cmp.Diff(want, l.Entries()); d != "" {
		t.Error(d)
	}
}
