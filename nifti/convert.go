package nifti

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// converter turns stored voxels of one type into float32 intensities.
type converter struct {
	size    int  // bytes per voxel
	swap    bool // the file's byte order is not this machine's
	convert func(dst []float32, src []byte, c *converter)
	slope   float64
	inter   float64

	notFinite int64 // NaN or infinite voxels in the file
	overflow  int64 // finite values beyond float32, now infinite
	rounded   int64 // whole numbers beyond ±2²⁴, of which float32 holds only some
}

var hostBigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// newConverter returns the converter for the voxels that h describes, whose
// datatype must be readable.
func newConverter(h *Header) *converter {
	c := &converter{size: h.Datatype.bytes(), swap: h.BigEndian != hostBigEndian}
	var scale bool
	c.slope, c.inter, scale = h.scaling()
	switch h.Datatype {
	case Uint8:
		c.convert = pick(scale, narrow[uint8], scaled[uint8])
	case Int8:
		c.convert = pick(scale, narrow[int8], scaled[int8])
	case Uint16:
		c.convert = pick(scale, narrow[uint16], scaled[uint16])
	case Int16:
		c.convert = pick(scale, narrow[int16], scaled[int16])
	case Uint32:
		c.convert = pick(scale, wide[uint32], scaled[uint32])
	case Int32:
		c.convert = pick(scale, wide[int32], scaled[int32])
	case Uint64:
		c.convert = pick(scale, wide[uint64], scaled[uint64])
	case Int64:
		c.convert = pick(scale, wide[int64], scaled[int64])
	case Float32:
		c.convert = pick(scale, floating[float32], scaled[float32])
	case Float64:
		c.convert = pick(scale, floating[float64], scaled[float64])
	}
	return c
}

func pick[T any](second bool, a, b T) T {
	if second {
		return b
	}
	return a
}

// run converts len(dst) voxels. The bytes of src, which must come from
// newVoxelBuffer, may be swapped in place.
func (c *converter) run(dst []float32, src []byte) {
	if c.swap {
		swapBytes(src, c.size)
	}
	c.convert(dst, src, c)
}

// newVoxelBuffer returns n bytes aligned for every voxel type.
func newVoxelBuffer(n int) []byte {
	words := make([]uint64, (n+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), n)
}

// view reinterprets the bytes of src, aligned and in host byte order, as voxels.
func view[T any](src []byte, n int) []T {
	if n == 0 {
		return nil
	}
	var v T
	_ = src[n*int(unsafe.Sizeof(v))-1]
	return unsafe.Slice((*T)(unsafe.Pointer(&src[0])), n)
}

func swapBytes(b []byte, size int) {
	switch size {
	case 2:
		for ; len(b) >= 2; b = b[2:] {
			b[0], b[1] = b[1], b[0]
		}
	case 4:
		for ; len(b) >= 4; b = b[4:] {
			binary.BigEndian.PutUint32(b, binary.LittleEndian.Uint32(b))
		}
	case 8:
		for ; len(b) >= 8; b = b[8:] {
			binary.BigEndian.PutUint64(b, binary.LittleEndian.Uint64(b))
		}
	}
}

// narrow converts integers that float32 holds exactly.
func narrow[T uint8 | int8 | uint16 | int16](dst []float32, src []byte, _ *converter) {
	for i, v := range view[T](src, len(dst)) {
		dst[i] = float32(v)
	}
}

// wide converts integers that float32 may have to round.
func wide[T uint32 | int32 | uint64 | int64](dst []float32, src []byte, c *converter) {
	for i, v := range view[T](src, len(dst)) {
		// Compared in float64: rounding to float32 would bring 2²⁴+1 down to 2²⁴.
		if f := float64(v); f > 1<<24 || f < -1<<24 {
			c.rounded++
		}
		dst[i] = float32(v)
	}
}

func floating[T float32 | float64](dst []float32, src []byte, c *converter) {
	for i, v := range view[T](src, len(dst)) {
		f := float32(v)
		if f-f != 0 {
			c.count(float64(v))
		}
		dst[i] = f
	}
}

// scaled computes stored·slope + inter in float64 and rounds once. The product
// is converted explicitly so that no compiler fuses it with the addition and
// all machines agree.
func scaled[T uint8 | int8 | uint16 | int16 | uint32 | int32 | uint64 | int64 | float32 | float64](dst []float32, src []byte, c *converter) {
	for i, v := range view[T](src, len(dst)) {
		f := float32(float64(float64(v)*c.slope) + c.inter)
		if f-f != 0 {
			c.count(float64(v))
		}
		dst[i] = f
	}
}

// count notes why a converted voxel is not finite.
func (c *converter) count(stored float64) {
	if math.IsNaN(stored) || math.IsInf(stored, 0) {
		c.notFinite++
	} else {
		c.overflow++
	}
}
