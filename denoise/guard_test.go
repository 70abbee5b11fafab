package denoise

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// A scan with nothing but noise to remove flags no more than chance does, and
// the mean over every shell stays within σ²/S.
func TestGuardOnAnOrdinaryScan(t *testing.T) {
	for _, rician := range []bool{false, true} {
		p, _ := head(t, phantom.Options{SNR: 15, Rician: rician, Seed: 3})
		r := run(t, p.Noisy, p.Table, Options{})
		g := r.Summary.Guard
		if g.Values != r.Summary.Volumes*r.Summary.VoxelsDenoised || float64(g.Beyond) > g.Explained+5 || g.Means > 1 || g.Outside+g.AboveB0 > 0 {
			t.Errorf("rician %v: %+v", rician, g)
		}
		for k, shell := range r.Summary.Shells {
			if limit := r.Summary.Sigma.Median / shell.MeanAfter; math.Abs(g.ShellShifts[k]) > limit {
				t.Errorf("rician %v, b %.0f: the mean moved by %.4f σ, more than σ/S = %.4f", rician, shell.BValue, g.ShellShifts[k], limit)
			}
		}
		for _, w := range r.Summary.Warnings {
			t.Errorf("rician %v: warning %q", rician, w)
		}
		flagged := 0.0
		for _, v := range r.Flagged.Voxels() {
			flagged += float64(v)
		}
		if int(flagged) != g.Beyond {
			t.Errorf("the map counts %v values, the summary %d", flagged, g.Beyond)
		}
	}
}

// Changes put into a result by hand are found, counted and placed.
func TestGuardFindsWhatNoiseDoesNotExplain(t *testing.T) {
	p, _ := head(t, phantom.Options{Protocol: "small", SNR: 20, Seed: 4})
	const level = 50.0
	p4 := &pipeline{o: Options{NoiseLevel: level, Imputing: Imputing{Mode: ImputeOff}, Prior: PriorGaussian}, im: p.Noisy, table: p.Table}
	var err error
	if p4.o, err = p4.o.withDefaults(); err != nil {
		t.Fatal(err)
	}
	r, err := p4.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	nx, ny, nz, nt := p.Noisy.Dims()
	at := nx/2 + nx*(ny/2+ny*(nz/2))
	shells := p.Table.Shells(p4.o.B0Threshold).All
	weighted := shells[len(shells)-1].Volumes
	before := *r.Summary.Guard
	look := func() (*GuardSummary, *nifti.Image) {
		p4.warnings = nil
		g, flagged, err := p4.guard(t.Context(), r.Denoised)
		if err != nil {
			t.Fatal(err)
		}
		return g, flagged
	}
	saved := r.Denoised.Volume(3)[at]
	r.Denoised.Volume(3)[at] = p.Noisy.Volume(3)[at] + 6*level
	if g, flagged := look(); g.Beyond != before.Beyond+1 || flagged.Voxels()[at] != 1 {
		t.Errorf("a change of 6 σ: %+v", g)
	}
	r.Denoised.Volume(3)[at] = 1e6
	if g, _ := look(); g.Outside != before.Outside+1 {
		t.Errorf("a value far above the measured: %+v", g)
	}
	r.Denoised.Volume(3)[at] = saved
	for _, n := range weighted { // 2 σ everywhere, which is within the noise of each value
		r.Denoised.Volume(n)[at] = p.Noisy.Volume(n)[at] + 2*level
	}
	if g, _ := look(); g.Means != before.Means+1 || g.Beyond != before.Beyond {
		t.Errorf("a shell's mean changed by 2 σ: %+v", g)
	}
	for v := range nx * ny * nz {
		for n := range nt {
			r.Denoised.Volume(n)[v] = p.Noisy.Volume(n)[v] - 6*level
		}
	}
	g, _ := look()
	if float64(g.Beyond) < 0.9*float64(g.Values) || len(p4.warnings) == 0 || !strings.Contains(p4.warnings[0], "noise does not explain") {
		t.Errorf("everything changed: %+v, warnings %q", g, p4.warnings)
	}
}

// A scan that was denoised before is told so; low noise, a flat field of pure
// noise and few volumes are not taken for that.
func TestGuardRecognisesADenoisedScan(t *testing.T) {
	const text = "looks denoised"
	p, _ := head(t, phantom.Options{SNR: 15, Rician: true, Seed: 5})
	once := run(t, p.Noisy, p.Table, Options{})
	twice := run(t, once.Denoised, p.Table, Options{})
	for _, c := range []struct {
		name string
		r    *Result
		want bool
	}{{"first time", once, false}, {"second time", twice, true}} {
		got := strings.Contains(strings.Join(c.r.Summary.Warnings, "\n"), text)
		if got != c.want {
			t.Errorf("%s: sd %.2f, kurtosis %.2f, warnings %q", c.name, c.r.Summary.Guard.RemovedSD, c.r.Summary.Guard.RemovedKurtosis, c.r.Summary.Warnings)
		}
	}
}

