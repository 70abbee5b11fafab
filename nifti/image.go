package nifti

import (
	"gorgonia.org/tensor"
)

// Image is a 3-D or 4-D image in memory.
type Image struct {
	// Header is the header as read, except that dimensions beyond the fourth
	// are squeezed. Its datatype and scaling describe the file that was read,
	// not Data.
	Header Header
	// Data holds the intensities, scaling applied, with shape (N, Z, Y, X) in C
	// order, which is the order of the file. NaN and infinite voxels are kept.
	Data *tensor.Dense
	// Warnings says what was unusual in the file and how it was read.
	Warnings []string

	voxels func(n int) ([]float32, error) // makes the arrays of images made from this one; nil means the heap
}

const (
	badShape  = "nifti: image dimensions must be at least 1"
	badVolume = "nifti: volume index out of range"
	badTensor = "nifti: image data is not a float32 tensor of shape (N, Z, Y, X)"
)

// New returns an image of zeros with nt volumes (3-D if nt is 1) and the given
// voxel size in millimetres. Its NIfTI-1 header has sform and qform codes 1
// and the axes of the scanner's frame (x to the right, y to the front, z to
// the top), the origin in the middle of the grid. It panics if a dimension is
// less than 1.
func New(nx, ny, nz, nt int, voxelSize [3]float64) *Image {
	if nx < 1 || ny < 1 || nz < 1 || nt < 1 {
		panic(badShape)
	}
	h := Header{
		Version: 1, Datatype: Float32, BitPix: 32, SclSlope: 1,
		Dim:       [8]int64{3, int64(nx), int64(ny), int64(nz), 1, 1, 1, 1},
		PixDim:    [8]float64{1, voxelSize[0], voxelSize[1], voxelSize[2], 1, 1, 1, 1},
		XYZTUnits: 2 | 8, // millimetres, seconds
		SformCode: 1, QformCode: 1,
	}
	h.setVolumes(nt)
	for i, n := range [3]int{nx, ny, nz} {
		h.QOffset[i] = -voxelSize[i] * float64(n-1) / 2
		h.SRow[i][i] = voxelSize[i]
		h.SRow[i][3] = h.QOffset[i]
	}
	return &Image{Header: h, Data: newTensor(make([]float32, nx*ny*nz*nt), nx, ny, nz, nt)}
}

// Like returns an image of zeros with nt volumes on the grid of im, with the
// header that Header.Like makes. Its array is made as im's was (ReadOptions.Voxels),
// on the heap if that fails. It panics if nt is less than 1.
func (im *Image) Like(nt int) *Image {
	if im.voxels == nil {
		return im.Header.NewImage(nt)
	}
	nx, ny, nz, _ := im.Header.Shape()
	voxels, err := im.voxels(nx * ny * nz * nt)
	if err != nil {
		return im.Header.NewImage(nt)
	}
	return &Image{Header: im.Header.Like(nt), Data: newTensor(voxels, nx, ny, nz, nt), voxels: im.voxels}
}

// NewImage returns an image of zeros with nt volumes on the grid of h, with the
// header that Like makes. It panics if nt is less than 1.
func (h *Header) NewImage(nt int) *Image {
	nx, ny, nz, _ := h.Shape()
	return &Image{Header: h.Like(nt), Data: newTensor(make([]float32, nx*ny*nz*nt), nx, ny, nz, nt)}
}

// Like returns the header of an image with nt volumes on the grid of h. Fields
// are carried over but for what describes the voxels: the datatype is float32
// without scaling, the display window cal_min, cal_max is unset, and with
// another number of volumes the dimensions are 4-D, or 3-D for one volume. It
// panics if nt is less than 1.
func (h *Header) Like(nt int) Header {
	if nt < 1 {
		panic(badShape)
	}
	out := *h
	out.Extensions = append([]byte(nil), h.Extensions...)
	out.Datatype, out.BitPix = Float32, 32
	out.SclSlope, out.SclInter = 1, 0
	out.CalMin, out.CalMax = 0, 0
	if _, _, _, have := h.Shape(); nt != have || nt == 1 {
		out.setVolumes(nt)
	}
	return out
}

func newTensor(voxels []float32, nx, ny, nz, nt int) *tensor.Dense {
	return tensor.New(tensor.WithShape(nt, nz, ny, nx), tensor.WithBacking(voxels))
}

// Dims returns the lengths of the axes; nt is 1 for a 3-D image.
func (im *Image) Dims() (nx, ny, nz, nt int) {
	s := im.Data.Shape()
	if len(s) != 4 {
		panic(badTensor)
	}
	return s[3], s[2], s[1], s[0]
}

// Voxels returns all intensities, the storage of Data and not a copy. Voxel
// (x, y, z) of volume n is at index x + nx*(y + ny*(z + nz*n)).
func (im *Image) Voxels() []float32 {
	voxels, ok := im.Data.Data().([]float32)
	if !ok {
		panic(badTensor)
	}
	return voxels
}

// Volume returns the intensities of volume n, counted from 0, as a part of
// Voxels. It panics if there is no such volume.
func (im *Image) Volume(n int) []float32 {
	nx, ny, nz, nt := im.Dims()
	if n < 0 || n >= nt {
		panic(badVolume)
	}
	size := nx * ny * nz
	return im.Voxels()[n*size : (n+1)*size : (n+1)*size]
}
