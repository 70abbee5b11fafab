package nifti

// Select returns a new image of some volumes, in the order given.
func (im *Image) Select(volumes []int) *Image {
	out := im.Like(len(volumes))
	for i, n := range volumes {
		copy(out.Volume(i), im.Volume(n))
	}
	return out
}
