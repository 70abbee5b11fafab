package nifti

import (
	"fmt"
	"math"
	"strings"
)

// Header holds the fields of a NIfTI-1 or NIfTI-2 header as they stand in the
// file, in one form for both versions. The field names and meanings are those
// of the format's definition (nifti1.h, nifti2.h). The zero value is not a
// usable header; [New] and [ReadHeader] make one.
type Header struct {
	Version   int  // 1 or 2
	BigEndian bool // byte order of the file that was read; output is little-endian
	Pair      bool // voxels are in a separate .img file; output follows the file name

	Dim      [8]int64 // Dim[0] is the number of dimensions, Dim[1:] their lengths
	PixDim   [8]float64
	Datatype Datatype // type of the voxels in the file
	BitPix   int16

	VoxOffset          int64   // where the voxels begin in their file, in bytes
	SclSlope, SclInter float64 // as in the file; already applied to an Image's voxels
	CalMax, CalMin     float64 // display window

	SliceDuration, TOffset float64
	SliceStart, SliceEnd   int64
	SliceCode              int32
	XYZTUnits              int32
	DimInfo                byte

	IntentCode int32
	IntentP    [3]float64
	IntentName string // at most 15 bytes are written

	Descrip string // at most 79 bytes are written
	AuxFile string // at most 23 bytes are written

	QformCode, SformCode int32
	Quatern              [3]float64 // quatern_b, quatern_c, quatern_d
	QOffset              [3]float64
	SRow                 [3][4]float64

	// Extensions holds, verbatim, all bytes between the header and the voxels:
	// the four-byte extender, the list of extensions if the extender's first
	// byte is not 0, and padding. In a pair it is the rest of the .hdr file.
	Extensions []byte

	Legacy Legacy

	text rawText
}

// Legacy holds fields that the format keeps but gives no meaning. They are
// carried from input to output. UnusedStr belongs to NIfTI-2, the rest to
// NIfTI-1.
type Legacy struct {
	DataType     [10]byte
	DBName       [18]byte
	Extents      int32
	SessionError int16
	Regular      byte
	GLMax, GLMin int32
	UnusedStr    [15]byte
}

// rawText keeps the bytes of text fields, because what follows the
// terminating zero must survive too.
type rawText struct {
	descrip    [80]byte
	auxFile    [24]byte
	intentName [16]byte
}

const (
	maxAxes      = 7
	headerSize1  = 348
	headerSize2  = 540
	maxExtension = 64 << 20 // a larger gap before the voxels is taken as damage
)

// Shape returns the lengths of the three spatial axes and the number of
// volumes, which is the product of all further dimensions: a 3-D image has
// nt = 1, and X×Y×Z×1×N has nt = N. Axes that the image does not have are 1.
func (h *Header) Shape() (nx, ny, nz, nt int) {
	d := [4]int64{1, 1, 1, 1}
	for i := 1; i <= int(h.Dim[0]) && i <= maxAxes; i++ {
		d[min(i, 4)-1] *= h.Dim[i]
	}
	return int(d[0]), int(d[1]), int(d[2]), int(d[3])
}

// VoxelSize returns the lengths of a voxel's edges in millimetres, always
// positive: the absolute value of pixdim or, where pixdim is zero or not
// finite, the length of the sform's column, or else 1.
func (h *Header) VoxelSize() [3]float64 {
	var size [3]float64
	for i := range size {
		size[i] = math.Abs(h.PixDim[i+1])
		if usable(size[i]) {
			continue
		}
		size[i] = 1
		if h.SformCode > 0 {
			col := math.Hypot(math.Hypot(h.SRow[0][i], h.SRow[1][i]), h.SRow[2][i])
			if usable(col) {
				size[i] = col
			}
		}
	}
	return size
}

// usable reports whether a voxel edge, in millimetres, can be one. Beyond these bounds, which no microscope and no
// telescope reaches, products of edges leave the range of numbers.
func usable(length float64) bool { return length > 1e-12 && length < 1e12 }

// checkDims validates the dim field; everything after it may trust the lengths.
func (h *Header) checkDims() error {
	n := h.Dim[0]
	if n < 1 || n > maxAxes {
		return fmt.Errorf("dim[0] = %d, but the number of dimensions must be 1 to 7: %w", n, ErrInvalidHeader)
	}
	for i := int64(1); i <= n; i++ {
		if h.Dim[i] <= 0 {
			return fmt.Errorf("dim[%d] = %d, but a length must be at least 1: %w", i, h.Dim[i], ErrInvalidHeader)
		}
	}
	if _, ok := h.voxelBytes(8); !ok {
		return fmt.Errorf("dimensions %s: %w", h.dimString(), ErrTooLarge)
	}
	return nil
}

// voxelBytes returns the number of voxels times size, and false on overflow.
func (h *Header) voxelBytes(size int64) (int64, bool) {
	total := size
	for i := int64(1); i <= h.Dim[0]; i++ {
		if h.Dim[i] > math.MaxInt64/2/total {
			return 0, false
		}
		total *= h.Dim[i]
	}
	return total, total <= math.MaxInt
}

// squeeze rewrites dimensions beyond the fourth. Lengths of one at the end are
// harmless; X×Y×Z×1×N holds the same bytes as X×Y×Z×N and becomes that, with
// the note that it returns. Anything else is refused.
func (h *Header) squeeze() (note string, err error) {
	if h.IntentCode >= 3000 && h.IntentCode <= 3099 {
		return "", fmt.Errorf("intent code %d: CIFTI data on surfaces, not an image grid: %w", h.IntentCode, ErrUnsupported)
	}
	if h.Dim[0] <= 4 {
		return "", nil
	}
	long := 0
	for i := 4; i <= int(h.Dim[0]); i++ {
		if h.Dim[i] > 1 {
			long++
		}
	}
	was := h.dimString()
	if long > 1 {
		return "", fmt.Errorf("%d-D image %s: only one dimension after z may be longer than 1: %w", h.Dim[0], was, ErrUnsupported)
	}
	first := h.Dim[4]
	_, _, _, nt := h.Shape()
	h.setVolumes(nt)
	if int64(nt) != first {
		note = fmt.Sprintf("%s image read as 4-D %s", was, h.dimString())
	}
	return note, nil
}

// setVolumes makes the header 4-D with nt volumes, or 3-D for nt = 1.
func (h *Header) setVolumes(nt int) {
	nx, ny, nz, _ := h.Shape()
	h.Dim = [8]int64{4, int64(nx), int64(ny), int64(nz), int64(nt), 1, 1, 1}
	if nt == 1 {
		h.Dim[0] = 3
	}
}

func (h *Header) dimString() string {
	s := make([]string, 0, maxAxes)
	for i := int64(1); i <= min(h.Dim[0], maxAxes); i++ {
		s = append(s, fmt.Sprint(h.Dim[i]))
	}
	return strings.Join(s, "×")
}

// size returns the number of bytes of the header proper.
func (h *Header) size() int64 {
	if h.Version == 2 {
		return headerSize2
	}
	return headerSize1
}
