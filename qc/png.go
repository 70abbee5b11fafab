package qc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
)

const (
	// DefaultDPI is the resolution of pictures for print, in pixels per inch.
	DefaultDPI = 300

	metresPerInch = 0.0254
	// A PNG begins with 8 bytes of signature and IHDR, the only chunk of fixed
	// length and place: length, name, 13 bytes, checksum.
	endOfIHDR = 8 + 4 + 4 + 13 + 4
	unitMetre = 1
)

// EncodePNG writes img to w as PNG with its resolution in a pHYs chunk: dpi
// pixels per inch in both directions (11811 pixels per metre at 300), or
// [DefaultDPI] for 0. The bytes depend on the pixels and dpi alone: no time and
// no text is stored.
func EncodePNG(w io.Writer, img image.Image, dpi int) error {
	if dpi < 0 {
		return fmt.Errorf("qc: resolution of %d dpi, want a positive number: %w", dpi, ErrInput)
	}
	if dpi == 0 {
		dpi = DefaultDPI
	}
	var buf bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.DefaultCompression}
	if err := enc.Encode(&buf, img); err != nil {
		return fmt.Errorf("qc: encode png: %w", err)
	}
	b := buf.Bytes()
	for _, part := range [][]byte{b[:endOfIHDR], physChunk(dpi), b[endOfIHDR:]} {
		if _, err := w.Write(part); err != nil {
			return fmt.Errorf("qc: write png: %w", err)
		}
	}
	return nil
}

// physChunk returns a whole pHYs chunk (PNG specification, 11.3.5.3).
func physChunk(dpi int) []byte {
	perMetre := uint32(math.Round(float64(dpi) / metresPerInch))
	c := binary.BigEndian.AppendUint32(nil, 9)
	c = append(c, "pHYs"...)
	c = binary.BigEndian.AppendUint32(c, perMetre)
	c = binary.BigEndian.AppendUint32(c, perMetre)
	c = append(c, unitMetre)
	return binary.BigEndian.AppendUint32(c, crc32.ChecksumIEEE(c[4:]))
}

// WritePNG stores img at path as [EncodePNG] does. The file appears under its
// name only when complete; a failure leaves nothing behind. An existing file is
// an [ErrExists] unless force is set.
func WritePNG(ctx context.Context, path string, img image.Image, dpi int, force bool) error {
	if err := refuseExisting(path, force); err != nil {
		return err
	}
	var buf bytes.Buffer
	if err := EncodePNG(&buf, img, dpi); err != nil {
		return err
	}
	if err := store(ctx, path, buf.Bytes(), force); err != nil {
		return fmt.Errorf("qc: write %q: %w", path, err)
	}
	return nil
}

// store writes data beside path and renames it when it is safe on disk.
func store(ctx context.Context, path string, data []byte, force bool) (err error) {
	// The name is random because two goroutines may write the same path.
	temp := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.tmp-%d-%08x", filepath.Base(path), os.Getpid(), rand.Uint32()))
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close() // closing twice is harmless; the first error is the one to report
			os.Remove(temp)
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// Another process may have written the file in the meantime.
	if err := refuseExisting(path, force); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

func refuseExisting(path string, force bool) error {
	if force {
		return nil
	}
	switch _, err := os.Lstat(path); {
	case err == nil:
		return fmt.Errorf("qc: %q is already there; choose another name or force overwriting: %w", path, ErrExists)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	default:
		return fmt.Errorf("qc: %w", err)
	}
}
