package phantom

import (
	"math"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// Relaxation is what sets a tissue's intensity at b = 0.
type Relaxation struct {
	ProtonDensity float64 `json:"proton_density"` // relative to water
	T1            float64 `json:"t1_ms"`
	T2            float64 `json:"t2_ms"`
}

// intensity is the spin-echo signal PD·(1 - exp(-TR/T1))·exp(-TE/T2).
func (r Relaxation) intensity(tr, te float64) float64 {
	return r.ProtonDensity * (1 - math.Exp(-tr/r.T1)) * math.Exp(-te/r.T2)
}

// Physics are the constants of the simulated scan and tissues, at 3 T. They are written into phantom.json.
type Physics struct {
	TR          float64    `json:"tr_ms"`
	TE          float64    `json:"te_ms"`
	WhiteMatter Relaxation `json:"white_matter"`
	GreyMatter  Relaxation `json:"grey_matter"`
	CSF         Relaxation `json:"csf"`
	// CSFDiffusivity is that of water at body temperature; GreyDiffusivity and AxialDiffusivity (along fibres) are the means
	// of smoothly varying maps. All in mm²/s.
	CSFDiffusivity   float64 `json:"csf_diffusivity_mm2_per_s"`
	GreyDiffusivity  float64 `json:"grey_diffusivity_mm2_per_s"`
	AxialDiffusivity float64 `json:"axial_diffusivity_mm2_per_s"`
	// StickFraction is the mean of the intra-axonal share of white matter.
	StickFraction float64 `json:"stick_fraction"`
}

// defaultPhysics gives the b = 0 contrast of clinical diffusion EPI: grey matter a little brighter than white matter, fluid
// about twice as bright.
func defaultPhysics() Physics {
	return Physics{
		TR: 6500, TE: 70,
		WhiteMatter:    Relaxation{0.70, 850, 75},
		GreyMatter:     Relaxation{0.85, 1350, 88},
		CSF:            Relaxation{1.00, 4000, 300},
		CSFDiffusivity: 3.0e-3, GreyDiffusivity: 0.8e-3, AxialDiffusivity: 1.7e-3,
		StickFraction: 0.6,
	}
}

// whiteIntensity is the intensity of pure white matter at b = 0 before receive bias and texture.
const whiteIntensity = 1000.0

// fibre is one population of white-matter fibres in a voxel.
type fibre struct {
	direction [3]float64 // unit vector along scanner axes
	fraction  float64    // share of the white matter; 0 for a population that is absent
}

// voxel is the tissue of one voxel.
type voxel struct {
	csf, grey, white float64 // volume fractions; what is missing to 1 is air
	// Intensities of the pure tissues here at b = 0, with T2 contrast, receive bias and texture.
	csfIntensity, greyIntensity, whiteIntensity float64
	greyDiffusivity                             float64
	axialDiffusivity                            float64
	stick                                       float64 // intra-axonal share of white matter
	fibres                                      [3]fibre
}

// scheme is a gradient table prepared for the signal equation.
type scheme struct {
	b         []float64
	direction [][3]float64 // scanner axes
	csf       []float64    // attenuation of fluid
}

func newScheme(t *gradients.Table, affine [4][4]float64, ph Physics) scheme {
	scanner := t.ToScanner(affine)
	s := scheme{b: scanner.BVals, direction: scanner.BVecs, csf: make([]float64, t.Len())}
	for n, b := range s.b {
		s.csf[n] = math.Exp(-b * ph.CSFDiffusivity)
	}
	return s
}

// signal returns the noise-free signal of volume n: fluid and grey matter diffuse isotropically, each fibre population is a
// stick and a zeppelin around it (Panagiotaki 2012), the zeppelin's radial diffusivity following from tortuosity,
// d⊥ = (1 - f)·d∥ (Szafer 1995).
func (v *voxel) signal(s *scheme, n int) float64 {
	b := s.b[n]
	sum := v.csf * v.csfIntensity * s.csf[n]
	if v.grey > 0 {
		sum += v.grey * v.greyIntensity * math.Exp(-b*v.greyDiffusivity)
	}
	if v.white == 0 {
		return sum
	}
	radial := (1 - v.stick) * v.axialDiffusivity
	g := s.direction[n]
	white := 0.0
	for i := range v.fibres {
		f := &v.fibres[i]
		if f.fraction == 0 {
			continue
		}
		cos := g[0]*f.direction[0] + g[1]*f.direction[1] + g[2]*f.direction[2]
		cos2 := cos * cos
		stick := math.Exp(-b * v.axialDiffusivity * cos2)
		zeppelin := math.Exp(-b * (radial + (v.axialDiffusivity-radial)*cos2))
		white += f.fraction * (v.stick*stick + (1-v.stick)*zeppelin)
	}
	return sum + v.white*v.whiteIntensity*white
}
