package qc

import (
	"math"
	"sort"
)

// MiddleSlice returns the slice of plane p that stands best for the whole
// brain: of the slices in the middle half of the mask's bounding box, the one
// with the largest area of mask, and of equals the one nearest to the box's
// middle. An empty mask gives the middle of the grid. It panics if the mask
// does not have the grid's number of voxels.
func MiddleSlice(mask []bool, g Grid, p Plane) int {
	area := areas(mask, g, p)
	first, last, ok := extent(area, 1)
	if !ok {
		return len(area) / 2
	}
	middle := float64(first+last) / 2
	quarter := float64(last-first+1) / 4
	best, bestArea := -1, -1
	for k := first; k <= last; k++ {
		away := math.Abs(float64(k) - middle)
		if away > quarter {
			continue
		}
		if area[k] > bestArea || area[k] == bestArea && away < math.Abs(float64(best)-middle) {
			best, bestArea = k, area[k]
		}
	}
	return best
}

// SpreadSlices returns up to n slices of plane p in ascending order, evenly
// spread over the part of the mask's bounding box where the mask's area is at
// least a quarter of its largest: thin ends of the brain are left out. An empty
// mask gives slices of the whole grid. It panics if the mask does not have the
// grid's number of voxels.
func SpreadSlices(mask []bool, g Grid, p Plane, n int) []int {
	area := areas(mask, g, p)
	most := 0
	for _, a := range area {
		most = max(most, a)
	}
	first, last, ok := extent(area, max(1, (most+3)/4))
	if !ok {
		first, last = 0, len(area)-1
	}
	n = min(n, last-first+1)
	ks := make([]int, n)
	for i := range ks {
		ks[i] = first + int((float64(i)+0.5)*float64(last-first+1)/float64(n))
	}
	return ks
}

// areas counts the mask's voxels in every slice of a plane.
func areas(mask []bool, g Grid, p Plane) []int {
	if len(mask) != g.Voxels() {
		panic(badVolume)
	}
	step := g.strides()[g.view(p, false).through]
	area := make([]int, g.Slices(p))
	for i, in := range mask {
		if in {
			area[i/step%len(area)]++
		}
	}
	return area
}

// extent returns the first and last index whose value is at least least.
func extent(area []int, least int) (first, last int, ok bool) {
	first = -1
	for k, a := range area {
		if a >= least {
			if first < 0 {
				first = k
			}
			last = k
		}
	}
	return first, last, first >= 0
}

// Foreground returns a rough mask of the head from one volume, for choosing
// slices and windows where no mask is at hand: the voxels above Otsu's
// threshold (1979) between air and tissue, which splits the histogram so that
// the variance between its two parts is largest. It is no brain extraction.
// Bright voxels above the 98th percentile count as just that bright, so that
// fluid does not pull the threshold up.
//
// It is kept apart from signals.Foreground of the denoiser, which smooths, keeps
// one piece and fills holes for the sake of statistics: pictures must be drawn
// the same for any denoiser, and must not change when that one learns to choose
// its voxels better.
func Foreground(volume []float32) []bool {
	mask := make([]bool, len(volume))
	values := finite(volume, nil)
	if len(values) == 0 {
		return mask
	}
	sort.Float64s(values)
	lo, hi := values[0], quantile(values, 0.98)
	if !(hi > lo) {
		hi = values[len(values)-1]
	}
	threshold := otsu(values, lo, hi)
	for i, v := range volume {
		mask[i] = float64(v) > threshold
	}
	return mask
}

// otsu returns the threshold between lo and hi that maximises the variance
// between the two classes of values.
func otsu(values []float64, lo, hi float64) float64 {
	const bins = 256
	if !(hi > lo) {
		return math.Inf(1)
	}
	var count, sum [bins]float64
	total := 0.0
	for _, v := range values {
		v = min(v, hi)
		b := min(bins-1, int((v-lo)/(hi-lo)*bins))
		count[b]++
		sum[b] += v
		total += v
	}
	best, threshold := -1.0, lo
	n0, s0, n := 0.0, 0.0, float64(len(values))
	for b := range bins - 1 {
		n0 += count[b]
		s0 += sum[b]
		if n0 == 0 || n0 == n {
			continue
		}
		d := s0/n0 - (total-s0)/(n-n0)
		if between := n0 * (n - n0) * d * d; between > best {
			best, threshold = between, lo+(hi-lo)*float64(b+1)/bins
		}
	}
	return threshold
}
