package nifti

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// TestAffinePrecedence checks which form is used. Each is recognised by its offset.
func TestAffinePrecedence(t *testing.T) {
	base := New(4, 4, 4, 1, [3]float64{2, 2, 2}).Header
	base.QOffset, base.SRow[0][3] = [3]float64{11, 0, 0}, 22
	tests := []struct {
		name   string
		change func(h *Header)
		offset float64
		from   Orientation
	}{
		{"both", func(*Header) {}, 22, Sform},
		{"only qform", func(h *Header) { h.SformCode = 0 }, 11, Qform},
		{"only sform", func(h *Header) { h.QformCode = 0 }, 22, Sform},
		{"none", func(h *Header) { h.SformCode, h.QformCode = 0, 0 }, 0, NoOrientation},
		{"negative codes", func(h *Header) { h.SformCode, h.QformCode = -1, -2 }, 0, NoOrientation},
		{"sform zero", func(h *Header) { h.SRow = [3][4]float64{} }, 11, Qform},
		{"sform of NaN", func(h *Header) { h.SRow[1][1] = math.NaN() }, 11, Qform},
		{"sform offset infinite", func(h *Header) { h.SRow[1][3] = math.Inf(1) }, 11, Qform},
		{"qform of NaN", func(h *Header) { h.SformCode, h.Quatern[1] = 0, math.NaN() }, 0, NoOrientation},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := base
			tt.change(&h)
			a, from := h.Affine()
			if from != tt.from || a[0][3] != tt.offset || math.Abs(a[2][2]) != 2 {
				t.Errorf("Affine() = %v from %v, want offset %v from %v", a, from, tt.offset, tt.from)
			}
		})
	}
}

// TestQform checks rotations whose matrix is known.
func TestQform(t *testing.T) {
	half := math.Sqrt(0.5)
	tests := []struct {
		name    string
		qfac    float64
		quatern [3]float64
		want    [3][3]float64 // columns scaled by the voxel size 1, 2, 3
	}{
		{"identity", 1, [3]float64{}, [3][3]float64{{1, 0, 0}, {0, 2, 0}, {0, 0, 3}}},
		{"qfac 0 is 1", 0, [3]float64{}, [3][3]float64{{1, 0, 0}, {0, 2, 0}, {0, 0, 3}}},
		{"qfac -1", -1, [3]float64{}, [3][3]float64{{1, 0, 0}, {0, 2, 0}, {0, 0, -3}}},
		{"half turn about y", -1, [3]float64{0, 1, 0}, [3][3]float64{{-1, 0, 0}, {0, 2, 0}, {0, 0, 3}}},
		{"quarter turn about z", 1, [3]float64{0, 0, half}, [3][3]float64{{0, -2, 0}, {1, 0, 0}, {0, 0, 3}}},
		{"quarter turn about x", 1, [3]float64{half, 0, 0}, [3][3]float64{{1, 0, 0}, {0, 0, -3}, {0, 2, 0}}},
		{"slightly above 1", 1, [3]float64{0, 1 + 1e-6, 0}, [3][3]float64{{-1, 0, 0}, {0, 2, 0}, {0, 0, -3}}},
		{"far above 1", 1, [3]float64{0, 0, -7}, [3][3]float64{{-1, 0, 0}, {0, -2, 0}, {0, 0, 3}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := Header{QformCode: 1, PixDim: [8]float64{tt.qfac, 1, 2, 3}, Quatern: tt.quatern, QOffset: [3]float64{4, 5, 6}}
			want := [4][4]float64{3: {0, 0, 0, 1}}
			for i := range 3 {
				copy(want[i][:], tt.want[i][:])
				want[i][3] = float64(4 + i)
			}
			got, from := h.Affine()
			// Rounding of products of square roots; the clamped case differs from
			// the ideal by nothing more.
			if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-12)); diff != "" || from != Qform {
				t.Errorf("Affine() from %v (-want +got):\n%s", from, diff)
			}
		})
	}
}

// TestQuaternionCycle turns random rotations into a quaternion by the
// textbook formula and expects the same matrix back.
func TestQuaternionCycle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.Float64Range(-1, 1)
		x, y, z := unit.Draw(t, "x"), unit.Draw(t, "y"), unit.Draw(t, "z")
		angle := rapid.Float64Range(0, math.Pi).Draw(t, "angle")
		norm := math.Sqrt(x*x + y*y + z*z)
		if norm < 1e-3 {
			t.Skip("no axis")
		}
		x, y, z = x/norm, y/norm, z/norm
		s := math.Sin(angle / 2)
		h := Header{QformCode: 1, PixDim: [8]float64{1, 1, 1, 1}, Quatern: [3]float64{x * s, y * s, z * s}}
		got, _ := h.Affine()
		sin, cos := math.Sincos(angle)
		v := 1 - cos
		want := [4][4]float64{ // Rodrigues' formula
			{cos + x*x*v, x*y*v - z*sin, x*z*v + y*sin, 0},
			{y*x*v + z*sin, cos + y*y*v, y*z*v - x*sin, 0},
			{z*x*v - y*sin, z*y*v + x*sin, cos + z*z*v, 0},
			{0, 0, 0, 1},
		}
		// Near a half turn a = √(1-b²-c²-d²) is clamped to 0 below √1e-7.
		if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-3)); diff != "" {
			t.Fatalf("rotation (-want +got):\n%s", diff)
		}
		if a := angle; a < 3.1 {
			if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
				t.Fatalf("rotation away from half turns (-want +got):\n%s", diff)
			}
		}
	})
}

func TestNewOrientation(t *testing.T) {
	im := New(5, 7, 9, 2, [3]float64{1, 2, 3})
	s, from := im.Header.Affine()
	q := im.Header.qform()
	if diff := cmp.Diff(s, q); diff != "" || from != Sform {
		t.Errorf("sform and qform of New differ (from %v):\n%s", from, diff)
	}
	for i, middle := range []float64{2, 3, 4} {
		if at := s[i][i]*middle + s[i][3]; at != 0 {
			t.Errorf("middle voxel is at %v along axis %d, want 0", at, i)
		}
	}
	if notes := im.Header.orientationNotes(); notes != nil {
		t.Errorf("orientation notes of New: %v", notes)
	}
}
