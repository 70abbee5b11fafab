package nifti

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// layout walks the fields of a binary header in file order. The same walk
// decodes (encode false: bytes to fields) and encodes, so the two cannot
// disagree about where a field is.
type layout struct {
	buf    []byte
	pos    int
	order  binary.ByteOrder
	encode bool
	err    error
}

func (l *layout) next(n int) []byte {
	b := l.buf[l.pos : l.pos+n]
	l.pos += n
	return b
}

// integer is one signed field of the given size in bytes; single bytes are
// unsigned. On encoding a value that does not fit is an error.
func integer[T ~int16 | ~int32 | ~int64](l *layout, name string, size int, v *T) {
	b := l.next(size)
	if !l.encode {
		switch size {
		case 1:
			*v = T(b[0])
		case 2:
			*v = T(int16(l.order.Uint16(b)))
		case 4:
			*v = T(int32(l.order.Uint32(b)))
		case 8:
			*v = T(int64(l.order.Uint64(b)))
		}
		return
	}
	x := int64(*v)
	lo, hi := -int64(1)<<(8*size-1), int64(1)<<(8*size-1)-1
	if size == 1 {
		lo, hi = 0, 255
	}
	if x < lo || x > hi {
		l.err = fmt.Errorf("%s = %d does not fit the header's %d-byte field: %w", name, x, size, ErrInvalidHeader)
		return
	}
	switch size {
	case 1:
		b[0] = byte(x)
	case 2:
		l.order.PutUint16(b, uint16(x))
	case 4:
		l.order.PutUint32(b, uint32(x))
	case 8:
		l.order.PutUint64(b, uint64(x))
	}
}

// floats is a run of floating-point fields of size 4 or 8 bytes.
func (l *layout) floats(size int, v ...*float64) {
	for _, f := range v {
		b := l.next(size)
		switch {
		case size == 4 && l.encode:
			l.order.PutUint32(b, math.Float32bits(float32(*f)))
		case size == 4:
			*f = float64(math.Float32frombits(l.order.Uint32(b)))
		case l.encode:
			l.order.PutUint64(b, math.Float64bits(*f))
		default:
			*f = math.Float64frombits(l.order.Uint64(b))
		}
	}
}

// raw is a run of bytes.
func (l *layout) raw(v []byte) {
	if b := l.next(len(v)); l.encode {
		copy(b, v)
	} else {
		copy(v, b)
	}
}

// text is a zero-terminated text field. raw holds its bytes as read; they are
// written again unless the text was changed.
func (l *layout) text(s *string, raw []byte) {
	if !l.encode {
		l.raw(raw)
		*s = upToZero(raw)
		return
	}
	b := l.next(len(raw))
	if *s == upToZero(raw) {
		copy(b, raw)
		return
	}
	copy(b[:len(b)-1], *s)
}

func upToZero(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// version1 walks the 348 bytes of a NIfTI-1 header. The voxel offset is a
// float there, so it is handed over separately.
func (l *layout) version1(h *Header, offset *float64, magic []byte) {
	l.pos = 4 // sizeof_hdr
	l.raw(h.Legacy.DataType[:])
	l.raw(h.Legacy.DBName[:])
	integer(l, "extents", 4, &h.Legacy.Extents)
	integer(l, "session_error", 2, &h.Legacy.SessionError)
	l.byte(&h.Legacy.Regular)
	l.byte(&h.DimInfo)
	for i := range h.Dim {
		integer(l, fmt.Sprintf("dim[%d]", i), 2, &h.Dim[i])
	}
	l.floats(4, &h.IntentP[0], &h.IntentP[1], &h.IntentP[2])
	integer(l, "intent_code", 2, &h.IntentCode)
	integer(l, "datatype", 2, &h.Datatype)
	integer(l, "bitpix", 2, &h.BitPix)
	integer(l, "slice_start", 2, &h.SliceStart)
	l.pixdim(4, h)
	l.floats(4, offset, &h.SclSlope, &h.SclInter)
	integer(l, "slice_end", 2, &h.SliceEnd)
	integer(l, "slice_code", 1, &h.SliceCode)
	integer(l, "xyzt_units", 1, &h.XYZTUnits)
	l.floats(4, &h.CalMax, &h.CalMin, &h.SliceDuration, &h.TOffset)
	integer(l, "glmax", 4, &h.Legacy.GLMax)
	integer(l, "glmin", 4, &h.Legacy.GLMin)
	l.text(&h.Descrip, h.text.descrip[:])
	l.text(&h.AuxFile, h.text.auxFile[:])
	integer(l, "qform_code", 2, &h.QformCode)
	integer(l, "sform_code", 2, &h.SformCode)
	l.orientation(4, h)
	l.text(&h.IntentName, h.text.intentName[:])
	l.raw(magic)
}

// version2 walks the 540 bytes of a NIfTI-2 header.
func (l *layout) version2(h *Header, magic []byte) {
	l.pos = 4 // sizeof_hdr
	l.raw(magic)
	integer(l, "datatype", 2, &h.Datatype)
	integer(l, "bitpix", 2, &h.BitPix)
	for i := range h.Dim {
		integer(l, fmt.Sprintf("dim[%d]", i), 8, &h.Dim[i])
	}
	l.floats(8, &h.IntentP[0], &h.IntentP[1], &h.IntentP[2])
	l.pixdim(8, h)
	integer(l, "vox_offset", 8, &h.VoxOffset)
	l.floats(8, &h.SclSlope, &h.SclInter, &h.CalMax, &h.CalMin, &h.SliceDuration, &h.TOffset)
	integer(l, "slice_start", 8, &h.SliceStart)
	integer(l, "slice_end", 8, &h.SliceEnd)
	l.text(&h.Descrip, h.text.descrip[:])
	l.text(&h.AuxFile, h.text.auxFile[:])
	integer(l, "qform_code", 4, &h.QformCode)
	integer(l, "sform_code", 4, &h.SformCode)
	l.orientation(8, h)
	integer(l, "slice_code", 4, &h.SliceCode)
	integer(l, "xyzt_units", 4, &h.XYZTUnits)
	integer(l, "intent_code", 4, &h.IntentCode)
	l.text(&h.IntentName, h.text.intentName[:])
	l.byte(&h.DimInfo)
	l.raw(h.Legacy.UnusedStr[:])
}

func (l *layout) byte(v *byte) {
	if b := l.next(1); l.encode {
		b[0] = *v
	} else {
		*v = b[0]
	}
}

func (l *layout) pixdim(size int, h *Header) {
	for i := range h.PixDim {
		l.floats(size, &h.PixDim[i])
	}
}

func (l *layout) orientation(size int, h *Header) {
	l.floats(size, &h.Quatern[0], &h.Quatern[1], &h.Quatern[2])
	l.floats(size, &h.QOffset[0], &h.QOffset[1], &h.QOffset[2])
	for i := range h.SRow {
		l.floats(size, &h.SRow[i][0], &h.SRow[i][1], &h.SRow[i][2], &h.SRow[i][3])
	}
}
