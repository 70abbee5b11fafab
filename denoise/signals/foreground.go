package signals

import (
	"math"
	"slices"
)

// Foreground finds the head in a mean image (nx*ny*nz, x fastest): Otsu's
// threshold (Otsu 1979) on the root of the lightly smoothed image, largest
// 6-connected component, holes filled. The root keeps tissue far from the coils,
// dim beside bright cortex and fluid but well above air. It serves statistics that air would
// spoil; it is no brain extraction. Voxels for which usable is false never
// belong to it; nil means all are usable. If nothing stands out it returns
// usable itself.
func Foreground(mean []float32, nx, ny, nz int, usable []bool) []bool {
	smooth := boxMean(mean, nx, ny, nz)
	for v, m := range smooth {
		smooth[v] = float32(math.Sqrt(float64(max(m, 0))))
	}
	sample := make([]float32, 0, len(mean))
	for v, m := range smooth {
		if usable == nil || usable[v] {
			sample = append(sample, m)
		}
	}
	inside := make([]bool, len(mean))
	if len(sample) == 0 {
		return inside
	}
	threshold := otsu(sample)
	for v, m := range smooth {
		inside[v] = m > threshold && (usable == nil || usable[v])
	}
	label, sizes := components(inside, nx, ny, nz)
	largest := 0
	for c, n := range sizes {
		if n > sizes[largest] {
			largest = c
		}
	}
	if len(sizes) == 0 || sizes[largest] < len(sample)/100 {
		for v := range inside {
			inside[v] = usable == nil || usable[v]
		}
		return inside
	}
	for v := range inside {
		inside[v] = label[v] == int32(largest)
	}
	fillHoles(inside, nx, ny, nz)
	for v := range inside {
		inside[v] = inside[v] && (usable == nil || usable[v])
	}
	return inside
}

// otsu returns the threshold that best separates the sample into two classes.
// Values above the 99th percentile are counted as that percentile, so that a
// few bright voxels do not stretch the histogram.
func otsu(sample []float32) float32 {
	sorted := slices.Clone(sample)
	slices.Sort(sorted)
	low, high := sorted[0], sorted[len(sorted)*99/100]
	if !(high > low) {
		return low
	}
	const bins = 256
	var count [bins]float64
	for _, v := range sample {
		b := int(float32(bins) * (min(v, high) - low) / (high - low))
		count[min(max(b, 0), bins-1)]++
	}
	var total, moment float64
	for b, c := range count {
		total += c
		moment += c * float64(b)
	}
	var weight, first, best float64
	at := 0
	for b, c := range count[:bins-1] {
		weight += c
		first += c * float64(b)
		if weight == 0 || weight == total {
			continue
		}
		d := first/weight - (moment-first)/(total-weight)
		if between := weight * (total - weight) * d * d; between > best {
			best, at = between, b
		}
	}
	return low + (high-low)*float32(at+1)/bins
}

// components labels the 6-connected regions of inside from 0; voxels outside
// get -1.
func components(inside []bool, nx, ny, nz int) (label []int32, sizes []int) {
	label = make([]int32, len(inside))
	for v := range label {
		label[v] = -1
	}
	var stack []int32
	for start := range inside {
		if !inside[start] || label[start] >= 0 {
			continue
		}
		id := int32(len(sizes))
		sizes = append(sizes, 0)
		label[start] = id
		stack = append(stack[:0], int32(start))
		for len(stack) > 0 {
			v := int(stack[len(stack)-1])
			stack = stack[:len(stack)-1]
			sizes[id]++
			eachNeighbour(v, nx, ny, nz, func(n int) {
				if inside[n] && label[n] < 0 {
					label[n] = id
					stack = append(stack, int32(n))
				}
			})
		}
	}
	return label, sizes
}

// fillHoles adds every region that does not reach the border of its slice.
// Slice-wise filling closes ventricles that open through the last slice.
func fillHoles(inside []bool, nx, ny, nz int) {
	outside := make([]bool, nx*ny)
	for z := range nz {
		slice := inside[z*nx*ny : (z+1)*nx*ny]
		for v := range outside {
			outside[v] = !slice[v]
		}
		label, sizes := components(outside, nx, ny, 1)
		border := make([]bool, len(sizes))
		for v, l := range label {
			x, y := v%nx, v/nx
			if l >= 0 && (x == 0 || y == 0 || x == nx-1 || y == ny-1) {
				border[l] = true
			}
		}
		for v, l := range label {
			if l >= 0 && !border[l] {
				slice[v] = true
			}
		}
	}
}

func eachNeighbour(v, nx, ny, nz int, f func(n int)) {
	x, y, z := v%nx, v/nx%ny, v/(nx*ny)
	if x > 0 {
		f(v - 1)
	}
	if x < nx-1 {
		f(v + 1)
	}
	if y > 0 {
		f(v - nx)
	}
	if y < ny-1 {
		f(v + nx)
	}
	if z > 0 {
		f(v - nx*ny)
	}
	if z < nz-1 {
		f(v + nx*ny)
	}
}

// boxMean averages over 3×3×3 voxels, fewer at the border.
func boxMean(mean []float32, nx, ny, nz int) []float32 {
	out := slices.Clone(mean)
	line := make([]float32, max(nx, ny, nz))
	EachLine(nx, ny, nz, func(start, step, n int) {
		for i := range n {
			line[i] = out[start+i*step]
		}
		for i := range n {
			sum, count := line[i], float32(1)
			if i > 0 {
				sum, count = sum+line[i-1], count+1
			}
			if i < n-1 {
				sum, count = sum+line[i+1], count+1
			}
			out[start+i*step] = sum / count
		}
	})
	return out
}
