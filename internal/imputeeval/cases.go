package main

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sort"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// evaluation carries settings and what was found on the way.
type evaluation struct {
	ctx     context.Context
	data    string
	picture string // "" for none
	threads int
	quick   bool
	only    string // step, "" for all
	missing []string
	covered []coverageRow
}

// scan is a series with its truth.
type scan struct {
	name         string
	truth, noisy *nifti.Image
	table        *gradients.Table // FSL frame
	mask         []bool
	sigma        float64 // mean noise level
	rician       denoise.RicianMode
	truthNoisy   bool // the truth is the measurement itself
}

// phantomScan simulates; seeds are none of those that accuracy is scored on.
func (e *evaluation) phantomScan(name, protocol string, shape [3]int, snr float64, rician bool, seed uint64) (*scan, error) {
	return e.simulate(name, phantom.Options{Protocol: protocol, Shape: shape, SNR: snr, Rician: rician, Seed: seed})
}

func (e *evaluation) simulate(name string, o phantom.Options) (*scan, error) {
	p, err := phantom.Make(e.ctx, o)
	if err != nil {
		return nil, err
	}
	s := &scan{name: name, truth: p.Truth, noisy: p.Noisy, table: p.Table, sigma: 1000 / o.SNR, rician: denoise.RicianOff}
	if o.Rician {
		s.rician = denoise.RicianOn
	}
	s.mask = make([]bool, len(p.Mask.Voxels()))
	for i, v := range p.Mask.Voxels() {
		s.mask[i] = v > 0
	}
	return s, nil
}

// realScan reads a scan and takes it for the truth, with Gaussian noise added
// for an SNR of the median brightest signal, or none for snr 0.
func (e *evaluation) realScan(name, file, bval, bvec, noisy string, snr float64) (*scan, error) {
	at := func(f string) string { return filepath.Join(e.data, f) }
	truth, err := nifti.ReadImage(e.ctx, at(file), nifti.ReadOptions{})
	if err != nil {
		return nil, err
	}
	table, err := gradients.Read(gradients.Files{BVal: at(bval), BVec: at(bvec)}, gradients.Options{})
	if err != nil {
		return nil, err
	}
	affine, _ := truth.Header.Affine()
	s := &scan{name: name, truth: truth, table: table.ToFSL(affine), rician: denoise.RicianOff}
	level := s.brightMask()
	switch {
	case noisy != "":
		if s.noisy, err = nifti.ReadImage(e.ctx, at(noisy), nifti.ReadOptions{}); err != nil {
			return nil, err
		}
		s.rician = denoise.RicianOn
		s.sigma = s.rmse(s.noisy.Voxels(), s.truth.Voxels())
	case snr > 0:
		s.sigma = level / snr
		s.noisy = truth.Like(table.Len())
		rng := rand.New(rand.NewPCG(7, 7))
		for i, x := range truth.Voxels() {
			s.noisy.Voxels()[i] = x + float32(s.sigma*rng.NormFloat64())
		}
	default:
		s.noisy, s.truthNoisy = truth, true
	}
	return s, nil
}

// brightMask sets the mask to what is above a tenth of the 95th percentile of
// the brightest signal and returns that signal's median inside.
func (s *scan) brightMask() float64 {
	nx, ny, nz, nt := s.truth.Dims()
	top := make([]float64, nx*ny*nz)
	for n := range nt {
		for v, x := range s.truth.Volume(n) {
			top[v] = math.Max(top[v], float64(x))
		}
	}
	sorted := slices.Clone(top)
	sort.Float64s(sorted)
	s.mask = make([]bool, len(top))
	var inside []float64
	for v, x := range top {
		if s.mask[v] = x > 0.1*sorted[len(sorted)*95/100]; s.mask[v] {
			inside = append(inside, x)
		}
	}
	sort.Float64s(inside)
	return inside[len(inside)/2]
}

// rmse compares two series over the mask.
func (s *scan) rmse(a, b []float32) float64 {
	size := len(s.mask)
	sum, n := 0.0, 0.0
	for i := range a {
		if s.mask[i%size] {
			d := float64(a[i]) - float64(b[i])
			sum += d * d
			n++
		}
	}
	return math.Sqrt(sum / n)
}

// all returns the scans of the main table; those that are not there are noted.
func (e *evaluation) all() ([]*scan, error) {
	makers := []func() (*scan, error){
		func() (*scan, error) {
			return e.phantomScan("phantom small", "small", [3]int{48, 48, 16}, 20, false, 11)
		},
		func() (*scan, error) {
			return e.phantomScan("phantom clinical", "clinical", [3]int{48, 48, 16}, 20, false, 12)
		},
	}
	if !e.quick {
		makers = append(makers,
			func() (*scan, error) {
				return e.phantomScan("phantom multishell", "multishell", [3]int{40, 40, 12}, 20, false, 13)
			},
			func() (*scan, error) {
				const d = "structured-field/"
				return e.realScan("structured-field", d+"groundtruth.nii", d+"dwi.bval", d+"dwi.bvec", d+"dwi_snr30.nii", 0)
			},
			func() (*scan, error) {
				const d = "tissue-msmt/"
				return e.realScan("tissue-msmt, SNR 20", d+"dwi.nii.gz", d+"dwi.bval", d+"dwi.bvec", "", 20)
			},
			func() (*scan, error) {
				const d = "small-64dir/small_64D."
				return e.realScan("small-64dir", d+"nii", d+"bval", d+"bvec", "", 0)
			})
	}
	var out []*scan
	for _, make := range makers {
		s, err := make()
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, gradients.ErrNotFound) {
			e.note(err)
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func (e *evaluation) note(err error) {
	if text := err.Error(); !slices.Contains(e.missing, text) {
		e.missing = append(e.missing, text)
	}
}

// every splits the volumes: one in n of each diffusion-weighted shell is held
// out.
func (s *scan) every(n int) (kept, held []int) {
	for _, shell := range s.table.Shells(gradients.DefaultB0Threshold).All {
		for k, v := range shell.Volumes {
			if !shell.IsB0 && k%n == n/2 {
				held = append(held, v)
			}
		}
	}
	return s.others(held), held
}

func (s *scan) others(held []int) []int {
	var kept []int
	slices.Sort(held)
	for v := range s.table.Len() {
		if !slices.Contains(held, v) {
			kept = append(kept, v)
		}
	}
	return kept
}
