package nifti

import (
	"fmt"
	"path/filepath"
	"testing"
)

// benchDims are a clinical series of 64 directions and more, cut in length.
const benchDims = "96x96x50x12"

// benchImage is Rician-like int16 noise over air and tissue.
func benchImage(b *testing.B) (raw []byte, voxels int) {
	b.Helper()
	const nx, ny, nz, nt = 96, 96, 50, 12
	voxels = nx * ny * nz * nt
	raw = header1(le, 4, 16, 4, nx, ny, nz, nt).b
	random := noise(voxels)
	for i, r := range random {
		level := 20
		if y := i / nx % ny; y > 20 && y < 76 {
			level = 600
		}
		raw = le.AppendUint16(raw, uint16(level+int(r)/4))
	}
	return raw, voxels
}

// asFloats is raw, a header with int16 voxels, as float32.
func asFloats(b *testing.B, raw []byte) []byte {
	b.Helper()
	path := filepath.Join(b.TempDir(), "f.nii")
	if err := mustRead(b, put(b, b.TempDir(), "i.nii", raw)).Write(b.Context(), path, WriteOptions{}); err != nil {
		b.Fatal(err)
	}
	return mustReadFile(b, path)
}

func BenchmarkRead(b *testing.B) {
	raw, voxels := benchImage(b)
	floats := asFloats(b, raw)
	for _, c := range []struct {
		name    string
		content []byte
		size    int
	}{{"int16", raw, 2}, {"int16gz", packed(b, raw), 2}, {"float32", floats, 4}, {"float32gz", packed(b, floats), 4}} {
		b.Run(c.name+"/"+benchDims, func(b *testing.B) {
			path := put(b, b.TempDir(), "a.nii", c.content)
			b.SetBytes(int64(c.size * voxels))
			for b.Loop() {
				mustRead(b, path)
			}
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	raw, voxels := benchImage(b)
	im := mustRead(b, put(b, b.TempDir(), "a.nii", raw))
	for i := range im.Voxels() {
		im.Voxels()[i] *= 1.0009 // results are no whole numbers
	}
	for _, suffix := range []string{".nii", ".nii.gz"} {
		for _, threads := range []int{1, 2} {
			o := WriteOptions{Force: true, Threads: threads}
			b.Run(fmt.Sprintf("%s/%dthreads/%s", suffix[1:], threads, benchDims), func(b *testing.B) {
				path := filepath.Join(b.TempDir(), "out"+suffix)
				b.SetBytes(int64(4 * voxels))
				for b.Loop() {
					if err := im.Write(b.Context(), path, o); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkConvert(b *testing.B) {
	for _, h := range []*Header{
		{Datatype: Int16}, {Datatype: Int16, BigEndian: true}, {Datatype: Int16, SclSlope: 0.5}, {Datatype: Float32}, {Datatype: Float64, BigEndian: true},
	} {
		b.Run(fmt.Sprintf("%v/bigendian=%v/slope=%v", h.Datatype, h.BigEndian, h.SclSlope), func(b *testing.B) {
			c := newConverter(h)
			src, dst := newVoxelBuffer(chunkVoxels*c.size), make([]float32, chunkVoxels)
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				c.run(dst, src)
			}
		})
	}
}
