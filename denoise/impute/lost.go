package impute

import (
	"fmt"
	"slices"
	"strings"
)

// Reason says why a measurement counts as lost.
type Reason string

// Reasons, in the order in which they are looked for.
const (
	Named     Reason = "named"      // by the user
	NonFinite Reason = "not finite" // NaN or Inf in the slice
	Constant  Reason = "constant"   // one value throughout: zero-filled or never acquired
	Dropout   Reason = "dropout"    // darker than the other directions predict
	Bright    Reason = "bright"     // brighter than they predict
	Pattern   Reason = "pattern"    // right on average, wrong within the slice
	Level     Reason = "level"      // the whole volume is off the level of its shell
	Remainder Reason = "remainder"  // what is left of a volume whose larger part is lost
)

// Lost tells which slices of which volumes do not count as measured. The zero
// value is not usable; see [NewLost].
type Lost struct {
	Volumes, Slices int
	reason          []Reason  // volume-major; "" where measured
	z               []float64 // standard score, 0 where there is none
}

// NewLost returns a record in which everything is measured.
func NewLost(volumes, slices int) *Lost {
	return &Lost{Volumes: volumes, Slices: slices, reason: make([]Reason, volumes*slices), z: make([]float64, volumes*slices)}
}

// Add marks a slice as lost. A slice that is lost already keeps its first
// reason.
func (l *Lost) Add(volume, slice int, why Reason, z float64) {
	i := volume*l.Slices + slice
	if l.reason[i] == "" {
		l.reason[i], l.z[i] = why, z
	}
}

// Restore takes a whole volume back: it counts as measured again.
func (l *Lost) Restore(volume int) {
	for s := range l.Slices {
		l.remove(volume, s)
	}
}

// Is reports whether a slice is lost.
func (l *Lost) Is(volume, slice int) bool { return l.reason[volume*l.Slices+slice] != "" }

// Why returns the reason and the standard score of a lost slice.
func (l *Lost) Why(volume, slice int) (Reason, float64) {
	i := volume*l.Slices + slice
	return l.reason[i], l.z[i]
}

// Len returns the number of lost slices.
func (l *Lost) Len() int {
	n := 0
	for _, r := range l.reason {
		if r != "" {
			n++
		}
	}
	return n
}

// Share returns the lost share of all slices, from 0 to 1.
func (l *Lost) Share() float64 { return float64(l.Len()) / float64(max(len(l.reason), 1)) }

// Whole reports whether every slice of a volume is lost.
func (l *Lost) Whole(volume int) bool {
	return l.Slices > 0 && !slices.Contains(l.reason[volume*l.Slices:(volume+1)*l.Slices], "")
}

// WholeVolumes lists the volumes of which nothing is measured, ascending.
func (l *Lost) WholeVolumes() []int {
	var out []int
	for v := range l.Volumes {
		if l.Whole(v) {
			out = append(out, v)
		}
	}
	return out
}

// OfVolume lists the lost slices of a volume, ascending.
func (l *Lost) OfVolume(volume int) []int {
	var out []int
	for s := range l.Slices {
		if l.Is(volume, s) {
			out = append(out, s)
		}
	}
	return out
}

// OfSlice lists the volumes that lost a slice, ascending.
func (l *Lost) OfSlice(slice int) []int {
	var out []int
	for v := range l.Volumes {
		if l.Is(v, slice) {
			out = append(out, v)
		}
	}
	return out
}

// Without returns the record without some volumes, given ascending: the rest
// keeps its order and is counted anew.
func (l *Lost) Without(volumes []int) *Lost {
	out := &Lost{Slices: l.Slices}
	for v := range l.Volumes {
		if slices.Contains(volumes, v) {
			continue
		}
		out.Volumes++
		out.reason = append(out.reason, l.reason[v*l.Slices:(v+1)*l.Slices]...)
		out.z = append(out.z, l.z[v*l.Slices:(v+1)*l.Slices]...)
	}
	return out
}

// Entry is one run of neighbouring lost slices of a volume with one reason.
type Entry struct {
	Volume int     `json:"volume"`      // counted from 0
	First  int     `json:"first_slice"` // counted from 0
	Last   int     `json:"last_slice"`
	Whole  bool    `json:"whole_volume,omitempty"`
	Reason Reason  `json:"reason"`
	Z      float64 `json:"z_score,omitempty"` // of the strongest slice; 0 where no score led here
}

// Entries lists what is lost, ascending by volume and slice.
func (l *Lost) Entries() []Entry {
	var out []Entry
	for v := range l.Volumes {
		whole := l.Whole(v)
		open := false
		for s := range l.Slices {
			why, z := l.Why(v, s)
			if why == "" {
				open = false
				continue
			}
			if n := len(out) - 1; open && out[n].Reason == why {
				out[n].Last = s
				if z*z > out[n].Z*out[n].Z {
					out[n].Z = z
				}
				continue
			}
			out = append(out, Entry{Volume: v, First: s, Last: s, Whole: whole, Reason: why, Z: z})
			open = true
		}
	}
	return out
}

// String writes the record as [ParseList] reads it: "12,31:4-9".
func (l *Lost) String() string {
	var parts []string
	for v := range l.Volumes {
		if l.Whole(v) {
			parts = append(parts, fmt.Sprint(v))
			continue
		}
		list := l.OfVolume(v)
		for i := 0; i < len(list); {
			j := i
			for j+1 < len(list) && list[j+1] == list[j]+1 {
				j++
			}
			part := fmt.Sprintf("%d:%d", v, list[i])
			if j > i {
				part += fmt.Sprintf("-%d", list[j])
			}
			parts = append(parts, part)
			i = j + 1
		}
	}
	return strings.Join(parts, ",")
}
