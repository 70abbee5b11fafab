package qc

import (
	"math"

	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// Grid is the geometry of a volume: what is needed to draw it the right way up
// and in its true proportions.
type Grid struct {
	NX, NY, NZ int           // voxels along the three axes of the file
	VoxelSize  [3]float64    // edges in mm; lengths that are not positive count as 1
	Affine     [4][4]float64 // voxel index to scanner RAS mm; used when Oriented
	Oriented   bool          // whether the file tells its orientation
}

// GridOf returns the geometry that a NIfTI header describes.
func GridOf(h *nifti.Header) Grid {
	nx, ny, nz, _ := h.Shape()
	affine, how := h.Affine()
	return Grid{
		NX: nx, NY: ny, NZ: nz,
		VoxelSize: h.VoxelSize(),
		Affine:    affine,
		Oriented:  how != nifti.NoOrientation,
	}
}

// Voxels returns the number of voxels of one volume.
func (g Grid) Voxels() int { return g.NX * g.NY * g.NZ }

// Slices returns the number of slices of plane p.
func (g Grid) Slices(p Plane) int { return g.lengths()[g.view(p, false).through] }

func (g Grid) lengths() [3]int { return [3]int{g.NX, g.NY, g.NZ} }

func (g Grid) strides() [3]int { return [3]int{1, g.NX, g.NX * g.NY} }

// edge returns the length of a voxel's edge along axis a in mm.
func (g Grid) edge(a int) float64 {
	if v := g.VoxelSize[a]; v > 0 && !math.IsInf(v, 0) {
		return v
	}
	return 1
}

// Plane is one of the three anatomical planes.
type Plane int

// The anatomical planes. The zero value is Axial.
const (
	Axial Plane = iota
	Coronal
	Sagittal
)

// String returns the plane's name in lower case.
func (p Plane) String() string {
	switch p {
	case Coronal:
		return "coronal"
	case Sagittal:
		return "sagittal"
	default:
		return "axial"
	}
}

// The world axes of RAS, and the letters at their two ends.
const (
	right = iota
	anterior
	superior
)

var endLetters = [3][2]string{right: {"L", "R"}, anterior: {"P", "A"}, superior: {"I", "S"}}

// world returns, for each world axis, the voxel axis that lies nearest to it
// and whether that voxel axis runs the same way. ok is false where the
// orientation is unknown; the axes are then those of the file, taken as RAS.
func (g Grid) world() (axis [3]int, same [3]bool, ok bool) {
	unit, ok := g.unitAxes()
	if !ok {
		return [3]int{0, 1, 2}, [3]bool{true, true, true}, false
	}
	// The best of the six ways to pair the axes, by the sum of |cosines|.
	best := -1.0
	for _, p := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		sum := 0.0
		for w, a := range p {
			sum += math.Abs(unit[w][a])
		}
		if sum > best {
			best, axis = sum, p
		}
	}
	for w, a := range axis {
		same[w] = unit[w][a] >= 0
	}
	return axis, same, true
}

// unitAxes returns the directions of the voxel axes as the columns of a matrix
// whose rows are world axes; ok is false if there is no usable affine.
func (g Grid) unitAxes() (unit [3][3]float64, ok bool) {
	if !g.Oriented {
		return unit, false
	}
	for a := range 3 {
		m := g.Affine
		length := math.Sqrt(m[0][a]*m[0][a] + m[1][a]*m[1][a] + m[2][a]*m[2][a])
		if !(length > 0) || math.IsInf(length, 0) {
			return unit, false
		}
		for w := range 3 {
			unit[w][a] = m[w][a] / length
		}
	}
	return unit, true
}

// view says how a plane of the grid lies on the screen.
type view struct {
	across, down, through   int  // voxel axes
	flipAcross, flipDown    bool // whether screen and voxel index run in opposite ways
	left, right, top, below string
}

// view returns how plane p is shown: anterior or superior at the top, the
// patient's left on the left (on the right if radiological), and sagittal
// slices with the face to the left.
func (g Grid) view(p Plane, radiological bool) view {
	axis, same, known := g.world()
	horizontal, vertical, normal := right, anterior, superior
	switch p {
	case Coronal:
		vertical, normal = superior, anterior
	case Sagittal:
		horizontal, vertical, normal = anterior, superior, right
	}
	// reversed: the screen's left end is the positive end of the world axis.
	reversed := horizontal == anterior || radiological
	v := view{
		across: axis[horizontal], down: axis[vertical], through: axis[normal],
		flipAcross: same[horizontal] == reversed,
		flipDown:   same[vertical],
		left:       endLetters[horizontal][0], right: endLetters[horizontal][1],
		below: endLetters[vertical][0], top: endLetters[vertical][1],
	}
	if reversed {
		v.left, v.right = v.right, v.left
	}
	if !known {
		v.left, v.right, v.top, v.below = "?", "?", "?", "?"
	}
	return v
}