// With little noise the scan comes back nearly as it was: what is lost of the
// signal itself, the part of the error that two scans of one head share, is
// below 0.3 σ, and the error of either below that of the measurement.
func TestLowNoiseIsNearlyUnchanged(t *testing.T) {
	var clean [2]*nifti.Image
	var p *phantom.Phantom
	var mask []bool
	for k := range clean {
		p, mask = head(t, phantom.Options{SNR: 250, Seed: 6})
		if k == 1 { // the same head with other noise
			rng := rand.New(rand.NewPCG(6, 60))
			for i, x := range p.Truth.Voxels() {
				p.Noisy.Voxels()[i] = x + 4*float32(rng.NormFloat64())
			}
		}
		clean[k] = run(t, p.Noisy, p.Table, Options{Prior: PriorSoft}).Denoised
	}
	shared, own, n := 0.0, 0.0, 0.0
	_, _, _, nt := p.Truth.Dims()
	for i := range nt {
		x, a, b := p.Truth.Volume(i), clean[0].Volume(i), clean[1].Volume(i)
		for v, in := range mask {
			if in {
				da, db := float64(a[v]-x[v])/4, float64(b[v]-x[v])/4
				shared += da * db
				own += da * da
				n++
			}
		}
	}
	if lost, rmse := math.Sqrt(max(shared/n, 0)), math.Sqrt(own/n); lost > 0.3 || rmse > 0.6 {
		t.Errorf("signal lost %.3f σ, want at most 0.3; error %.3f σ, want at most 0.6", lost, rmse)
	} else {
		t.Logf("signal lost %.3f σ, error %.3f σ", lost, rmse)
	}
}

// Pure noise about one level comes back flat, with that level.
func TestPureNoiseComesBackFlat(t *testing.T) {
	const level, sigma = 100.0, 10.0
	im := nifti.New(20, 20, 8, 30, [3]float64{2, 2, 2})
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range im.Voxels() {
		im.Voxels()[i] = level + sigma*float32(rng.NormFloat64())
	}
	r := run(t, im, nil, Options{Rician: RicianOff})
	sum, square, n := 0.0, 0.0, float64(len(im.Voxels()))
	for _, x := range r.Denoised.Voxels() {
		d := float64(x) - level
		sum += d
		square += d * d
	}
	if mean, sd := sum/n, math.Sqrt(square/n); math.Abs(mean) > 0.02*sigma || sd > 0.15*sigma {
		t.Errorf("mean off by %.3f σ, spread %.3f σ", mean/sigma, sd/sigma)
	}
}

// Small lesions of 30 % more signal at SNR 20, one of three voxels in a row and one of 3×3×3, keep nine tenths of
// their contrast. Measured on larger heads beside dwidenoise: docs/trust.md.
func TestRunKeepsSmallLesions(t *testing.T) {
	const sigma, change = 50.0, 0.3
	p, mask := head(t, phantom.Options{SNR: 20, Seed: 9, Shape: [3]int{26, 26, 10}})
	nx, ny, _, nt := p.Truth.Dims()
	for _, cube := range []bool{false, true} {
		delta := map[int]bool{}
		at := 0
		for v, in := range mask { // the middle of the head
			if in && p.Truth.Volume(0)[v] < 1500 && v > len(mask)/2+nx*ny/2+nx/2 {
				at = v
				break
			}
		}
		for i := range 27 {
			if x, y, z := i%3-1, i/3%3-1, i/9-1; cube || y == 0 && z == 0 {
				delta[at+x+nx*(y+ny*z)] = true
			}
		}
		noisy := p.Truth.Like(nt)
		rng := rand.New(rand.NewPCG(9, 9))
		for n := range nt {
			for v, x := range p.Truth.Volume(n) {
				if delta[v] {
					x *= 1 + change
				}
				noisy.Volume(n)[v] = x + sigma*float32(rng.NormFloat64())
			}
		}
		r := run(t, noisy, p.Table, Options{})
		along, power := 0.0, 0.0
		for n := range nt {
			for v := range delta {
				x := float64(p.Truth.Volume(n)[v])
				along += (float64(r.Denoised.Volume(n)[v]) - x) * change * x
				power += change * x * change * x
			}
		}
		if kept := along / power; kept < 0.9 || kept > 1.1 {
			t.Errorf("cube %v: %.1f %% of the contrast is kept", cube, 100*kept)
		} else {
			t.Logf("cube %v: %.1f %% of the contrast is kept", cube, 100*kept)
		}
	}
}
