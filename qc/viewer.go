package qc

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"html/template"
	"math"

	"github.com/klauspost/compress/gzip"
)

// NiiVueVersion and NiiVueSHA256 say which viewer is built in: the version on
// npm and the checksum of its dist/niivue.umd.js.
const (
	NiiVueVersion = "0.69.0"
	NiiVueSHA256  = "47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af"
)

//go:embed assets/niivue/niivue.umd.js.gz
var niivueGzip []byte

//go:embed assets/niivue/LICENSE
var niivueLicence string

// Viewer is an interactive view of volumes, one at a time, in three planes
// through one cross-hair. It needs scripts and WebGL 2; without them the page
// says that the pictures show the same.
type Viewer struct {
	Caption string
	Volumes []ViewerVolume
}

// ViewerVolume is a volume of a [Viewer]: shown from Low to High in the colours
// named by Map, "gray", "residual" (diverging about zero) or "sigma".
type ViewerVolume struct {
	Name      string
	Values    []float32
	Grid      Grid
	Map       string
	Low, High float64
}

type viewerView struct {
	Caption string
	Program template.HTML
	Licence string
	Volumes []viewerVolumeView
	Red     string // 256 values of the diverging map, as hexadecimal digits
	Green   string
	Blue    string
}

type viewerVolumeView struct {
	Name, Map string
	Data      template.HTML
}

func (v Viewer) view() (blockView, error) {
	if len(v.Volumes) == 0 {
		return blockView{}, fmt.Errorf("viewer %q has no volumes: %w", v.Caption, ErrInput)
	}
	out := viewerView{Caption: v.Caption, Licence: niivueLicence, Program: template.HTML(base64.StdEncoding.EncodeToString(niivueGzip))}
	for i := range 256 {
		c := diverging(float64(i) / 255)
		out.Red += fmt.Sprintf("%02x", c.R)
		out.Green += fmt.Sprintf("%02x", c.G)
		out.Blue += fmt.Sprintf("%02x", c.B)
	}
	for _, volume := range v.Volumes {
		if err := checkLengths(volume.Grid, len(volume.Values)); err != nil {
			return blockView{}, fmt.Errorf("viewer, %s: %w", volume.Name, err)
		}
		if !(volume.High > volume.Low) {
			return blockView{}, fmt.Errorf("viewer, %s: nothing between %g and %g: %w", volume.Name, volume.Low, volume.High, ErrInput)
		}
		data, err := volume.encode()
		if err != nil {
			return blockView{}, fmt.Errorf("viewer, %s: %w", volume.Name, err)
		}
		out.Volumes = append(out.Volumes, viewerVolumeView{volume.Name, volume.Map, template.HTML(base64.StdEncoding.EncodeToString(data))})
	}
	return blockView{Kind: "viewer", Viewer: out}, nil
}

// encode returns the volume as a compressed NIfTI-1 of one byte a voxel: enough
// for the 256 shades of a screen.
func (v ViewerVolume) encode() ([]byte, error) {
	slope := (v.High - v.Low) / 255
	h := make([]byte, 352, 352+len(v.Values))
	le := binary.LittleEndian
	float := func(at int, x float64) { le.PutUint32(h[at:], math.Float32bits(float32(x))) }
	short := func(at int, n int) { le.PutUint16(h[at:], uint16(n)) }
	le.PutUint32(h[0:], 348)
	for i, n := range []int{3, v.Grid.NX, v.Grid.NY, v.Grid.NZ, 1, 1, 1, 1} {
		short(40+2*i, n)
	}
	short(70, 2) // unsigned bytes
	short(72, 8)
	float(76, 1)
	for a := range 3 {
		float(80+4*a, v.Grid.edge(a))
	}
	float(108, 352)
	float(112, slope)
	float(116, v.Low)
	h[123] = 2 // mm
	float(124, v.High)
	float(128, v.Low)
	affine := v.Grid.Affine
	if !v.Grid.Oriented {
		affine = [4][4]float64{{v.Grid.edge(0)}, {0, v.Grid.edge(1)}, {0, 0, v.Grid.edge(2)}}
	}
	short(254, 1) // scanner coordinates
	for r := range 3 {
		for c := range 4 {
			float(280+16*r+4*c, affine[r][c])
		}
	}
	copy(h[344:], "n+1\x00")
	w := window{v.Low, v.High}
	for _, x := range v.Values {
		h = append(h, uint8(math.Round(255*w.unit(float64(x)))))
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, 6)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(h); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// viewerCut says which voxels of a grid a viewer shows: a box, and every how
// many voxels along each axis.
type viewerCut struct {
	from, to, step [3]int
}

// newViewerCut takes the box of a mask with a margin, and leaves out voxels along the
// finest axes until at most so many are left. They are left out, not averaged,
// which would hide noise.
func newViewerCut(mask []bool, g Grid, most int) viewerCut {
	n, step := g.lengths(), g.strides()
	c := viewerCut{from: n, step: [3]int{1, 1, 1}}
	for i, in := range mask {
		if !in {
			continue
		}
		for a := range 3 {
			at := i / step[a] % n[a]
			c.from[a], c.to[a] = min(c.from[a], at), max(c.to[a], at+1)
		}
	}
	for a := range 3 {
		if c.from[a] >= c.to[a] {
			c.from, c.to = [3]int{}, n
			break
		}
		c.from[a], c.to[a] = max(0, c.from[a]-2), min(n[a], c.to[a]+2)
	}
	for c.voxels() > most {
		finest := 0
		for a := range 3 {
			if g.edge(a)*float64(c.step[a]) < g.edge(finest)*float64(c.step[finest]) {
				finest = a
			}
		}
		c.step[finest]++
	}
	return c
}

func (c viewerCut) lengths() (n [3]int) {
	for a := range n {
		n[a] = (c.to[a] - c.from[a] + c.step[a] - 1) / c.step[a]
	}
	return n
}

func (c viewerCut) voxels() int {
	n := c.lengths()
	return n[0] * n[1] * n[2]
}

// thinned tells whether voxels are left out inside the box.
func (c viewerCut) thinned() bool { return c.step != [3]int{1, 1, 1} }

// grid returns the geometry of what is shown.
func (c viewerCut) grid(g Grid) Grid {
	n := c.lengths()
	out := g
	out.NX, out.NY, out.NZ = n[0], n[1], n[2]
	for a := range 3 {
		out.VoxelSize[a] = g.edge(a) * float64(c.step[a])
	}
	for r := range 3 {
		for a := range 3 {
			out.Affine[r][3] += g.Affine[r][a] * float64(c.from[a])
			out.Affine[r][a] = g.Affine[r][a] * float64(c.step[a])
		}
	}
	return out
}

// take copies what is shown of a volume; values are made by f.
func (c viewerCut) take(g Grid, f func(i int) float32) []float32 {
	step := g.strides()
	out := make([]float32, 0, c.voxels())
	for z := c.from[2]; z < c.to[2]; z += c.step[2] {
		for y := c.from[1]; y < c.to[1]; y += c.step[1] {
			for x := c.from[0]; x < c.to[0]; x += c.step[0] {
				out = append(out, f(x*step[0]+y*step[1]+z*step[2]))
			}
		}
	}
	return out
}
