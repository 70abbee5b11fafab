package qc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

// chunk is one chunk of a PNG file.
type chunk struct {
	name string
	data []byte
}

// chunks splits a PNG file and checks every length and checksum.
func chunks(t *testing.T, b []byte) []chunk {
	t.Helper()
	if !bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")) {
		t.Fatalf("no PNG signature in % x", b[:min(8, len(b))])
	}
	var cs []chunk
	for b = b[8:]; len(b) > 0; {
		n := int(binary.BigEndian.Uint32(b))
		if len(b) < n+12 {
			t.Fatalf("chunk %q of %d bytes runs past the end", b[4:8], n)
		}
		if got, want := binary.BigEndian.Uint32(b[8+n:]), crc32.ChecksumIEEE(b[4:8+n]); got != want {
			t.Fatalf("checksum of %q = %08x, want %08x", b[4:8], got, want)
		}
		cs = append(cs, chunk{string(b[4:8]), b[8 : 8+n]})
		b = b[n+12:]
	}
	return cs
}

// pixelsPerMetre returns what the pHYs chunk of a PNG file says.
func pixelsPerMetre(t *testing.T, b []byte) (x, y uint32) {
	t.Helper()
	for i, c := range chunks(t, b) {
		if c.name != "pHYs" {
			continue
		}
		if i != 1 {
			t.Errorf("pHYs is chunk %d, want 1 (right after IHDR)", i)
		}
		if len(c.data) != 9 || c.data[8] != 1 {
			t.Fatalf("pHYs = % x, want 9 bytes ending in 1 (metres)", c.data)
		}
		return binary.BigEndian.Uint32(c.data), binary.BigEndian.Uint32(c.data[4:])
	}
	t.Fatal("no pHYs chunk")
	return 0, 0
}

func testCard() *image.Gray {
	m := image.NewGray(image.Rect(0, 0, 5, 3))
	for i := range m.Pix {
		m.Pix[i] = uint8(17 * i)
	}
	return m
}

func TestEncodePNGResolution(t *testing.T) {
	for _, c := range []struct {
		name string
		dpi  int
		want uint32
	}{
		{"print", 300, 11811},
		{"default", 0, 11811},
		{"screen", 72, 2835},
		{"fine", 600, 23622},
	} {
		t.Run(c.name, func(t *testing.T) {
			var buf bytes.Buffer
			if err := EncodePNG(&buf, testCard(), c.dpi); err != nil {
				t.Fatal(err)
			}
			if x, y := pixelsPerMetre(t, buf.Bytes()); x != c.want || y != c.want {
				t.Errorf("pixels per metre = %d, %d, want %d", x, y, c.want)
			}
			for _, k := range chunks(t, buf.Bytes()) {
				if k.name == "tIME" || k.name == "tEXt" {
					t.Errorf("chunk %s makes the file depend on more than the picture", k.name)
				}
			}
			got, err := png.Decode(&buf)
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range testCard().Pix {
				if g := color.GrayModel.Convert(got.At(i%5, i/5)).(color.Gray); g.Y != want {
					t.Errorf("pixel %d = %d, want %d", i, g.Y, want)
				}
			}
		})
	}
	if err := EncodePNG(&bytes.Buffer{}, testCard(), -1); !errors.Is(err, ErrInput) {
		t.Errorf("EncodePNG(-1 dpi) = %v, want ErrInput", err)
	}
}

func TestWritePNG(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	path := filepath.Join(dir, "a.png")
	if err := WritePNG(ctx, path, testCard(), 300, false); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if x, _ := pixelsPerMetre(t, first); x != 11811 {
		t.Errorf("pixels per metre = %d, want 11811", x)
	}
	other := testCard()
	other.Pix[0] = 99
	if err := WritePNG(ctx, path, other, 300, false); !errors.Is(err, ErrExists) {
		t.Errorf("second WritePNG = %v, want ErrExists", err)
	}
	if again, _ := os.ReadFile(path); !bytes.Equal(again, first) {
		t.Error("the file changed although WritePNG refused it")
	}
	if err := WritePNG(ctx, path, testCard(), 300, true); err != nil {
		t.Errorf("forced WritePNG: %v", err)
	}
	if again, _ := os.ReadFile(path); !bytes.Equal(again, first) {
		t.Error("the same picture gave other bytes")
	}

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := WritePNG(cancelled, filepath.Join(dir, "b.png"), testCard(), 300, false); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled WritePNG = %v, want context.Canceled", err)
	}
	if err := WritePNG(ctx, filepath.Join(dir, "none", "c.png"), testCard(), 300, false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("WritePNG into a missing folder = %v, want os.ErrNotExist", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "a.png" {
		t.Errorf("folder holds %v (%v), want a.png alone", left, err)
	}
}
