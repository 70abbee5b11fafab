package denoise

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

func head(t testing.TB, o phantom.Options) (*phantom.Phantom, []bool) {
	t.Helper()
	if o.Shape == [3]int{} {
		o.Shape = [3]int{22, 22, 8}
	}
	p, err := phantom.Make(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	mask := make([]bool, len(p.Mask.Voxels()))
	for v, m := range p.Mask.Voxels() {
		mask[v] = m > 0
	}
	return p, mask
}

// run is Run without the choice of the prior, which takes as long as two runs
// and has a test of its own.
func run(t testing.TB, im *nifti.Image, table *gradients.Table, o Options) *Result {
	t.Helper()
	if o.Prior == PriorFast {
		o.Prior = PriorGaussian
	}
	r, err := Run(t.Context(), im, table, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// figures returns error and bias over the mask in units of the mean σ.
func figures(p *phantom.Phantom, mask []bool, est *nifti.Image) (rmse, bias float64) {
	sigma, n := 0.0, 0.0
	for v, m := range mask {
		if m {
			sigma += float64(p.Sigma.Voxels()[v])
			n++
		}
	}
	sigma /= n
	_, _, _, nt := est.Dims()
	for i := range nt {
		e, x := est.Volume(i), p.Truth.Volume(i)
		for v, m := range mask {
			if m {
				d := float64(e[v]-x[v]) / sigma
				rmse += d * d
				bias += d
			}
		}
	}
	return math.Sqrt(rmse / n / float64(nt)), bias / n / float64(nt)
}

func TestRunReducesErrorAndMeasuresNoise(t *testing.T) {
	for name, c := range map[string]struct {
		o    phantom.Options
		rmse float64
	}{
		"small, Gaussian":        {phantom.Options{Protocol: "small", SNR: 20, Seed: 1}, 0.6},
		"clinical, Rician":       {phantom.Options{Protocol: "clinical", SNR: 15, Rician: true, Seed: 2}, 0.5},
		"multishell, varying":    {phantom.Options{Protocol: "multishell", SNR: 25, Rician: true, SigmaRatio: 1.5, Seed: 3, Shape: [3]int{28, 28, 10}}, 0.5},
		"clinical, varying":      {phantom.Options{Protocol: "clinical", SNR: 25, Rician: true, SigmaRatio: 1.5, Seed: 3, Shape: [3]int{34, 34, 8}}, 0.5},
		"more volumes than rows": {phantom.Options{Protocol: "multishell", SNR: 25, Rician: true, Seed: 3, Shape: [3]int{14, 14, 4}}, 0.65},
	} {
		t.Run(name, func(t *testing.T) {
			p, mask := head(t, c.o)
			r := run(t, p.Noisy, p.Table, Options{Mask: mask})
			rmse, bias := figures(p, mask, r.Denoised)
			noisy, _ := figures(p, mask, p.Noisy)
			if rmse > c.rmse || noisy < 0.9 {
				t.Errorf("error %.3f σ after, %.3f before; want at most %.2f after", rmse, noisy, c.rmse)
			}
			if math.Abs(bias) > 0.05 {
				t.Errorf("bias %.3f σ", bias)
			}
			var errs []float64
			for v, m := range mask {
				if m {
					errs = append(errs, math.Abs(float64(r.Sigma.Voxels()[v]/p.Sigma.Voxels()[v])-1))
				}
			}
			slices.Sort(errs)
			if e := errs[len(errs)/2]; e > 0.05 {
				t.Errorf("noise map off by %.3f in the median", e)
			}
		})
	}
}

// The Rician bias of a low-SNR magnitude scan is there without the correction
// and gone with it; auto finds out by itself.
func TestRunRemovesRicianBias(t *testing.T) {
	p, mask := head(t, phantom.Options{Protocol: "clinical", SNR: 8, Rician: true, Seed: 5})
	bias := func(mode RicianMode) float64 {
		_, b := figures(p, mask, run(t, p.Noisy, nil, Options{Mask: mask, Rician: mode}).Denoised)
		return b
	}
	off, on, auto := bias(RicianOff), bias(RicianOn), bias(RicianAuto)
	if off < 0.05 {
		t.Errorf("bias without correction %.3f σ: the test has no power", off)
	}
	if math.Abs(on) > 0.3*off {
		t.Errorf("bias with correction %.3f σ, without %.3f σ", on, off)
	}
	if auto != on {
		t.Errorf("auto gives bias %.4f, on gives %.4f", auto, on)
	}
	g, mask := head(t, phantom.Options{Protocol: "small", SNR: 10, Seed: 5})
	if r := run(t, g.Noisy, nil, Options{Mask: mask}); r.Summary.RicianCorrected {
		t.Error("auto takes a scan with negative values for a magnitude")
	}
}

// The choice gives what the chosen gives, and says what it was made from.
func TestRunChoosesThePrior(t *testing.T) {
	p, mask := head(t, phantom.Options{Protocol: "small", SNR: 20, Seed: 1, Shape: [3]int{16, 18, 6}})
	fast, err := Run(t.Context(), p.Noisy, p.Table, Options{Mask: mask})
	if err != nil {
		t.Fatal(err)
	}
	choice := fast.Summary.Prior
	if n := len(choice.Risks); n != 2 || choice.Risks[0].Prior != "gaussian" || choice.Risks[1].Prior != "soft" || chosenPrior(choice.Chosen) == PriorFast || choice.Learned != nil {
		t.Fatalf("choice %+v", choice)
	}
	if again := run(t, p.Noisy, p.Table, Options{Mask: mask, Prior: chosenPrior(choice.Chosen)}); !slices.Equal(fast.Denoised.Voxels(), again.Denoised.Voxels()) {
		t.Errorf("fast differs from %s, its choice", choice.Chosen)
	}
}

func TestRunDoesNotDependOnThreads(t *testing.T) {
	p, mask := head(t, phantom.Options{Protocol: "small", SNR: 20, Rician: true, Seed: 1, Shape: [3]int{16, 18, 6}})
	for name, o := range map[string]Options{
		"mean":      {Mask: mask},
		"whole":     {},
		"ancestral": {Mask: mask, Sampler: Ancestral, SamplerSteps: 4, Seed: 3},
	} {
		o.Threads = 1
		want := run(t, p.Noisy, p.Table, o)
		for _, threads := range []int{2, 5} {
			o.Threads = threads
			got := run(t, p.Noisy, p.Table, o)
			if !slices.Equal(got.Denoised.Voxels(), want.Denoised.Voxels()) || !slices.Equal(got.Sigma.Voxels(), want.Sigma.Voxels()) {
				t.Errorf("%s: %d threads change the result", name, threads)
			}
		}
	}
}

// Samples scatter about the posterior mean; another seed gives another sample.
// DDIM is deterministic.
func TestRunSamplers(t *testing.T) {
	p, mask := head(t, phantom.Options{Protocol: "small", SNR: 20, Seed: 1, Shape: [3]int{20, 20, 6}})
	mean := run(t, p.Noisy, nil, Options{Mask: mask}).Denoised
	base, _ := figures(p, mask, mean)
	for _, s := range []Sampler{Ancestral, SDE, DDIM} {
		one := run(t, p.Noisy, nil, Options{Mask: mask, Sampler: s, SamplerSteps: 10, Seed: 1}).Denoised
		two := run(t, p.Noisy, nil, Options{Mask: mask, Sampler: s, SamplerSteps: 10, Seed: 2}).Denoised
		if same := slices.Equal(one.Voxels(), two.Voxels()); same != (s == DDIM) {
			t.Errorf("sampler %d: seeds 1 and 2 agree: %v", s, same)
		}
		if e, bias := figures(p, mask, one); e < 0.95*base || e > 2*base || math.Abs(bias) > 0.05 {
			t.Errorf("sampler %d: error %.3f σ and bias %.3f σ, posterior mean has %.3f σ", s, e, bias, base)
		}
	}
}

func TestRunLeavesAloneWhatItCannotDenoise(t *testing.T) {
	p, mask := head(t, phantom.Options{Protocol: "small", SNR: 20, Rician: true, Seed: 1, Shape: [3]int{20, 20, 6}})
	im := p.Noisy
	nan, inf, zero, flat := 0, 1, 2, 3
	for n := range 33 {
		im.Volume(n)[zero], im.Volume(n)[flat] = 0, 7
	}
	im.Volume(4)[nan] = float32(math.NaN())
	im.Volume(5)[inf] = float32(math.Inf(1))
	before := slices.Clone(im.Voxels())
	r := run(t, im, p.Table, Options{})
	if !sameFloats(before, im.Voxels()) {
		t.Error("Run changed its input")
	}
	for n := range 33 {
		for _, v := range []int{nan, inf, zero, flat} {
			if !sameFloats([]float32{r.Denoised.Volume(n)[v]}, []float32{im.Volume(n)[v]}) {
				t.Errorf("volume %d voxel %d = %v, want the input's %v", n, v, r.Denoised.Volume(n)[v], im.Volume(n)[v])
			}
		}
	}
	if r.Summary.VoxelsNonFinite != 2 || r.Summary.VoxelsConstant != 2 || len(r.Summary.Warnings) == 0 {
		t.Errorf("summary %+v, want 2 non-finite and 2 constant voxels and a warning", r.Summary)
	}
	for v, x := range r.Denoised.Voxels() {
		if x-x != 0 && v%2400 != nan && v%2400 != inf {
			t.Fatalf("NaN spread to value %d", v)
		}
	}
	if z := run(t, im, p.Table, Options{ZeroNaN: true}); z.Denoised.Volume(4)[nan] != 0 || z.Denoised.Volume(5)[inf] != 0 {
		t.Error("ZeroNaN leaves NaN or Inf")
	}
	masked := run(t, im, p.Table, Options{Mask: mask})
	for v, m := range mask {
		if x := masked.Denoised.Volume(3)[v]; !m && x != 0 {
			t.Fatalf("voxel %d outside the mask is %v, want 0", v, x)
		}
	}
}

func sameFloats(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// A noise level far below the signal's precision returns the scan, one far above
// it flattens the scan, and one that cannot be expressed is refused; nothing is
// ever not a number.
func TestRunAtExtremeNoiseLevels(t *testing.T) {
	p, mask := head(t, phantom.Options{Protocol: "small", SNR: 20, Seed: 1, Shape: [3]int{12, 12, 4}})
	for _, level := range []float64{1e-30, 1e-9, 1e-3, 1e9, 1e30} {
		for _, s := range []Sampler{Mean, SDE} {
			r := run(t, p.Noisy, nil, Options{Mask: mask, NoiseLevel: level, Sampler: s, SamplerSteps: 3})
			for i, v := range r.Denoised.Voxels() {
				if x := p.Noisy.Voxels()[i]; v-v != 0 || level < 1 && mask[i%len(mask)] && math.Abs(float64(v-x)) > 1e-3*math.Abs(float64(x))+0.1 {
					t.Fatalf("noise level %v, sampler %d: %v becomes %v", level, s, x, v)
				}
			}
		}
	}
	for _, level := range []float64{1e-50, 1e50, math.Inf(1)} {
		if _, err := Run(t.Context(), p.Noisy, nil, Options{Mask: mask, NoiseLevel: level}); !errors.Is(err, ErrInvalidNoise) {
			t.Errorf("noise level %v: err = %v, want ErrInvalidNoise", level, err)
		}
	}
	if _, err := Run(t.Context(), p.Noisy, nil, Options{Mask: mask, NoiseLevel: 1e-40}); err == nil {
		t.Error("a noise level that takes the signals beyond float32 is accepted")
	}
}

// Header fields of the scan come back in the result, its display window too.
func TestRunKeepsTheHeader(t *testing.T) {
	p, mask := head(t, phantom.Options{Protocol: "small", SNR: 20, Seed: 1, Shape: [3]int{12, 12, 4}})
	p.Noisy.Header.CalMin, p.Noisy.Header.CalMax = 5, 900
	p.Noisy.Header.Descrip, p.Noisy.Header.SliceCode, p.Noisy.Header.PixDim[4] = "a scan", 3, 3.5
	got, want := run(t, p.Noisy, nil, Options{Mask: mask}).Denoised.Header, p.Noisy.Header
	if got.CalMin != 5 || got.CalMax != 900 || got.Descrip != "a scan" || got.SliceCode != 3 || got.PixDim != want.PixDim || got.SRow != want.SRow {
		t.Errorf("header of the result %+v, of the scan %+v", got, want)
	}
}

func TestRunTakesGivenNoise(t *testing.T) {
	p, mask := head(t, phantom.Options{Protocol: "small", SNR: 20, Seed: 1, Shape: [3]int{20, 20, 6}})
	level := run(t, p.Noisy, nil, Options{Mask: mask, NoiseLevel: 50})
	for v, m := range mask {
		want := float32(0)
		if m {
			want = 50
		}
		if level.Sigma.Voxels()[v] != want {
			t.Fatalf("noise map of a given level is %v at voxel %d, want %v", level.Sigma.Voxels()[v], v, want)
		}
	}
	given := run(t, p.Noisy, nil, Options{Mask: mask, NoiseMap: slices.Repeat([]float32{50}, 2400)})
	if !slices.Equal(given.Denoised.Voxels(), level.Denoised.Voxels()) || given.Summary.Sigma.Source != "map" || level.Summary.Sigma.Source != "level" {
		t.Error("a flat noise map and its level disagree")
	}
}

func TestRunScalesWithTheImage(t *testing.T) {
	p, mask := head(t, phantom.Options{Protocol: "small", SNR: 20, Rician: true, Seed: 1, Shape: [3]int{20, 20, 6}})
	one := run(t, p.Noisy, nil, Options{Mask: mask}).Denoised
	big := p.Noisy.Like(33)
	for i, v := range p.Noisy.Voxels() {
		big.Voxels()[i] = v * 4096
	}
	for i, v := range run(t, big, nil, Options{Mask: mask}).Denoised.Voxels() {
		if d := v/4096 - one.Voxels()[i]; math.Abs(float64(d)) > 0.05 {
			t.Fatalf("value %d of the image times 4096 is off by %v", i, d)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	p, mask := head(t, phantom.Options{Protocol: "small", SNR: 20, Seed: 1, Shape: [3]int{12, 12, 4}})
	single := p.Noisy.Like(1)
	copy(single.Voxels(), p.Noisy.Volume(0))
	constant := p.Noisy.Like(33)
	short := &gradients.Table{BVals: make([]float64, 5), BVecs: make([][3]float64, 5)}
	bad := slices.Repeat([]float32{50}, 576)
	for v, m := range mask {
		if m {
			bad[v] = -1
			break
		}
	}
	for name, c := range map[string]struct {
		im    *nifti.Image
		table *gradients.Table
		o     Options
		want  error
	}{
		"one volume":         {single, nil, Options{}, ErrSingleVolume},
		"constant image":     {constant, nil, Options{}, ErrEmptyMask},
		"empty mask":         {p.Noisy, nil, Options{Mask: make([]bool, 576)}, ErrEmptyMask},
		"mask size":          {p.Noisy, nil, Options{Mask: make([]bool, 575)}, ErrMismatch},
		"noise map size":     {p.Noisy, nil, Options{NoiseMap: make([]float32, 3)}, ErrMismatch},
		"negative noise map": {p.Noisy, nil, Options{Mask: mask, NoiseMap: bad}, ErrInvalidNoise},
		"negative noise":     {p.Noisy, nil, Options{NoiseLevel: -1}, ErrInvalidNoise},
		"NaN noise":          {p.Noisy, nil, Options{NoiseLevel: math.NaN()}, ErrInvalidNoise},
		"short table":        {p.Noisy, short, Options{}, gradients.ErrCount},
	} {
		if _, err := Run(t.Context(), c.im, c.table, c.o); !errors.Is(err, c.want) {
			t.Errorf("%s: err = %v, want %v", name, err, c.want)
		}
	}
	if _, err := Run(t.Context(), p.Noisy, nil, Options{Extent: [3]int{4, 5, 5}}); err == nil {
		t.Error("an even block extent is accepted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, p.Noisy, nil, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: err = %v", err)
	}
}

func TestRunOnFewVolumes(t *testing.T) {
	p, mask := head(t, phantom.Options{Protocol: "small", SNR: 20, Rician: true, Seed: 1, Shape: [3]int{24, 24, 8}})
	for _, d := range []int{2, 3, 5, 7} {
		im := p.Noisy.Like(d)
		for n := range d {
			copy(im.Volume(n), p.Noisy.Volume(n))
		}
		r := run(t, im, nil, Options{Mask: mask})
		for i, v := range r.Denoised.Voxels() {
			if v-v != 0 {
				t.Fatalf("%d volumes: value %d is %v", d, i, v)
			}
		}
		if warned := len(r.Summary.Warnings) > 0; warned != (d < 7) {
			t.Errorf("%d volumes: warnings %q", d, r.Summary.Warnings)
		}
	}
}

func TestRunWarnsOfLostVolumes(t *testing.T) {
	p, _ := head(t, phantom.Options{Protocol: "small", SNR: 20, Rician: true, Seed: 1, Shape: [3]int{20, 20, 6}})
	clear(p.Noisy.Volume(7))
	r := run(t, p.Noisy, p.Table, Options{})
	if len(r.Summary.Warnings) != 1 || !strings.HasSuffix(r.Summary.Warnings[0], ": 7") {
		t.Errorf("warnings %q, want one that names volume 7", r.Summary.Warnings)
	}
	r = run(t, p.Noisy, p.Table, Options{Imputing: Imputing{Mode: ImputeOff}})
	if len(r.Summary.Warnings) != 1 || !strings.Contains(r.Summary.Warnings[0], "[7]") {
		t.Errorf("not imputed: warnings %q, want one that names volume 7", r.Summary.Warnings)
	}
}

func TestSummaryFigures(t *testing.T) {
	p, mask := head(t, phantom.Options{Protocol: "clinical", SNR: 20, Seed: 1})
	linear, err := diffusion.Linear(300)
	if err != nil {
		t.Fatal(err)
	}
	s := run(t, p.Noisy, p.Table, Options{Mask: mask, Schedule: linear}).Summary
	if s.Volumes != 70 || s.VoxelsDenoised != count(mask) || s.Schedule != "linear" || s.Timesteps != 300 {
		t.Errorf("summary %+v", s)
	}
	// ᾱ(t*) = s²/(s²+1) is the definition of the noise-matched start.
	if want := s.SignalSpread * s.SignalSpread / (s.SignalSpread*s.SignalSpread + 1); math.Abs(s.AlphaBar-want) > 1e-9 {
		t.Errorf("ᾱ(t*) = %v, want %v", s.AlphaBar, want)
	}
	if len(s.Shells) != 2 || s.Shells[0].Volumes != 6 || s.Shells[1].Volumes != 64 {
		t.Fatalf("shells %+v", s.Shells)
	}
	for _, shell := range s.Shells {
		if math.Abs(shell.MeanAfter/shell.MeanBefore-1) > 0.005 || math.Abs(shell.ResidualMean) > 0.02 {
			t.Errorf("shell %v: mean changes from %v to %v", shell.BValue, shell.MeanBefore, shell.MeanAfter)
		}
		if shell.ResidualRMS < 0.8 || shell.ResidualRMS > 1.05 {
			t.Errorf("shell %v: residual %.3f σ", shell.BValue, shell.ResidualRMS)
		}
	}
	if s.Sigma.B0Repeats == nil || math.Abs(*s.Sigma.B0Repeats/50-1) > 0.05 {
		t.Errorf("σ from repeated b0 = %v, want 50", s.Sigma.B0Repeats)
	}
}
