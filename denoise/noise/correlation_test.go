package noise

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// filtered returns white noise of variance 1, periodic along every axis, put
// through a separable filter given by the autocorrelation of its output:
// unit variance, correlation rho[a](h) at distance h along axis a. It is drawn in
// the frequency domain of each axis, by a circulant square root.
func filtered(rng *rand.Rand, n [3]int, kernel [3][]float64) []float64 {
	v := make([]float64, n[0]*n[1]*n[2])
	for i := range v {
		v[i] = rng.NormFloat64()
	}
	signals.EachLine(n[0], n[1], n[2], func(start, step, length int) {
		k := kernel[0]
		if step == n[0] {
			k = kernel[1]
		} else if step > 1 {
			k = kernel[2]
		}
		line := make([]float64, length)
		for i := range line {
			for j, w := range k {
				line[i] += w * v[start+(i+j)%length*step]
			}
		}
		for i, x := range line {
			v[start+i*step] = x
		}
	})
	return v
}

// white, average and keepLines are filters of unit power for one axis.
var white = []float64{1}

// average is linear interpolation at a fraction f of a voxel.
func average(f float64) []float64 {
	s := math.Hypot(f, 1-f)
	return []float64{(1 - f) / s, f / s}
}

// keepLines keeps the lines of k-space from -before·n/2 to after·n/2 out of n,
// as partial Fourier (before 1/2 or 3/4, after 1) and zero filling (both below
// 1) do: the real part of the filter, as the noise along the phase of the
// object sees it.
func keepLines(n int, before, after float64) []float64 {
	amplitude := make([]float64, n) // of the real part: √ of the symmetric part of the kept power
	for i := range amplitude {
		k := float64(i)
		if i > n/2 {
			k -= float64(n)
		}
		share := 0.0
		for _, f := range []float64{k, -k} {
			if f >= -before*float64(n)/2 && f <= after*float64(n)/2 {
				share += 0.5
			}
		}
		amplitude[i] = math.Sqrt(share)
	}
	kernel := make([]float64, n)
	power := 0.0
	for x := range kernel {
		for i, a := range amplitude {
			kernel[x] += a * math.Cos(2*math.Pi*float64(i*x)/float64(n)) / float64(n)
		}
		power += kernel[x] * kernel[x]
	}
	for x := range kernel {
		kernel[x] /= math.Sqrt(power)
	}
	return kernel
}

// autocorrelation of the output of a filter at distance h, its input periodic in n.
func autocorrelation(kernel []float64, n, h int) float64 {
	sum := 0.0
	for i, w := range kernel {
		if j := (i + h) % n; j < len(kernel) {
			sum += w * kernel[j]
		}
	}
	return sum
}

// Noise put through the filters that scanners apply reads its own standard
// deviation and correlation.
func TestEstimateMeasuresCorrelatedNoise(t *testing.T) {
	n := [3]int{48, 48, 14}
	for name, c := range map[string]struct {
		kernel    [3][]float64
		magnitude bool
		bias      float64
	}{
		"white":                           {[3][]float64{white, white, white}, false, 0.015},
		"white, magnitude":                {[3][]float64{white, white, white}, true, 0.02},
		"partial Fourier 6/8 along y":     {[3][]float64{white, keepLines(48, 0.5, 1), white}, false, 0.03},
		"partial Fourier 7/8 along x":     {[3][]float64{keepLines(48, 0.75, 1), white, white}, false, 0.04},
		"zero filled 4/3 in plane":        {[3][]float64{keepLines(48, 0.75, 0.75), keepLines(48, 0.75, 0.75), white}, false, 0.05},
		"zero filled 2 in plane":          {[3][]float64{keepLines(48, 0.5, 0.5), keepLines(48, 0.5, 0.5), white}, false, 0.05},
		"trilinear, half a voxel":         {[3][]float64{average(0.5), average(0.5), average(0.5)}, false, 0.05},
		"trilinear, a quarter of a voxel": {[3][]float64{average(0.25), average(0.25), average(0.25)}, false, 0.05},
		"linear in plane, magnitude":      {[3][]float64{average(0.3), average(0.5), white}, true, 0.05},
	} {
		t.Run(name, func(t *testing.T) {
			s, want := scan{n[0], n[1], n[2], 20, 3, 20, 1, false, 4, false}.make()
			clean, _ := scan{n[0], n[1], n[2], 20, 3, 20, 1, false, 4, false}.clean()
			rng := rand.New(rand.NewPCG(8, 2))
			for i := range s.D {
				re, im := filtered(rng, n, c.kernel), filtered(rng, n, c.kernel)
				for r := range s.Len() {
					v := clean.Row(r)[i] + float32(10*re[r])
					if c.magnitude {
						v = float32(math.Hypot(float64(v), 10*im[r]))
					}
					s.Row(r)[i] = v
				}
			}
			m, err := Estimate(t.Context(), s, everywhere(s.Len()), Options{Magnitude: c.magnitude})
			if err != nil {
				t.Fatal(err)
			}
			bias, _ := relative(m.Sigma, want)
			var truth [3]float64
			for a := range 3 {
				truth[a] = autocorrelation(c.kernel[a], n[a], 1)
			}
			t.Logf("σ %+.3f, inflation %.3f, correlation %.3f, true %.3f; at 2 %.3f", bias, m.Inflation, m.Correlation, truth, m.Correlation2)
			if math.Abs(bias) > c.bias {
				t.Errorf("σ %+.3f, want within %.3f", bias, c.bias)
			}
			for a := range 3 {
				if math.Abs(m.Correlation[a]-truth[a]) > 0.08 {
					t.Errorf("correlation along axis %d is %.3f, want %.3f", a, m.Correlation[a], truth[a])
				}
			}
		})
	}
}
