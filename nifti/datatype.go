package nifti

import "fmt"

// Datatype is the code of a voxel type, the header's datatype field.
type Datatype int16

// The voxel types that are read.
const (
	Uint8   Datatype = 2
	Int16   Datatype = 4
	Int32   Datatype = 8
	Float32 Datatype = 16
	Float64 Datatype = 64
	Int8    Datatype = 256
	Uint16  Datatype = 512
	Uint32  Datatype = 768
	Int64   Datatype = 1024
	Uint64  Datatype = 1280
)

// The voxel types that are recognised and refused.
const (
	Binary     Datatype = 1
	Complex64  Datatype = 32
	RGB24      Datatype = 128
	Float128   Datatype = 1536
	Complex128 Datatype = 1792
	Complex256 Datatype = 2048
	RGBA32     Datatype = 2304
)

var datatypes = map[Datatype]struct {
	name string
	bits int16
}{
	Binary: {"binary", 1}, Uint8: {"uint8", 8}, Int8: {"int8", 8},
	Int16: {"int16", 16}, Uint16: {"uint16", 16},
	RGB24: {"RGB24", 24}, RGBA32: {"RGBA32", 32},
	Int32: {"int32", 32}, Uint32: {"uint32", 32}, Float32: {"float32", 32},
	Int64: {"int64", 64}, Uint64: {"uint64", 64}, Float64: {"float64", 64},
	Complex64: {"complex64", 64}, Complex128: {"complex128", 128},
	Float128: {"float128", 128}, Complex256: {"complex256", 256},
}

// String returns the type's usual name, such as "int16" or "RGB24".
func (d Datatype) String() string {
	if t, ok := datatypes[d]; ok {
		return t.name
	}
	return fmt.Sprintf("unknown datatype %d", int16(d))
}

// BitsPerVoxel returns the size of one voxel in bits, 0 for an unknown type.
func (d Datatype) BitsPerVoxel() int { return int(datatypes[d].bits) }

// Readable reports whether images of this type can be read.
func (d Datatype) Readable() bool {
	switch d {
	case Uint8, Int8, Int16, Uint16, Int32, Uint32, Int64, Uint64, Float32, Float64:
		return true
	}
	return false
}

// bytes returns the size of one voxel of a readable type.
func (d Datatype) bytes() int { return int(datatypes[d].bits) / 8 }
