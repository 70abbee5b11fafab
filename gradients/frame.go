package gradients

import "math"

// ToScanner returns a copy of the table with directions in scanner axes (RAS). affine is the image's voxel-to-scanner
// matrix in mm, of which the upper left 3×3 counts: with R its columns made unit vectors and s = -1 if its determinant is
// positive, +1 otherwise, the scanner direction of an FSL direction v is R·diag(s, 1, 1)·v, made a unit vector. A table
// already in the scanner frame is copied. With a singular affine the components stay as they are and a warning is added.
func (t *Table) ToScanner(affine [4][4]float64) *Table {
	return t.convert(affine, ScannerFrame)
}

// ToFSL returns a copy of the table with directions in the frame of bval/bvec files; the inverse of [Table.ToScanner].
func (t *Table) ToFSL(affine [4][4]float64) *Table {
	return t.convert(affine, FSLFrame)
}

func (t *Table) convert(affine [4][4]float64, to Frame) *Table {
	c := t.clone()
	if t.Frame == to {
		return c
	}
	c.Frame = to
	m, ok := fslToScanner(affine)
	if ok && to == FSLFrame {
		m, ok = inverse3(m)
	}
	if !ok {
		c.warn("%v: the image's voxel-to-scanner matrix is singular, so the directions could not be turned from the %v to the %v "+
			"frame; their components were kept.", t.Files, t.Frame, to)
		return c
	}
	for i, v := range t.BVecs {
		c.BVecs[i] = unit(mul3(m, v))
	}
	return c
}

// fslToScanner returns R·diag(s, 1, 1) of an affine and whether it is regular.
func fslToScanner(affine [4][4]float64) ([3][3]float64, bool) {
	var m [3][3]float64
	for col := range 3 {
		v := unit([3]float64{affine[0][col], affine[1][col], affine[2][col]})
		for r := range 3 {
			m[r][col] = v[r]
		}
	}
	det := det3(m)
	// Columns are unit vectors, so the determinant is the volume they span: 1 for a rotation.
	if !(math.Abs(det) > 1e-6) {
		return m, false
	}
	if det > 0 {
		for r := range 3 {
			m[r][0] = -m[r][0]
		}
	}
	return m, true
}

func mul3(m [3][3]float64, v [3]float64) [3]float64 {
	var w [3]float64
	for r := range 3 {
		w[r] = m[r][0]*v[0] + m[r][1]*v[1] + m[r][2]*v[2]
	}
	return w
}

func det3(m [3][3]float64) float64 {
	return m[0][0]*(m[1][1]*m[2][2]-m[1][2]*m[2][1]) -
		m[0][1]*(m[1][0]*m[2][2]-m[1][2]*m[2][0]) +
		m[0][2]*(m[1][0]*m[2][1]-m[1][1]*m[2][0])
}

// inverse3 inverts by cofactors; its input has unit columns and is far from singular.
func inverse3(m [3][3]float64) ([3][3]float64, bool) {
	det := det3(m)
	if det == 0 {
		return m, false
	}
	var inv [3][3]float64
	for r := range 3 {
		for c := range 3 {
			a, b := (c+1)%3, (c+2)%3
			d, e := (r+1)%3, (r+2)%3
			inv[r][c] = (m[a][d]*m[b][e] - m[a][e]*m[b][d]) / det
		}
	}
	return inv, true
}
