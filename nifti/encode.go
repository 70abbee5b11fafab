package nifti

import (
	"encoding/binary"
	"fmt"
	"math"
)

// forOutput returns the header to write for float32 voxels of h's shape, in
// little-endian order: in the version of h, or as NIfTI-2 where a length
// exceeds NIfTI-1's 16 bits.
func (h *Header) forOutput(pair bool) *Header {
	out := *h
	out.Extensions = h.littleEndianExtensions()
	out.Pair, out.BigEndian = pair, false
	out.Datatype, out.BitPix = Float32, 32
	out.SclSlope, out.SclInter = 1, 0
	if out.Version != 2 {
		out.Version = 1
		for _, n := range out.Dim[1:] {
			if n > math.MaxInt16 {
				out.Version = 2
			}
		}
	}
	return &out
}

// encode returns the bytes that stand before the voxels of a single file, or
// the whole .hdr file of a pair. h must come from forOutput; VoxOffset is set.
func (h *Header) encode() ([]byte, error) {
	extensions := h.Extensions
	if len(extensions) < 4 && !h.Pair {
		extensions = make([]byte, 4)
	}
	size := h.size()
	h.VoxOffset = 0
	if !h.Pair {
		h.VoxOffset = size + int64(len(extensions))
	}
	offset := float64(h.VoxOffset)
	if len(extensions) > maxExtension || h.Version == 1 && float64(float32(offset)) != offset {
		return nil, fmt.Errorf("extensions of %d bytes: %w", len(extensions), ErrTooLarge)
	}
	b := make([]byte, size, size+int64(len(extensions)))
	binary.LittleEndian.PutUint32(b, uint32(size))
	l := &layout{buf: b, order: binary.LittleEndian, encode: true}
	if h.Version == 2 {
		l.version2(h, []byte(h.magic()+magicLineEnd))
	} else {
		l.version1(h, &offset, []byte(h.magic()))
	}
	return append(b, extensions...), l.err
}

func (h *Header) magic() string {
	switch {
	case h.Version == 2 && h.Pair:
		return magicPair2
	case h.Version == 2:
		return magicSingle2
	case h.Pair:
		return magicPair1
	}
	return magicSingle1
}
