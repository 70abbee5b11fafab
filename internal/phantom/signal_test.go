package phantom

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

var rightHanded = [4][4]float64{{2}, {0, 2}, {0, 0, 2}, {0, 0, 0, 1}}

// scannerScheme prepares a table given in scanner axes.
func scannerScheme(b []float64, g ...[3]float64) scheme {
	t := &gradients.Table{BVals: b, BVecs: g, Frame: gradients.ScannerFrame}
	return newScheme(t, rightHanded, defaultPhysics())
}

// mixed is a voxel with a bit of everything.
func mixed() voxel {
	return voxel{
		csf: 0.2, grey: 0.3, white: 0.5, csfIntensity: 2200, greyIntensity: 1300, whiteIntensity: 1000,
		greyDiffusivity: 0.8e-3, axialDiffusivity: 1.7e-3, stick: 0.6,
		fibres: [3]fibre{{[3]float64{1, 0, 0}, 0.5}, {[3]float64{0, 0.6, 0.8}, 0.3}, {[3]float64{0, 0, 1}, 0.2}},
	}
}

func TestSignalByDefinition(t *testing.T) {
	fluid := voxel{csf: 1, csfIntensity: 2000}
	grey := voxel{grey: 1, greyIntensity: 1300, greyDiffusivity: 0.8e-3}
	single := voxel{white: 1, whiteIntensity: 1000, axialDiffusivity: 1.7e-3, stick: 0.6, fibres: [3]fibre{{[3]float64{0, 0, 1}, 1}}}
	x, z, diagonal := [3]float64{1}, [3]float64{0, 0, 1}, [3]float64{0, 0.8, 0.6}
	radial := 0.4 * 1.7e-3
	for _, tc := range []struct {
		name string
		v    voxel
		b    float64
		g    [3]float64
		want float64
	}{
		{"b = 0 is the mixture", mixed(), 0, [3]float64{}, 0.2*2200 + 0.3*1300 + 0.5*1000},
		{"b = 0 with a direction is, too", mixed(), 0, x, 0.2*2200 + 0.3*1300 + 0.5*1000},
		{"air", voxel{}, 1000, x, 0},
		{"fluid", fluid, 1000, x, 2000 * math.Exp(-3)},
		{"fluid at b = 3000", fluid, 3000, z, 2000 * math.Exp(-9)},
		{"grey matter", grey, 1000, x, 1300 * math.Exp(-0.8)},
		{"along a fibre", single, 1000, z, 1000 * math.Exp(-1.7)},
		{"against a fibre", single, 1000, [3]float64{0, 0, -1}, 1000 * math.Exp(-1.7)},
		{"across a fibre: the stick does not decay", single, 1000, x, 1000 * (0.6 + 0.4*math.Exp(-1000*radial))},
		{"oblique", single, 2000, diagonal,
			1000 * (0.6*math.Exp(-2000*1.7e-3*0.36) + 0.4*math.Exp(-2000*(radial*0.64+1.7e-3*0.36)))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := scannerScheme([]float64{tc.b}, tc.g)
			if got := tc.v.signal(&s, 0); math.Abs(got-tc.want) > 1e-9*(1+tc.want) {
				t.Errorf("signal is %.12g, want %.12g", got, tc.want)
			}
		})
	}
}

// TestSignalUsesScannerFrame gives one direction in both frames: on a right-handed grid FSL's x is the scanner's -x.
func TestSignalUsesScannerFrame(t *testing.T) {
	v := voxel{white: 1, whiteIntensity: 1000, axialDiffusivity: 1.7e-3, stick: 0.6, fibres: [3]fibre{{[3]float64{0.6, 0.8, 0}, 1}}}
	fsl := newScheme(&gradients.Table{BVals: []float64{1000}, BVecs: [][3]float64{{-0.6, 0.8, 0}}}, rightHanded, defaultPhysics())
	scanner := scannerScheme([]float64{1000}, [3]float64{0.6, 0.8, 0})
	want := 1000 * math.Exp(-1.7)
	for name, s := range map[string]scheme{"fsl": fsl, "scanner": scanner} {
		if got := v.signal(&s, 0); math.Abs(got-want) > 1e-9*want {
			t.Errorf("%s: signal along the fibre is %g, want %g", name, got, want)
		}
	}
}

// TestSignalRotates demands that turning tissue and gradients together changes nothing.
func TestSignalRotates(t *testing.T) {
	turn := func(p [3]float64) [3]float64 { return [3]float64{p[2], p[0], p[1]} }
	v := mixed()
	turned := v
	for i := range turned.fibres {
		turned.fibres[i].direction = turn(v.fibres[i].direction)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for _, g := range gradients.Directions(20, rng) {
		a, b := scannerScheme([]float64{1500}, g), scannerScheme([]float64{1500}, turn(g))
		if x, y := v.signal(&a, 0), turned.signal(&b, 0); math.Abs(x-y) > 1e-9*x {
			t.Errorf("direction %v: %g turns into %g", g, x, y)
		}
	}
}

func TestContrast(t *testing.T) {
	ph := defaultPhysics()
	white, grey, csf := ph.WhiteMatter.intensity(ph.TR, ph.TE), ph.GreyMatter.intensity(ph.TR, ph.TE), ph.CSF.intensity(ph.TR, ph.TE)
	if r := grey / white; r < 1.2 || r > 1.6 {
		t.Errorf("grey matter is %.2f times white matter at b = 0, want 1.2 to 1.6", r)
	}
	if r := csf / white; r < 1.9 || r > 3.5 {
		t.Errorf("fluid is %.2f times white matter at b = 0, want 1.9 to 3.5", r)
	}
	if got, want := ph.CSF.intensity(math.Inf(1), 0), ph.CSF.ProtonDensity; got != want {
		t.Errorf("intensity without relaxation is %g, want the proton density %g", got, want)
	}
}
