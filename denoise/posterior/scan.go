package posterior

import (
	"errors"
	"fmt"
	"math"

	"github.com/dmri-denoise/dmri-denoise/denoise/noise"
)

// ErrScan reports images that do not fit each other.
var ErrScan = errors.New("posterior: images do not match")

// probeSize is the perturbation that measures the Jacobian, in σ.
const probeSize = 0.02

// Scan is a measurement with its estimate and the estimate of the perturbed
// measurement.
type Scan struct {
	NX, NY, NZ, D int
	Measured      []float32 // volume-major
	Denoised      []float32 // the estimate h(y)
	Moved         []float32 // the estimate of Measured as Perturb changed it
	Sigma         []float32 // per voxel
	Mask          []bool    // voxels that were denoised
	Foreground    []bool    // voxels that statistics are taken on; nil means Mask
	Magnitude     bool      // the measurement is a magnitude; estimates are amplitudes without its bias
	Seed          uint64    // of the probe
}

func (s *Scan) check() error {
	size := s.NX * s.NY * s.NZ
	if len(s.Measured) != size*s.D || len(s.Denoised) != size*s.D || len(s.Moved) != size*s.D {
		return fmt.Errorf("%w: %d×%d×%d voxels, %d volumes, but %d, %d and %d values", ErrScan, s.NX, s.NY, s.NZ, s.D, len(s.Measured), len(s.Denoised), len(s.Moved))
	}
	if len(s.Sigma) != size || len(s.Mask) != size || s.Foreground != nil && len(s.Foreground) != size {
		return fmt.Errorf("%w: noise map or mask do not have %d voxels", ErrScan, size)
	}
	return nil
}

// Perturb adds the probe to every measurement of the mask, in place: ±0.02 of
// the noise's standard deviation there, the signs at random by seed, voxel and
// volume. Denoised and Moved need not be set. Adding it with sign -1 takes it
// back but for rounding.
func (s *Scan) Perturb(sign float32) {
	size := s.NX * s.NY * s.NZ
	for n := range s.D {
		y, h := s.Measured[n*size:(n+1)*size], s.Denoised[n*size:(n+1)*size]
		for v, in := range s.Mask {
			if in {
				y[v] += sign * s.Sigma[v] * probeSize * s.probe(v, n, s.variance(h[v]/s.Sigma[v]))
			}
		}
	}
}

// probe returns a random sign times the noise's standard deviation.
func (s *Scan) probe(voxel, volume int, variance float32) float32 {
	b := float32(math.Sqrt(float64(variance)))
	if mix(s.Seed^probeStream, uint64(voxel)*uint64(s.D)+uint64(volume))&1 == 0 {
		return -b
	}
	return b
}

// variance returns the noise's variance at a stabilised clean signal.
func (s *Scan) variance(x float32) float32 {
	if !s.Magnitude {
		return 1
	}
	return noise.VarianceAtMean(s.expected(x))
}

// expected returns the mean of a stabilised measurement with the given clean signal.
func (s *Scan) expected(x float32) float32 {
	if !s.Magnitude {
		return x
	}
	return float32(noise.RicianMean(math.Max(float64(x), 0)))
}

// clean undoes expected.
func (s *Scan) clean(m float32) float32 {
	if !s.Magnitude {
		return m
	}
	return noise.InverseRicianMean(m)
}

const (
	probeStream = 0xa0761d6478bd642f
	drawStream  = 0xe7037ed1a0b428db
	alikeStream = 0x8ebc6af09c88c6e3
)

// mix turns a seed and an index into 64 random bits (SplitMix64; Steele, Lea
// and Flood 2014).
func mix(seed, index uint64) uint64 {
	z := seed + (index+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
