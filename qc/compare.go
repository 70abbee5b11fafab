package qc

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// Figures are measures of an estimate x̂ against the truth x over the voxels of
// a mask and some volumes. A figure that is not defined, such as the PSNR of a
// perfect estimate, is NaN or infinite here and null in JSON.
type Figures struct {
	RMSE  float64 // √mean((x̂-x)²), in units of the signal
	NRMSE float64 // √(Σ(x̂-x)²/Σx²)
	PSNR  float64 // 20·log10(Max/RMSE), in dB
	SSIM  float64 // mean structural similarity, at most 1; see Compare
	Bias  float64 // mean(x̂-x), in units of the signal
	Max   float64 // largest truth in the mask: the MAX of PSNR
	// RMSE and Bias in units of the noise's standard deviation; NaN if that was
	// not given.
	RMSEOverSigma, BiasOverSigma float64
}

// MarshalJSON writes the figures with snake-case names, null for those that
// are not defined.
func (f Figures) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		RMSE          *float64 `json:"rmse"`
		NRMSE         *float64 `json:"nrmse"`
		PSNR          *float64 `json:"psnr_db"`
		SSIM          *float64 `json:"ssim"`
		Bias          *float64 `json:"bias"`
		Max           *float64 `json:"truth_max"`
		RMSEOverSigma *float64 `json:"rmse_over_sigma"`
		BiasOverSigma *float64 `json:"bias_over_sigma"`
	}{
		nullable(f.RMSE), nullable(f.NRMSE), nullable(f.PSNR), nullable(f.SSIM), nullable(f.Bias), nullable(f.Max),
		nullable(f.RMSEOverSigma), nullable(f.BiasOverSigma),
	})
}

