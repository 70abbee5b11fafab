package nifti

import (
	"fmt"
	"math"
)

// Orientation names the header fields that an affine was taken from.
type Orientation int

// The sources of an affine, best last.
const (
	NoOrientation Orientation = iota // neither form is set: left and right are unknown
	Qform                            // quaternion and offset
	Sform                            // the rows srow_x, srow_y, srow_z
)

// String returns "none", "qform" or "sform".
func (o Orientation) String() string {
	return [...]string{"none", "qform", "sform"}[o]
}

// Affine returns the matrix that takes voxel indices (i, j, k, 1) to
// millimetres in the scanner's RAS frame, and where it comes from: the sform
// if sform_code > 0, else the qform if qform_code > 0, else the voxel size on
// the diagonal, which says nothing about left and right. NIfTI tools disagree
// on the order; this is that of nibabel and MRtrix. A form that is singular or
// not finite counts as not set.
func (h *Header) Affine() ([4][4]float64, Orientation) {
	if h.SformCode > 0 {
		if a := h.sform(); invertible(a) {
			return a, Sform
		}
	}
	if h.QformCode > 0 {
		if a := h.qform(); invertible(a) {
			return a, Qform
		}
	}
	v := h.VoxelSize()
	return [4][4]float64{{v[0], 0, 0, 0}, {0, v[1], 0, 0}, {0, 0, v[2], 0}, {0, 0, 0, 1}}, NoOrientation
}

func (h *Header) sform() [4][4]float64 {
	return [4][4]float64{h.SRow[0], h.SRow[1], h.SRow[2], {0, 0, 0, 1}}
}

// qform builds the affine of the quaternion a + b·i + c·j + d·k, of which the
// header stores b, c and d; a ≥ 0 follows from unit length. pixdim[0] < 0
// reverses the third axis.
func (h *Header) qform() [4][4]float64 {
	b, c, d := h.Quatern[0], h.Quatern[1], h.Quatern[2]
	a := 0.0
	// Rounding to float32 can leave b² + c² + d² a little above 1: a is then 0
	// and the rest is brought back to unit length. 1e-7 is float32's precision.
	if norm2 := b*b + c*c + d*d; 1-norm2 > 1e-7 {
		a = math.Sqrt(1 - norm2)
	} else {
		scale := 1 / math.Sqrt(norm2)
		b, c, d = b*scale, c*scale, d*scale
	}
	v := h.VoxelSize()
	if h.PixDim[0] < 0 {
		v[2] = -v[2]
	}
	rotation := [3][3]float64{
		{a*a + b*b - c*c - d*d, 2 * (b*c - a*d), 2 * (b*d + a*c)},
		{2 * (b*c + a*d), a*a + c*c - b*b - d*d, 2 * (c*d - a*b)},
		{2 * (b*d - a*c), 2 * (c*d + a*b), a*a + d*d - b*b - c*c},
	}
	affine := [4][4]float64{3: {0, 0, 0, 1}}
	for i := range 3 {
		for j := range 3 {
			affine[i][j] = rotation[i][j] * v[j]
		}
		affine[i][3] = h.QOffset[i]
	}
	return affine
}

// invertible reports whether a is finite and its axes are not degenerate,
// judged by the determinant relative to the lengths of the axes.
func invertible(a [4][4]float64) bool {
	volume := 1.0
	for j := range 3 {
		volume *= math.Hypot(math.Hypot(a[0][j], a[1][j]), a[2][j])
		if !finite(a[j][3]) {
			return false
		}
	}
	det := a[0][0]*(a[1][1]*a[2][2]-a[1][2]*a[2][1]) -
		a[0][1]*(a[1][0]*a[2][2]-a[1][2]*a[2][0]) +
		a[0][2]*(a[1][0]*a[2][1]-a[1][1]*a[2][0])
	return volume > 0 && finite(volume) && math.Abs(det) > 1e-6*volume
}

// orientationNotes describes what is unusual about the orientation fields.
func (h *Header) orientationNotes() []string {
	var notes []string
	for i := 1; i <= 3 && i <= int(h.Dim[0]); i++ {
		if !usable(math.Abs(h.PixDim[i])) {
			notes = append(notes, fmt.Sprintf("pixdim[%d] = %v taken as %v", i, h.PixDim[i], h.VoxelSize()[i-1]))
		}
	}
	switch h.XYZTUnits & 7 {
	case 1, 3:
		notes = append(notes, "xyzt_units says the voxel size is in metres or micrometres; it is taken as millimetres, as other tools do")
	}
	s, q := h.sform(), h.qform()
	sSet, qSet := h.SformCode > 0, h.QformCode > 0
	if sSet && !invertible(s) {
		notes = append(notes, "sform is singular or not finite and is ignored")
		sSet = false
	}
	if qSet && !invertible(q) {
		notes = append(notes, "qform is not finite and is ignored")
		qSet = false
	}
	if norm := math.Hypot(math.Hypot(h.Quatern[0], h.Quatern[1]), h.Quatern[2]); qSet && norm > 1+1e-3 {
		notes = append(notes, fmt.Sprintf("qform quaternion has length %.4g, more than 1; brought to unit length", norm))
	}
	if apart := h.apart(s, q); sSet && qSet && apart > 0.1 {
		notes = append(notes, fmt.Sprintf("sform and qform differ by up to %.3g voxels; the sform is used", apart))
	}
	if !sSet && !qSet {
		notes = append(notes, "no orientation in the header (sform_code and qform_code are 0): left and right are unknown")
	}
	return notes
}

// apart returns the largest distance between two affines' positions of a grid
// corner, in units of the shortest voxel edge.
func (h *Header) apart(a, b [4][4]float64) float64 {
	nx, ny, nz, _ := h.Shape()
	v := h.VoxelSize()
	worst := 0.0
	for corner := range 8 {
		p := [4]float64{0, 0, 0, 1}
		for j, n := range [3]int{nx, ny, nz} {
			if corner>>j&1 == 1 {
				p[j] = float64(n - 1)
			}
		}
		sum := 0.0
		for i := range 3 {
			delta := 0.0
			for j := range 4 {
				delta += (a[i][j] - b[i][j]) * p[j]
			}
			sum += delta * delta
		}
		worst = max(worst, math.Sqrt(sum))
	}
	return worst / min(v[0], v[1], v[2])
}
