package nifti

import (
	"encoding/binary"
	"fmt"
)

// eachExtension calls visit with each extension in the bytes between header
// and voxels: size and code as integers, then content. It returns the position
// of the first that is damaged, -1 if there is none.
func eachExtension(b []byte, order binary.ByteOrder, visit func(extension []byte)) (damaged int) {
	if len(b) < 4 || b[0] == 0 {
		return -1
	}
	pos := 4
	for len(b)-pos >= 16 {
		size := order.Uint32(b[pos:])
		if size < 16 || size%16 != 0 || int64(size) > int64(len(b)-pos) {
			return pos
		}
		visit(b[pos : pos+int(size)])
		pos += int(size)
	}
	return -1
}

// extensionNote describes a damaged extension list, "" if all is well. The
// bytes are kept either way.
func (h *Header) extensionNote() string {
	damaged := eachExtension(h.Extensions, h.order(), func([]byte) {})
	if damaged < 0 {
		return ""
	}
	return fmt.Sprintf("the header extension at byte %d is damaged; it is kept as it is", h.size()+int64(damaged))
}

// littleEndianExtensions returns the extensions with the size and code of each
// in little-endian order. Their content has an order of its own and stays.
func (h *Header) littleEndianExtensions() []byte {
	if !h.BigEndian {
		return h.Extensions
	}
	b := append([]byte(nil), h.Extensions...)
	eachExtension(b, binary.BigEndian, func(extension []byte) { swapBytes(extension[:8], 4) })
	return b
}

func (h *Header) order() binary.ByteOrder {
	if h.BigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}
