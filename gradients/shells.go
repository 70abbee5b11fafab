package gradients

import (
	"math"
	"slices"
)

// Shell is a group of volumes with about the same b-value.
type Shell struct {
	B       float64 // mean b-value in s/mm²
	SD      float64 // standard deviation of the b-values, with 1/n
	Volumes []int   // ascending volume indices, counted from 0
	IsB0    bool    // true for the volumes at or below the b = 0 threshold
}

// Shells are the shells of a table, ascending in b.
type Shells struct {
	// All has the b = 0 volumes first, if there are any, then the diffusion-weighted shells. Every volume is in exactly one.
	All []Shell
	// Gridded is true if the b-values do not form shells: a q-space grid (DSI), a ladder of many b-values, or b-values spread
	// over a continuous range. All then groups neighbouring b-values, for display only.
	Gridded bool
}

// minGap and relGap set the least distance between shells: a new one starts where the sorted b-values leave a gap wider
// than both minGap s/mm² and relGap of the lower b-value. Scanners jitter b by some units and imaging gradients by a few
// per cent, and the closest shells in use are 100 apart.
const (
	minGap = 80.0
	relGap = 0.05
)

// Shells groups the volumes: those with b ≤ b0Threshold are b = 0, the others split at the gaps of their sorted b-values.
// Use [DefaultB0Threshold] unless the user says otherwise.
func (t *Table) Shells(b0Threshold float64) Shells {
	order := make([]int, len(t.BVals))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch a, b := t.BVals[i], t.BVals[j]; {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	})
	weighted := 0
	for weighted < len(order) && t.BVals[order[weighted]] <= b0Threshold {
		weighted++
	}
	var s Shells
	if weighted > 0 {
		s.All = append(s.All, t.shell(order[:weighted], true))
	}
	for start := weighted; start < len(order); {
		end := start + 1
		for end < len(order) && !gap(t.BVals[order[end-1]], t.BVals[order[end]]) {
			end++
		}
		s.All = append(s.All, t.shell(order[start:end], false))
		start = end
	}
	s.Gridded = gridded(s.All, len(order))
	return s
}

func gap(lower, upper float64) bool { return upper-lower > max(minGap, relGap*lower) }

// shell summarises the volumes of one shell.
func (t *Table) shell(volumes []int, b0 bool) Shell {
	s := Shell{Volumes: slices.Sorted(slices.Values(volumes)), IsB0: b0}
	for _, v := range volumes {
		s.B += t.BVals[v]
	}
	s.B /= float64(len(volumes))
	sum := 0.0
	for _, v := range volumes {
		d := t.BVals[v] - s.B
		sum += d * d
	}
	s.SD = math.Sqrt(sum / float64(len(volumes)))
	return s
}

// gridded tells q-space grids, ladders and continuous ranges from shells: there are more groups of b-values than the
// square root of the number of volumes (MRtrix's criterion, but never with four groups or fewer), or one group is a chain
// much wider than the jitter of a shell.
func gridded(shells []Shell, volumes int) bool {
	groups := 0
	for _, s := range shells {
		if s.IsB0 {
			continue
		}
		groups++
		if s.SD > max(minGap, 0.1*s.B) {
			return true
		}
	}
	return groups > 4 && groups*groups > volumes
}
