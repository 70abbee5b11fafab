package denoise

import (
	"slices"

	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// clearlyWeighted is the b-value from which a volume is darker than b = 0 in
// any tissue.
const clearlyWeighted = 200

// warnOrder compares the brightness of volumes with their b-values: a weighted
// volume brighter than b = 0, or one with b = 0 darker than the weighted ones,
// is a sign of a table that does not belong to the image, or of volumes in
// another order.
func (p *pipeline) warnOrder(im *nifti.Image) {
	if p.table == nil {
		return
	}
	shells := p.table.Shells(p.o.B0Threshold)
	if shells.Gridded {
		return
	}
	means := make([]float64, p.y.D)
	for n := range means {
		volume := im.Volume(n)
		for v, in := range p.chosen.foreground {
			if in {
				means[n] += float64(volume[v])
			}
		}
	}
	var dark, bright []int // labelled b = 0, weighted
	for _, s := range shells.All {
		if s.IsB0 {
			dark = append(dark, s.Volumes...)
		} else if s.B >= clearlyWeighted {
			bright = append(bright, s.Volumes...)
		}
	}
	if len(dark) == 0 || len(bright) == 0 {
		return
	}
	b0, weighted := medianOf(means, dark), medianOf(means, bright)
	if b0 <= weighted { // all of it is the other way round
		p.warn("the volumes with b = 0 are no brighter than the weighted ones: does the gradient table belong to this image?")
		return
	}
	var wrong []int
	for _, n := range dark {
		if means[n] < weighted {
			wrong = append(wrong, n)
		}
	}
	for _, n := range bright {
		if means[n] > b0 {
			wrong = append(wrong, n)
		}
	}
	if slices.Sort(wrong); len(wrong) > 0 {
		p.warn("volumes %v (counted from 0) are as bright as others of another b-value, not as their own: are volumes and gradient table in one order?", wrong)
	}
}

func medianOf(means []float64, volumes []int) float64 {
	var values []float64
	for _, n := range volumes {
		values = append(values, means[n])
	}
	slices.Sort(values)
	return values[len(values)/2]
}
