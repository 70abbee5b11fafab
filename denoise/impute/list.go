package impute

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrList reports a list of volumes and slices that cannot be read or does not
// fit the scan.
var ErrList = errors.New("impute: list of volumes and slices")

// Span is one item of a list: volumes First to Last, of which all slices, or
// slices FirstSlice to LastSlice.
type Span struct {
	First, Last           int
	AllSlices             bool
	FirstSlice, LastSlice int
}

// ParseList reads volumes and slices, counted from 0: "12" is volume 12,
// "12-14" are three volumes, "31:4-9" slices 4 to 9 of volume 31; items are
// separated by commas, spaces around them do not matter. The error, an
// [ErrList], names the item and what is wrong with it. Whether the scan has
// these volumes and slices is found by [Lost.AddSpans].
func ParseList(text string) ([]Span, error) {
	var out []Span
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			return nil, fmt.Errorf("%w %q: an item is empty; write volumes and slices like 12,31:4-9", ErrList, text)
		}
		volumes, slices, some := strings.Cut(item, ":")
		s := Span{AllSlices: !some}
		var err error
		if s.First, s.Last, err = parseRange(volumes); err != nil {
			return nil, fmt.Errorf("%w: volume in %q: %w", ErrList, item, err)
		}
		if some {
			if s.FirstSlice, s.LastSlice, err = parseRange(slices); err != nil {
				return nil, fmt.Errorf("%w: slice in %q: %w", ErrList, item, err)
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// largestIndex is more than any NIfTI dimension that is not nonsense.
const largestIndex = 1<<31 - 1

// parseRange reads "4" or "4-9".
func parseRange(text string) (first, last int, err error) {
	from, to, two := strings.Cut(text, "-")
	if first, err = parseIndex(from); err != nil {
		return 0, 0, err
	}
	if !two {
		return first, first, nil
	}
	if last, err = parseIndex(to); err != nil {
		return 0, 0, err
	}
	if last < first {
		return 0, 0, fmt.Errorf("%d-%d runs backwards", first, last)
	}
	return first, last, nil
}

func parseIndex(text string) (int, error) {
	text = strings.TrimSpace(text)
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > largestIndex {
		return 0, fmt.Errorf("%q is not a whole number from 0", text)
	}
	return int(n), nil
}

// AddSpans marks what a list names as lost. Volumes and slices that the scan
// does not have are an [ErrList].
func (l *Lost) AddSpans(spans []Span) error {
	for _, s := range spans {
		if s.Last >= l.Volumes {
			return fmt.Errorf("%w: volume %d: the scan has volumes 0 to %d", ErrList, s.Last, l.Volumes-1)
		}
		first, last := s.FirstSlice, s.LastSlice
		if s.AllSlices {
			first, last = 0, l.Slices-1
		}
		if last >= l.Slices {
			return fmt.Errorf("%w: slice %d of volume %d: the scan has slices 0 to %d", ErrList, last, s.First, l.Slices-1)
		}
		for v := s.First; v <= s.Last; v++ {
			for z := first; z <= last; z++ {
				l.Add(v, z, Named, 0)
			}
		}
	}
	return nil
}
