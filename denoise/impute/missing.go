package impute

// FindMissing marks the slices of an image (volume-major, nx*ny*nz voxels a
// volume) that hold no measurement: at least half not finite, or one value
// throughout. Slices that hold one value in more than half of the volumes, such
// as those beyond a skull-stripped brain, are no loss.
func FindMissing(image []float32, nx, ny int, lost *Lost) {
	nz, size := lost.Slices, nx*ny
	for z := range nz {
		var constant []int
		for v := range lost.Volumes {
			from := (v*nz + z) * size
			switch why := missing(image[from : from+size]); why {
			case NonFinite:
				lost.Add(v, z, NonFinite, 0)
			case Constant:
				constant = append(constant, v)
			}
		}
		if 2*len(constant) > lost.Volumes {
			continue
		}
		for _, v := range constant {
			lost.Add(v, z, Constant, 0)
		}
	}
}

func missing(slice []float32) Reason {
	bad, same := 0, true
	for _, x := range slice {
		if x-x != 0 {
			bad++
		}
		if x != slice[0] {
			same = false
		}
	}
	switch {
	case 2*bad >= len(slice):
		return NonFinite
	case same && len(slice) > 1:
		return Constant
	}
	return ""
}

// MeanOfMeasured returns the mean image over the volumes that are measured in
// each slice, for finding the head; values that are not finite count as 0.
func MeanOfMeasured(image []float32, nx, ny int, lost *Lost) []float32 {
	nz, size := lost.Slices, nx*ny
	mean := make([]float32, size*nz)
	for z := range nz {
		n := 0
		for v := range lost.Volumes {
			if !lost.Is(v, z) {
				n++
			}
		}
		for v := range lost.Volumes {
			if lost.Is(v, z) {
				continue
			}
			from := (v*nz + z) * size
			for i, x := range image[from : from+size] {
				if x-x == 0 {
					mean[z*size+i] += x / float32(n)
				}
			}
		}
	}
	return mean
}
