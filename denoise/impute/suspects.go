package impute

import "math"

const (
	suspectRatio  = 0.25 // departure of a slice's log mean from its group that makes it suspect
	oddRatio      = 0.3  // the same for a whole volume, which is then taken for lost
	suspectScore  = 5.0  // and how many robust standard deviations of the group it must be
	leastOfGroups = 5    // volumes of a b-value below which they are no measure of each other
)

// suspects adds the slices whose mean is far from the median of their group.
func (m *Moments) suspects(lost *Lost, groups [][]int) *Lost {
	out := lost.Clone()
	for z := range m.slices {
		s := &m.slices[z]
		if s.n < leastTested {
			continue
		}
		level := func(i int) (float64, bool) {
			return m.reference[i] + s.sum[i]/float64(s.n), !lost.Is(i, z)
		}
		for _, group := range groups {
			eachOdd(group, level, suspectRatio, func(i int, score float64) { out.Add(i, z, sideOf(score), score) })
		}
	}
	return out
}

// oddVolumes adds the volumes that are off the level of their group in all
// their slices together: regression on the other volumes cannot see them, it
// learns their scale as it learns any other.
func (m *Moments) oddVolumes(lost *Lost, groups [][]int) {
	level := func(i int) (float64, bool) {
		sum, n := 0.0, 0
		for z, s := range m.slices {
			if !lost.Is(i, z) {
				sum += s.sum[i]
				n += s.n
			}
		}
		return m.reference[i] + sum/float64(max(n, 1)), n > 0
	}
	for _, group := range groups {
		eachOdd(group, level, oddRatio, func(i int, score float64) {
			for z := range m.slices {
				lost.Add(i, z, Level, score)
			}
		})
	}
}

// eachOdd calls f for the members of a group whose logarithmic level departs
// from the median by more than ratio and by more than suspectScore robust
// standard deviations, the score.
func eachOdd(group []int, level func(i int) (float64, bool), ratio float64, f func(i int, score float64)) {
	var logs []float64
	var at []int
	for _, i := range group {
		if v, ok := level(i); ok {
			logs = append(logs, math.Log(max(v, 1e-30)))
			at = append(at, i)
		}
	}
	if len(logs) < leastOfGroups {
		return
	}
	centre, scale := robust(logs)
	for k, i := range at {
		away := logs[k] - centre
		if math.Abs(away) > ratio && math.Abs(away) > suspectScore*scale {
			f(i, away/max(scale, 1e-3))
		}
	}
}

// robust returns the median and 1.4826 times the median absolute deviation.
func robust(values []float64) (centre, scale float64) {
	centre = middle(values)
	away := make([]float64, len(values))
	for k, v := range values {
		away[k] = math.Abs(v - centre)
	}
	return centre, 1.4826 * middle(away)
}
