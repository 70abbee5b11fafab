package nifti

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const (
	fixtureDir = "../testdata/nifti"
	zooDir     = "../../shared/data/nifti-zoo"
)

// oracle is what nibabel read from a file (testdata/nifti/make.py).
type oracle struct {
	Error       string        `json:"error"`
	Version     int           `json:"version"`
	BigEndian   bool          `json:"big_endian"`
	Pair        bool          `json:"pair"`
	Shape       []int         `json:"shape"`
	Datatype    Datatype      `json:"datatype"`
	Zooms       []float64     `json:"zooms"`
	Orientation string        `json:"orientation"`
	Affine      [4][4]float64 `json:"affine"`
	Descrip     string        `json:"descrip"`
	Extensions  [][2]int      `json:"extensions"`
	Sum         float64       `json:"sum"`
	SumSquares  *float64      `json:"sum_squares"`
	NotFinite   int           `json:"not_finite"`
	Every       int           `json:"every"`
	Voxels      string        `json:"voxels"`
}

func readOracles(t *testing.T, name string) map[string]oracle {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(fixtureDir, name))
	if err != nil {
		t.Fatal(err)
	}
	var oracles map[string]oracle
	if err := json.Unmarshal(b, &oracles); err != nil {
		t.Fatal(err)
	}
	if len(oracles) == 0 {
		t.Fatalf("%s is empty", name)
	}
	return oracles
}

func TestFixturesAgainstNibabel(t *testing.T) {
	for name, want := range readOracles(t, "fixtures.json") {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(fixtureDir, name)
			if want.Error != "" {
				_, err := ReadImage(t.Context(), path, ReadOptions{})
				kind, _, _ := strings.Cut(strings.TrimPrefix(name, "refused-"), ".")
				if !errors.Is(err, ErrUnsupported) || !strings.Contains(strings.ToLower(err.Error()), kind) {
					t.Errorf("ReadImage() error = %v, want ErrUnsupported naming %s", err, kind)
				}
				if h, err := ReadHeader(path); err != nil || h.Datatype.Readable() {
					t.Errorf("ReadHeader() = %v, %v, want the header", h, err)
				}
				return
			}
			want.compare(t, mustRead(t, path))
		})
	}
}

// TestZooAgainstNibabel reads files made by others, which are not part of the
// project.
func TestZooAgainstNibabel(t *testing.T) {
	if _, err := os.Stat(zooDir); err != nil {
		t.Skip("no ../shared/data/nifti-zoo beside the project")
	}
	refused := map[string]struct {
		err  error
		text string
	}{
		"gonii_rgb24.nii.gz":            {ErrUnsupported, "RGB24"},
		"malformed_bids_pet001_T1w.nii": {ErrNotNIfTI, "web page"},
		"nib_analyze.hdr":               {ErrNotNIfTI, "Analyze"},
		"nib_nifti1.hdr":                {os.ErrNotExist, ".img"},
		"nib_nifti2.hdr":                {os.ErrNotExist, ".img"},
		"nib_row_major.dconn.nii":       {ErrUnsupported, "CIFTI"},
	}
	for name, want := range readOracles(t, "zoo.json") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(zooDir, name)
			if want.Error == "" {
				want.compare(t, mustRead(t, path))
				return
			}
			_, err := ReadImage(t.Context(), path, ReadOptions{})
			r := refused[name]
			if r.err == nil || !errors.Is(err, r.err) || !strings.Contains(err.Error(), r.text) {
				t.Errorf("ReadImage() error = %v, want %v saying %q", err, r.err, r.text)
			}
		})
	}
}

func (want oracle) compare(t *testing.T, im *Image) {
	t.Helper()
	h := &im.Header
	if h.Version != want.Version || h.BigEndian != want.BigEndian || h.Pair != want.Pair || h.Datatype != want.Datatype || h.Descrip != want.Descrip {
		t.Errorf("header = version %d, big-endian %v, pair %v, %v, %q, want %d, %v, %v, %v, %q", h.Version, h.BigEndian, h.Pair, h.Datatype, h.Descrip,
			want.Version, want.BigEndian, want.Pair, want.Datatype, want.Descrip)
	}
	nx, ny, nz, nt := im.Dims()
	if diff := cmp.Diff(want.shape(), []int{nx, ny, nz, nt}); diff != "" {
		t.Errorf("dimensions (-want +got):\n%s", diff)
	}
	// nibabel builds qforms from the same float32 fields in another order of
	// operations.
	near := cmpopts.EquateApprox(0, 1e-5)
	affine, from := h.Affine()
	if from.String() != want.Orientation {
		t.Errorf("Affine() is from %v, want %v", from, want.Orientation)
	} else if diff := cmp.Diff(want.Affine, affine, near); diff != "" {
		t.Errorf("Affine() (-want +got):\n%s", diff)
	}
	size := h.VoxelSize()
	if diff := cmp.Diff(want.Zooms, size[:len(want.Zooms)], near); diff != "" {
		t.Errorf("VoxelSize() (-want +got):\n%s", diff)
	}
	var extensions [][2]int
	order := h.order()
	eachExtension(h.Extensions, order, func(e []byte) {
		extensions = append(extensions, [2]int{int(order.Uint32(e[4:])), len(e)})
	})
	if diff := cmp.Diff(want.Extensions, extensions, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("extensions (code, size; -want +got):\n%s", diff)
	}
	want.compareVoxels(t, im.Voxels())
}

// shape is the oracle's shape as this package sees it, in four dimensions.
func (want oracle) shape() []int {
	s := []int{1, 1, 1, 1}
	for i, n := range want.Shape {
		s[min(i, 3)] *= n
	}
	return s
}

func (want oracle) compareVoxels(t *testing.T, voxels []float32) {
	t.Helper()
	stored, err := hex.DecodeString(want.Voxels)
	if err != nil {
		t.Fatal(err)
	}
	expected, got := make([]float32, len(stored)/4), make([]float32, 0, len(stored)/4)
	for i := range expected {
		expected[i] = math.Float32frombits(binary.LittleEndian.Uint32(stored[4*i:]))
	}
	for i := 0; i < len(voxels); i += want.Every {
		got = append(got, voxels[i])
	}
	if !sameVoxels(expected, got) {
		t.Errorf("voxels differ: want %v\n got %v", expected, got)
	}
	sum, squares, notFinite := 0.0, 0.0, 0
	for _, v := range voxels {
		if v-v != 0 {
			notFinite++
			continue
		}
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	if notFinite != want.NotFinite {
		t.Errorf("%d voxels are not finite, want %d", notFinite, want.NotFinite)
	}
	// numpy sums pairwise: relative rounding differs by about √n·2⁻⁵³.
	if scale := math.Abs(want.Sum) + 1e-9; want.SumSquares != nil && math.Abs(sum-want.Sum) > 1e-9*max(scale, math.Sqrt(squares)) {
		t.Errorf("sum = %v, want %v", sum, want.Sum)
	}
	if want.SumSquares != nil && math.Abs(squares-*want.SumSquares) > 1e-9*squares {
		t.Errorf("sum of squares = %v, want %v", squares, *want.SumSquares)
	}
}
