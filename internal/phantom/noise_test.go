package phantom

import (
	"math"
	"testing"
)

// moments are the mean and the standard deviation of noise on a constant signal.
func moments(signal, sigma float64, rician bool) (mean, sd float64) {
	const n = 200000
	truth, sigmas, noisy := make([]float32, n), make([]float32, n), make([]float32, n)
	for i := range truth {
		truth[i], sigmas[i] = float32(signal), float32(sigma)
	}
	addNoise(noisy, truth, sigmas, rician, stream(11, forNoise))
	for _, v := range noisy {
		mean += float64(v) / n
	}
	for _, v := range noisy {
		sd += (float64(v) - mean) * (float64(v) - mean) / n
	}
	return mean, math.Sqrt(sd)
}

// ricianMean is σ·√(π/2)·L½(-s²/2σ²), the mean of the Rice distribution (Rice 1945), by Bessel functions' own integral
// definition: exp(-x)·I_k(x) is the mean of cos(kθ)·exp(-x(1-cos θ)) over the half circle.
func ricianMean(signal, sigma float64) float64 {
	x := signal * signal / (4 * sigma * sigma)
	var i0, i1 float64
	const n = 20000
	for k := range n {
		theta := math.Pi * (float64(k) + 0.5) / n
		w := math.Exp(-x*(1-math.Cos(theta))) / n
		i0 += w
		i1 += w * math.Cos(theta)
	}
	return sigma * math.Sqrt(math.Pi/2) * ((1+2*x)*i0 + 2*x*i1)
}

func TestNoiseMoments(t *testing.T) {
	const sigma = 50
	// Standard errors for 200 000 numbers: 0.11 for the mean, 0.08 for the standard deviation; tolerance is four of them.
	for _, signal := range []float64{0, 25, 50, 150, 1000} {
		mean, sd := moments(signal, sigma, false)
		if math.Abs(mean-signal) > 0.45 || math.Abs(sd-sigma) > 0.32 {
			t.Errorf("Gaussian, signal %g: mean %.2f, standard deviation %.2f, want %g and %d", signal, mean, sd, signal, sigma)
		}
		mean, sd = moments(signal, sigma, true)
		wantMean := ricianMean(signal, sigma)
		wantSD := math.Sqrt(signal*signal + 2*sigma*sigma - wantMean*wantMean)
		if math.Abs(mean-wantMean) > 0.45 || math.Abs(sd-wantSD) > 0.32 {
			t.Errorf("Rician, signal %g: mean %.2f, standard deviation %.2f, want %.2f and %.2f", signal, mean, sd, wantMean, wantSD)
		}
	}
	if got, want := ricianMean(0, sigma), sigma*math.Sqrt(math.Pi/2); math.Abs(got-want) > 1e-9 {
		t.Errorf("the mean of pure noise is %g, want %g", got, want)
	}
}

func TestSigmaProfile(t *testing.T) {
	centre, rim := [3]float64{0, -0.01, 0}, [3]float64{0, 0, semiZ * 1.2}
	for _, ratio := range []float64{0.5, 1, 2} {
		if got := sigmaProfile(centre, ratio) / sigmaProfile(rim, ratio); math.Abs(got-ratio) > 1e-6 {
			t.Errorf("σ at the centre over σ at the rim is %g, want %g", got, ratio)
		}
	}
}

// TestSigmaMap compares the noise in the image with the map, in regions of low and of high σ, and the map with the SNR.
func TestSigmaMap(t *testing.T) {
	for _, ratio := range []float64{1, 2} {
		p := simulate(t, Options{Table: tinyTable(), Shape: [3]int{32, 32, 12}, SigmaRatio: ratio, SNR: 25})
		sigma, mask := p.Sigma.Voxels(), p.Mask.Voxels()
		_, _, _, nt := p.Truth.Dims()
		mean, count := 0.0, 0.0
		var squares, numbers [2]float64 // of normalised noise below and above 1000/SNR
		for i, s := range sigma {
			if mask[i] > 0 {
				mean += float64(s)
				count++
			}
			region := 0
			if s > 40 {
				region = 1
			}
			for n := range nt {
				z := float64(p.Noisy.Volume(n)[i]-p.Truth.Volume(n)[i]) / float64(s)
				squares[region] += z * z
				numbers[region]++
			}
		}
		if mean /= count; math.Abs(mean-40) > 1e-3 {
			t.Errorf("ratio %g: mean σ over the mask is %g, want 40", ratio, mean)
		}
		for region, n := range numbers {
			if n == 0 {
				continue
			}
			// The standard error of a mean of n squared normal numbers is √(2/n).
			if v := squares[region] / n; math.Abs(v-1) > 4*math.Sqrt(2/n) {
				t.Errorf("ratio %g, region %d: variance of noise over σ² is %.4f, want 1", ratio, region, v)
			}
		}
		if ratio == 2 && numbers[1] == 0 {
			t.Error("no voxel has σ above the mean")
		}
	}
}