// nullable returns nil, JSON's null, for values that JSON cannot hold.
func nullable(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// ShellFigures are the figures of one shell.
type ShellFigures struct {
	B       float64 `json:"b_value"` // mean b-value in s/mm²
	Volumes int     `json:"volumes"`
	Figures Figures `json:"figures"`
}

// Comparison holds the figures over a mask, of all volumes and shell by shell.
type Comparison struct {
	Voxels  int            `json:"mask_voxels"`
	Volumes int            `json:"volumes"`
	All     Figures        `json:"all"`
	Shells  []ShellFigures `json:"shells,omitempty"`
}

// CompareOptions says what [Compare] reports beside the figures of the whole
// series. The zero value adds nothing.
type CompareOptions struct {
	Shells  []gradients.Shell // volumes to report together; nil means none
	Sigma   float64           // standard deviation of the noise; 0 means unknown
	Threads int               // 0 means one for each processor
}

// Compare measures an estimate against the truth. Both are series on the grid,
// with the same number of volumes; mask has one entry a voxel, nil meaning
// every voxel. Voxels outside the mask have no influence.
//
// SSIM (Wang 2004, eq. 13) is computed in every slice along z of every volume
// that touches the mask, with a Gaussian window of 11×11 voxels and σ = 1.5,
// K₁ = 0.01, K₂ = 0.03, and L the range of the truth in the mask over the
// volumes reported. Outside the mask the estimate counts as equal to the truth,
// and beyond the edge of the slice the window is cut and its weights scaled to
// sum 1. Each slice's figure is the mean over its voxels in the mask, and SSIM
// is the mean over slices. It is not defined if the truth is constant.
//
// Lengths that do not match, an empty mask, shells that name volumes that do
// not exist and values in the mask that are not finite are [ErrInput].
func Compare(ctx context.Context, truth, estimate []float32, mask []bool, g Grid, o CompareOptions) (Comparison, error) {
	series, err := newPair(truth, estimate, mask, g)
	if err != nil {
		return Comparison{}, fmt.Errorf("qc: compare: %w", err)
	}
	if err := checkShells(o.Shells, series.volumes); err != nil {
		return Comparison{}, fmt.Errorf("qc: compare: %w", err)
	}
	sums := make([]errorSums, series.volumes)
	err = eachVolume(ctx, series.volumes, o.Threads, func(v int) error {
		sums[v] = series.errors(v)
		return sums[v].check(v)
	})
	if err != nil {
		return Comparison{}, fmt.Errorf("qc: compare: %w", err)
	}
	all := make([]int, series.volumes)
	for v := range all {
		all[v] = v
	}
	groups := [][]int{all}
	for _, s := range o.Shells {
		groups = append(groups, s.Volumes)
	}
	totals := make([]errorSums, len(groups))
	for i, volumes := range groups {
		totals[i] = merged(sums, volumes)
	}
	similar, err := series.similarity(ctx, groups, totals, o.Threads)
	if err != nil {
		return Comparison{}, fmt.Errorf("qc: compare: %w", err)
	}
	c := Comparison{Voxels: series.inside, Volumes: series.volumes, All: totals[0].figures(similar[0], o.Sigma)}
	for i, s := range o.Shells {
		c.Shells = append(c.Shells, ShellFigures{B: s.B, Volumes: len(s.Volumes), Figures: totals[i+1].figures(similar[i+1], o.Sigma)})
	}
	return c, nil
}

func checkShells(shells []gradients.Shell, volumes int) error {
	for _, s := range shells {
		for _, v := range s.Volumes {
			if v < 0 || v >= volumes {
				return fmt.Errorf("shell b = %.0f names volume %d, but there are %d volumes: %w", s.B, v, volumes, ErrInput)
			}
		}
	}
	return nil
}

// pair is two series on one grid, with a mask that is never nil.
type pair struct {
	a, b            []float32
	mask            []bool
	g               Grid
	volumes, inside int
}

func newPair(a, b []float32, mask []bool, g Grid) (*pair, error) {
	n := g.Voxels()
	if n <= 0 || len(a) == 0 || len(a)%n != 0 || len(a) != len(b) {
		return nil, fmt.Errorf("series of %d and %d values on a grid of %d×%d×%d: both must hold the same number of whole volumes: %w",
			len(a), len(b), g.NX, g.NY, g.NZ, ErrInput)
	}
	if mask == nil {
		mask = make([]bool, n)
		for i := range mask {
			mask[i] = true
		}
	}
	if len(mask) != n {
		return nil, fmt.Errorf("mask of %d voxels on a grid of %d: %w", len(mask), n, ErrInput)
	}
	p := &pair{a: a, b: b, mask: mask, g: g, volumes: len(a) / n}
	for _, in := range mask {
		if in {
			p.inside++
		}
	}
	if p.inside == 0 {
		return nil, fmt.Errorf("the mask is empty: %w", ErrInput)
	}
	return p, nil
}

// volume returns volume v of both series.
func (p *pair) volume(v int) (a, b []float32) {
	n := p.g.Voxels()
	return p.a[v*n : (v+1)*n], p.b[v*n : (v+1)*n]
}

// errorSums are the sums over a mask that the figures are made of.
type errorSums struct {
	n, sum, squares, truth float64 // voxels, Σe, Σe², Σx²
	lo, hi                 float64 // range of the truth
	bad                    int     // values that are not finite
}

func (p *pair) errors(v int) errorSums {
	truth, estimate := p.volume(v)
	s := errorSums{lo: math.Inf(1), hi: math.Inf(-1)}
	for i, in := range p.mask {
		if !in {
			continue
		}
		x := float64(truth[i])
		e := float64(estimate[i]) - x
		if math.IsNaN(e) || math.IsInf(e, 0) {
			s.bad++
			continue
		}
		s.n++
		s.sum += e
		s.squares += e * e
		s.truth += x * x
		s.lo, s.hi = min(s.lo, x), max(s.hi, x)
	}
	return s
}

func (s errorSums) check(v int) error {
	if s.bad > 0 {
		return fmt.Errorf("volume %d: %d values in the mask are NaN or infinite; mask them out: %w", v, s.bad, ErrInput)
	}
	return nil
}

// merged adds the sums of some volumes, in their order.
func merged(sums []errorSums, volumes []int) errorSums {
	t := errorSums{lo: math.Inf(1), hi: math.Inf(-1)}
	for _, v := range volumes {
		s := sums[v]
		t.n += s.n
		t.sum += s.sum
		t.squares += s.squares
		t.truth += s.truth
		t.lo, t.hi = min(t.lo, s.lo), max(t.hi, s.hi)
	}
	return t
}

func (s errorSums) figures(ssim, sigma float64) Figures {
	f := Figures{
		RMSE:  math.Sqrt(s.squares / s.n),
		NRMSE: math.Sqrt(s.squares / s.truth),
		SSIM:  ssim,
		Bias:  s.sum / s.n,
		Max:   s.hi,
	}
	f.PSNR = 20 * math.Log10(f.Max/f.RMSE)
	if !(sigma > 0) {
		sigma = math.NaN()
	}
	f.RMSEOverSigma, f.BiasOverSigma = f.RMSE/sigma, f.Bias/sigma
	return f
}
