package nifti

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// magic strings by version; the second four bytes of version 2 reveal a
// transfer that rewrote line ends.
const (
	magicSingle1 = "n+1\x00"
	magicPair1   = "ni1\x00"
	magicSingle2 = "n+2\x00"
	magicPair2   = "ni2\x00"
	magicLineEnd = "\r\n\x1a\n"
)

// readHeader reads header and extensions from the front of the content.
func (s *source) readHeader() (*Header, []string, error) {
	head, err := s.peek(headerSize2)
	version, order, ok := headerKind(head)
	if !ok {
		if err != nil {
			return nil, nil, s.explain(err)
		}
		return nil, nil, explainStranger(head)
	}
	h, notes, headerErr := decodeHeader(head, version, order)
	if errors.Is(headerErr, ErrTruncated) && err != nil {
		headerErr = s.explain(err)
	}
	if headerErr != nil {
		return nil, nil, headerErr
	}
	if err := s.readExtensions(h); err != nil {
		return nil, nil, err
	}
	if note := h.extensionNote(); note != "" {
		notes = append(notes, note)
	}
	return h, notes, nil
}

// readExtensions moves past the header and reads what lies before the voxels,
// or the rest of the .hdr file of a pair. Memory grows only with what is there.
func (s *source) readExtensions(h *Header) error {
	if _, err := io.CopyN(io.Discard, s.content, h.size()); err != nil {
		return s.explain(err)
	}
	gap := h.VoxOffset - h.size()
	if h.Pair {
		gap = maxExtension + 1
	}
	extensions, err := io.ReadAll(io.LimitReader(s.content, gap))
	if err != nil {
		return s.explain(err)
	}
	if h.Pair && int64(len(extensions)) == gap {
		return fmt.Errorf("more than %d MiB of extensions: %w", maxExtension>>20, ErrTooLarge)
	}
	if !h.Pair && int64(len(extensions)) < gap {
		return fmt.Errorf("vox_offset = %d, but the content ends after %d bytes: %w", h.VoxOffset, h.size()+int64(len(extensions)), ErrTruncated)
	}
	h.Extensions = extensions
	return nil
}

// headerKind tells version and byte order from the first four bytes, which
// hold the header's own size; ok is false if they do not.
func headerKind(b []byte) (version int, order binary.ByteOrder, ok bool) {
	if len(b) < 4 {
		return 0, nil, false
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(b) {
		case headerSize1:
			return 1, order, true
		case headerSize2:
			return 2, order, true
		}
	}
	return 0, nil, false
}

// decodeHeader decodes and checks the header at the start of b, whose first
// bytes headerKind has accepted. Extensions are not part of it.
func decodeHeader(b []byte, version int, order binary.ByteOrder) (*Header, []string, error) {
	h := &Header{Version: version, BigEndian: order == binary.BigEndian}
	if int64(len(b)) < h.size() {
		return nil, nil, fmt.Errorf("header of %d bytes ends after %d: %w", h.size(), len(b), ErrTruncated)
	}
	l := &layout{buf: b, order: order}
	var notes []string
	var err error
	offset := 0.0
	if version == 2 {
		magic := make([]byte, 8)
		l.version2(h, magic)
		offset = float64(h.VoxOffset)
		notes, err = h.checkMagic2(string(magic))
	} else {
		magic := make([]byte, 4)
		l.version1(h, &offset, magic)
		err = h.checkMagic1(string(magic))
	}
	if err == nil {
		err = h.checkDims()
	}
	if err != nil {
		return nil, nil, err
	}
	more, err := h.checkOffset(offset)
	return h, append(notes, more...), err
}

func (h *Header) checkMagic1(magic string) error {
	switch magic {
	case magicSingle1:
	case magicPair1:
		h.Pair = true
	default:
		return fmt.Errorf("header has no NIfTI magic (found %q), perhaps Analyze 7.5, whose left and right are undefined; convert it to NIfTI first: %w", magic, ErrNotNIfTI)
	}
	return nil
}

func (h *Header) checkMagic2(magic string) (notes []string, err error) {
	switch magic[:4] {
	case magicSingle2:
	case magicPair2:
		h.Pair = true
	default:
		return nil, fmt.Errorf("540-byte header without NIfTI-2 magic (found %q): %w", magic[:4], ErrNotNIfTI)
	}
	switch magic[4:] {
	case magicLineEnd:
	case "\x00\x00\x00\x00":
		notes = []string{"the second half of the NIfTI-2 magic is missing"}
	default:
		return nil, fmt.Errorf("the line-end bytes of the magic are %q, want %q; the file was probably transferred in text mode: %w", magic[4:], magicLineEnd, ErrInvalidHeader)
	}
	return notes, nil
}

// checkOffset sets VoxOffset from the field's value. In a single file the
// voxels cannot begin inside the header, so small values mean "directly after
// the header and its four-byte extender".
func (h *Header) checkOffset(offset float64) (notes []string, err error) {
	if math.IsNaN(offset) || math.Abs(offset) > 1<<53 || h.Pair && offset < 0 {
		return nil, fmt.Errorf("vox_offset = %v: %w", offset, ErrInvalidHeader)
	}
	h.VoxOffset = int64(offset)
	if float64(h.VoxOffset) != offset {
		notes = append(notes, fmt.Sprintf("vox_offset = %v taken as %d", offset, h.VoxOffset))
	}
	if first := h.size() + 4; !h.Pair && h.VoxOffset < first {
		if h.VoxOffset != 0 {
			notes = append(notes, fmt.Sprintf("vox_offset = %v lies inside the header, taken as %d", offset, first))
		}
		h.VoxOffset = first
	}
	if gap := h.VoxOffset - h.size(); !h.Pair && gap > maxExtension {
		return nil, fmt.Errorf("vox_offset = %v leaves %d MiB for extensions, more than %d: %w", offset, gap>>20, maxExtension>>20, ErrTooLarge)
	}
	return notes, nil
}

// voxelNotes describes what is unusual about the voxel fields.
func (h *Header) voxelNotes() []string {
	var notes []string
	if bits := h.Datatype.BitsPerVoxel(); int(h.BitPix) != bits {
		notes = append(notes, fmt.Sprintf("bitpix = %d, but %v has %d bits; the datatype is trusted", h.BitPix, h.Datatype, bits))
	}
	if !finite(h.SclSlope) {
		notes = append(notes, fmt.Sprintf("scl_slope = %v, so intensities are not scaled", h.SclSlope))
	} else if h.SclSlope != 0 && !finite(h.SclInter) {
		notes = append(notes, fmt.Sprintf("scl_inter = %v taken as 0", h.SclInter))
	}
	return notes
}

// scaling returns the factor and offset to apply to stored values; apply is
// false if stored values are the intensities.
func (h *Header) scaling() (slope, inter float64, apply bool) {
	if h.SclSlope == 0 || !finite(h.SclSlope) {
		return 1, 0, false
	}
	slope = h.SclSlope
	if finite(h.SclInter) {
		inter = h.SclInter
	}
	return slope, inter, slope != 1 || inter != 0
}

func finite(x float64) bool { return x-x == 0 }
