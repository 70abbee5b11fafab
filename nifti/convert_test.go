package nifti

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// noise returns n bytes that do not compress.
func noise(n int) []byte {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// TestScaling checks stored·slope + inter, computed in float64 and rounded
// once, at the ends of the types' ranges.
func TestScaling(t *testing.T) {
	inf := float32(math.Inf(1))
	nan := float32(math.NaN())
	tests := []struct {
		name         string
		datatype     int16
		stored       any
		slope, inter float64
		want         []float32
		warning      string
	}{
		{"int8 ends", 256, []int8{-128, -1, 127}, 1, 0, []float32{-128, -1, 127}, ""},
		{"uint8 ends", 2, []uint8{0, 128, 255}, 1, 0, []float32{0, 128, 255}, ""},
		{"int16 slope", 4, []int16{-32768, 0, 32767}, 0.5, 1, []float32{-16383, 1, 16384.5}, ""},
		{"uint16 negative slope", 512, []uint16{0, 1, 65535}, -2, 0, []float32{0, -2, -131070}, ""},
		{"int32 ends", 8, []int32{math.MinInt32, -1, math.MaxInt32}, 1, 0, []float32{-2147483648, -1, 2147483648}, "2 voxels are whole numbers beyond"},
		{"uint32 ends", 768, []uint32{0, 1 << 24, math.MaxUint32}, 1, 0, []float32{0, 16777216, 4294967296}, "1 voxels are whole numbers beyond"},
		{"int64 ends", 1024, []int64{math.MinInt64, 3, math.MaxInt64}, 1, 0, []float32{-9223372036854775808, 3, 9223372036854775808}, "2 voxels are whole"},
		{"uint32 first rounded", 768, []uint32{1 << 24, 1<<24 + 1, 1<<24 + 3}, 1, 0, []float32{16777216, 16777216, 16777220}, "2 voxels are whole"},
		{"uint64 ends", 1280, []uint64{0, 1, math.MaxUint64}, 1, 0, []float32{0, 1, 18446744073709551616}, "1 voxels are whole"},
		{"int32 kept exact by the offset", 8, []int32{2000000001, 2000000002, 2000000003}, 1, -2e9, []float32{1, 2, 3}, ""},
		{"slope 1e30 overflows", 4, []int16{0, 1, 32767}, 1.5e34, 1, []float32{1, 1.5e34, inf}, "1 voxels are beyond"},
		{"slope to subnormal", 4, []int16{0, 1, -1}, 1e-40, 0, []float32{0, 1e-40, -1e-40}, ""},
		{"float32 specials", 16, []float32{nan, inf, -1}, 1, 0, []float32{nan, inf, -1}, "2 values are NaN or infinite"},
		{"float32 scaled", 16, []float32{nan, -inf, -1}, -2, 3, []float32{nan, inf, 5}, "2 values are NaN or infinite"},
		{"float64 beyond float32", 64, []float64{1e39, -1e39, 1e-50}, 1, 0, []float32{inf, -inf, 0}, "2 voxels are beyond"},
		{"float64 scaled back", 64, []float64{1e39, -1e39, 0}, 0.5e-2, 0, []float32{5e36, -5e36, 0}, ""},
		{"slope 0 ignores inter", 64, []float64{1, 2, 3}, 0, 100, []float32{1, 2, 3}, ""},
	}
	for _, tt := range tests {
		for _, order := range []binary.AppendByteOrder{le, be} {
			t.Run(tt.name+"/"+order.String(), func(t *testing.T) {
				// NIfTI-2 holds slope and inter in float64.
				h := header2(order.(binary.ByteOrder), tt.datatype, int16(Datatype(tt.datatype).BitsPerVoxel()), 1, 3)
				h.f64(176, tt.slope).f64(184, tt.inter)
				im := mustRead(t, put(t, t.TempDir(), "a.nii", h.with(encodeAs(t, order.(binary.ByteOrder), tt.stored))))
				if !sameVoxels(im.Voxels(), tt.want) {
					t.Errorf("Voxels() = %v, want %v", im.Voxels(), tt.want)
				}
				if got := strings.Join(im.Warnings, "; "); tt.warning == "" && got != "" || !strings.Contains(got, tt.warning) {
					t.Errorf("Warnings = %q, want %q", got, tt.warning)
				}
			})
		}
	}
}

func TestConvertDoesNotAllocate(t *testing.T) {
	h := &Header{Datatype: Int16, SclSlope: 0.5, BigEndian: true}
	c := newConverter(h)
	src, dst := newVoxelBuffer(2048), make([]float32, 1024)
	if n := testing.AllocsPerRun(10, func() { c.run(dst, src) }); n != 0 {
		t.Errorf("converting a chunk allocates %v times, want 0", n)
	}
}
