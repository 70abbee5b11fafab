package denoise

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

func spans(t *testing.T, text string) []impute.Span {
	t.Helper()
	s, err := impute.ParseList(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func same(a, b *nifti.Image) bool { return slices.Equal(a.Voxels(), b.Voxels()) }

func copyOf(im *nifti.Image) *nifti.Image {
	_, _, _, nt := im.Dims()
	out := im.Like(nt)
	copy(out.Voxels(), im.Voxels())
	return out
}

// overwrite puts a value into some slices of a volume.
func overwrite(im *nifti.Image, n, first, last int, value float32) {
	nx, ny, _, _ := im.Dims()
	part := im.Volume(n)[first*nx*ny : (last+1)*nx*ny]
	for i := range part {
		part[i] = value
	}
}

// errorIn is the root mean square error in σ over the mask of some slices.
func errorIn(p *phantom.Phantom, im *nifti.Image, mask []bool, n, first, last int) float64 {
	nx, ny, _, _ := im.Dims()
	sum, count := 0.0, 0.0
	for v := first * nx * ny; v < (last+1)*nx*ny; v++ {
		if mask[v] {
			d := float64(im.Volume(n)[v]-p.Truth.Volume(n)[v]) / float64(p.Sigma.Voxels()[v])
			sum += d * d
			count++
		}
	}
	return math.Sqrt(sum / count)
}

func TestImputeAutoLeavesCleanScansAlone(t *testing.T) {
	for _, rician := range []bool{false, true} {
		p, _ := head(t, phantom.Options{Protocol: "small", SNR: 15, Rician: rician, Seed: 3, Shape: [3]int{20, 20, 8}})
		auto := run(t, p.Noisy, p.Table, Options{})
		off := run(t, p.Noisy, p.Table, Options{Imputing: Imputing{Mode: ImputeOff}})
		if !same(auto.Denoised, off.Denoised) || !same(auto.Sigma, off.Sigma) {
			t.Errorf("rician %v: auto and off differ on a scan without dropout", rician)
		}
		if auto.Summary.Imputation.Slices != 0 || auto.Imputed.Lost.Len() != 0 {
			t.Errorf("rician %v: record %+v", rician, auto.Summary.Imputation)
		}
	}
}

// The definition of lost: whatever stands there, the output is the same.
func TestLostValuesAreNeverRead(t *testing.T) {
	p, _ := head(t, phantom.Options{Protocol: "small", SNR: 15, Rician: true, Seed: 4, Shape: [3]int{16, 16, 8}})
	const list = "7:2-4,12:5,20"
	var first *Result
	for _, garbage := range []float32{3, float32(math.NaN()), -1e7} {
		im := copyOf(p.Noisy)
		overwrite(im, 7, 2, 4, garbage)
		overwrite(im, 12, 5, 5, garbage)
		overwrite(im, 20, 0, 7, garbage)
		r := run(t, im, p.Table, Options{Imputing: Imputing{Mode: ImputeNamed, Lost: spans(t, list), Std: true}})
		if first == nil {
			first = r
			continue
		}
		if !same(r.Denoised, first.Denoised) || !same(r.Sigma, first.Sigma) || !same(r.Imputed.Std, first.Imputed.Std) {
			t.Errorf("%v in the lost slices changes the result", garbage)
		}
	}
}

func TestImputedSlicesAndVolumes(t *testing.T) {
	p, mask := head(t, phantom.Options{Protocol: "clinical", SNR: 15, Rician: true, Seed: 5, Shape: [3]int{24, 24, 10}})
	im := copyOf(p.Noisy)
	overwrite(im, 10, 3, 5, 0)
	overwrite(im, 40, 0, 9, float32(math.NaN()))
	o := Options{Mask: mask, Threads: 1, Imputing: Imputing{Std: true, Samples: 2}}
	r := run(t, im, p.Table, o)
	if got := r.Imputed.Lost.String(); got != "10:3-5,40" {
		t.Fatalf("lost %q, want 10:3-5,40", got)
	}
	for _, at := range [][3]int{{10, 3, 5}, {40, 0, 9}} {
		// A measurement has error 1; what was measured and denoised about 0.3.
		if e := errorIn(p, r.Denoised, mask, at[0], at[1], at[2]); e > 0.5 {
			t.Errorf("volume %d, slices %d-%d: error %.3f σ", at[0], at[1], at[2], e)
		}
	}
	s := r.Summary.Imputation
	if s.Slices != 13 || math.Abs(s.Percent-100*13.0/700) > 1e-9 || len(s.Lost) != 2 || !s.Lost[1].Whole || len(s.Held) != 2 {
		t.Errorf("record %+v", s)
	}
	nx, ny, _, _ := im.Dims()
	for n := range 70 {
		for z := range 10 {
			lost := r.Imputed.Lost.Is(n, z)
			for v := z * nx * ny; v < (z+1)*nx*ny; v++ {
				sd := r.Imputed.Std.Volume(n)[v]
				spread := r.Imputed.Samples[0].Volume(n)[v] != r.Imputed.Samples[1].Volume(n)[v]
				if mask[v] && lost && !(sd > 0) || !lost && (sd != 0 || spread) {
					t.Fatalf("volume %d slice %d: lost %v, standard deviation %v, draws differ %v", n, z, lost, sd, spread)
				}
			}
		}
	}
	o.Threads = 3
	again := run(t, im, p.Table, o)
	if !same(r.Denoised, again.Denoised) || !same(r.Imputed.Std, again.Imputed.Std) || !same(r.Imputed.Samples[1], again.Imputed.Samples[1]) {
		t.Error("the result depends on the number of threads")
	}
}

func TestVolumesThatCannotBeImputed(t *testing.T) {
	p, _ := head(t, phantom.Options{Protocol: "small", SNR: 20, Rician: true, Seed: 6, Shape: [3]int{20, 20, 6}})
	// One b0 is left: losing it leaves nothing to take its place from.
	keep := []int{0}
	for n, b := range p.Table.BVals {
		if b > 0 {
			keep = append(keep, n)
		}
	}
	im, table := p.Noisy.Select(keep), p.Table.Select(keep)
	clear(im.Volume(0))
	r := run(t, im, table, Options{})
	if r.Imputed.Lost.Len() != 0 || !strings.Contains(strings.Join(r.Summary.Warnings, "\n"), "volume 0 is lost (constant) but stays as it is") {
		t.Errorf("lost %v, warnings %q", r.Imputed.Lost, r.Summary.Warnings)
	}
	_, err := Run(t.Context(), im, table, Options{Imputing: Imputing{Mode: ImputeNamed, Lost: spans(t, "0")}})
	if !errors.Is(err, ErrNotImputable) || !errors.Is(err, impute.ErrOutside) {
		t.Errorf("the only b0 by name: %v, want ErrNotImputable", err)
	}
	_, err = Run(t.Context(), p.Noisy, nil, Options{Imputing: Imputing{Mode: ImputeNamed, Lost: spans(t, "4")}})
	if !errors.Is(err, ErrNotImputable) {
		t.Errorf("a volume without a table: %v, want ErrNotImputable", err)
	}
	_, err = Run(t.Context(), p.Noisy, p.Table, Options{Imputing: Imputing{Mode: ImputeNamed, Lost: spans(t, "33")}})
	if !errors.Is(err, impute.ErrList) {
		t.Errorf("volume 33 of 33: %v, want ErrList", err)
	}
}

// Slices are replaced without a table, too: from the other slices of the volume.
func TestSlicesWithoutATable(t *testing.T) {
	p, mask := head(t, phantom.Options{Protocol: "small", SNR: 20, Seed: 7, Shape: [3]int{28, 28, 10}})
	im := copyOf(p.Noisy)
	overwrite(im, 9, 4, 5, 1)
	r := run(t, im, nil, Options{Mask: mask, Imputing: Imputing{Mode: ImputeNamed, Lost: spans(t, "9:4-5")}})
	if e := errorIn(p, r.Denoised, mask, 9, 4, 5); e > 0.8 {
		t.Errorf("error %.3f σ", e)
	}
	if g := r.Summary.Imputation.Geometric; g == nil || *g != 0 {
		t.Errorf("weight of the q-space model %v, want 0", g)
	}
}

func TestTargetTable(t *testing.T) {
	p, mask := head(t, phantom.Options{Protocol: "clinical", SNR: 20, Seed: 8, Shape: [3]int{32, 32, 10}})
	held := []int{9, 20, 33, 47, 60}
	var kept []int
	for n := range 70 {
		if !slices.Contains(held, n) {
			kept = append(kept, n)
		}
	}
	im, table, target := p.Noisy.Select(kept), p.Table.Select(kept), p.Table.Select(held)
	r := run(t, im, table, Options{Mask: mask, Imputing: Imputing{Target: target, Std: true, Samples: 1}})
	inside, n, drawn, claimed := 0.0, 0.0, 0.0, 0.0
	for i, volume := range held {
		if e := errorOf(p, r.Imputed.Target.Volume(i), mask, volume); e > 0.45 {
			t.Errorf("volume %d: error %.3f σ", volume, e)
		}
		for v, in := range mask {
			sd := float64(r.Imputed.TargetStd.Volume(i)[v])
			if !in {
				if r.Imputed.Target.Volume(i)[v] != 0 || sd != 0 {
					t.Fatal("something is estimated outside the mask")
				}
				continue
			}
			if math.Abs(float64(r.Imputed.Target.Volume(i)[v]-p.Truth.Volume(volume)[v])) <= nominalWidth*sd {
				inside++
			}
			d := float64(r.Imputed.TargetSamples[0].Volume(i)[v] - r.Imputed.Target.Volume(i)[v])
			drawn += d * d
			claimed += sd * sd
			n++
		}
	}
	if c := inside / n; c < 0.86 || c > 0.94 {
		t.Errorf("90 %% intervals cover %.1f %%", 100*c)
	}
	if math.Abs(drawn/claimed-1) > 0.1 {
		t.Errorf("variance of draws is %.3f of that claimed", drawn/claimed)
	}
	if s := r.Summary.Imputation; s.Directions != 5 || len(s.Held) != 1 || math.Abs(s.Held[0].Coverage-0.9) > 0.02 {
		t.Errorf("record %+v", s)
	}
}

// errorOf is errorIn for a volume of another series.
func errorOf(p *phantom.Phantom, volume []float32, mask []bool, n int) float64 {
	sum, count := 0.0, 0.0
	for v, in := range mask {
		if in {
			d := float64(volume[v]-p.Truth.Volume(n)[v]) / float64(p.Sigma.Voxels()[v])
			sum += d * d
			count++
		}
	}
	return math.Sqrt(sum / count)
}

func TestTargetTableIsCheckedFirst(t *testing.T) {
	p, _ := head(t, phantom.Options{Protocol: "small", SNR: 20, Seed: 9, Shape: [3]int{16, 16, 6}})
	beyond := &gradients.Table{BVals: []float64{500, 3000}, BVecs: [][3]float64{{1, 0, 0}, {0, 1, 0}}}
	_, err := Run(t.Context(), p.Noisy, p.Table, Options{Imputing: Imputing{Target: beyond}})
	if !errors.Is(err, impute.ErrOutside) || !strings.Contains(err.Error(), "target volume 1 has b = 3000") {
		t.Errorf("beyond the shells: %v, want ErrOutside with the volume", err)
	}
	r := run(t, p.Noisy, p.Table, Options{Imputing: Imputing{Target: beyond, Extrapolate: true}})
	if _, _, _, nt := r.Imputed.Target.Dims(); nt != 2 {
		t.Errorf("%d target volumes", nt)
	}
	_, err = Run(t.Context(), p.Noisy, nil, Options{Imputing: Imputing{Target: beyond}})
	if !errors.Is(err, ErrNotImputable) {
		t.Errorf("without a table: %v, want ErrNotImputable", err)
	}
}
