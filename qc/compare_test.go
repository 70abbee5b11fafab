package qc

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// TestCompareByDefinition uses errors whose figures can be written down.
func TestCompareByDefinition(t *testing.T) {
	ctx := context.Background()
	g := Grid{NX: 4, NY: 2, NZ: 1}
	truth := []float32{1, 2, 3, 4, 5, 6, 7, 8, 10, 20, 30, 40, 50, 60, 70, 80}
	estimate := make([]float32, len(truth))
	for i, x := range truth {
		estimate[i] = x + 2 // volume 0: an offset
		if i >= 8 {
			estimate[i] = x + float32(3-6*(i%2)) // volume 1: ±3
		}
	}
	mask := []bool{true, true, true, true, true, true, false, false}
	shells := []gradients.Shell{{B: 0, Volumes: []int{0}, IsB0: true}, {B: 1000, Volumes: []int{1}}}
	c, err := Compare(ctx, truth, estimate, mask, g, CompareOptions{Shells: shells, Sigma: 4})
	if err != nil {
		t.Fatal(err)
	}
	if c.Voxels != 6 || c.Volumes != 2 || len(c.Shells) != 2 || c.Shells[1].B != 1000 || c.Shells[1].Volumes != 1 {
		t.Fatalf("Compare = %+v", c)
	}
	all := math.Sqrt((4 + 9) / 2.0)
	squares := 1 + 4 + 9 + 16 + 25 + 36.0
	for _, f := range []struct {
		name      string
		got, want float64
	}{
		{"rmse", c.All.RMSE, all},
		{"rmse/σ", c.All.RMSEOverSigma, all / 4},
		{"nrmse", c.All.NRMSE, all / math.Sqrt((squares+100*squares)/12)},
		{"psnr", c.All.PSNR, 20 * math.Log10(60/all)},
		{"bias", c.All.Bias, 1},
		{"bias/σ", c.All.BiasOverSigma, 0.25},
		{"max", c.All.Max, 60},
		{"b0 rmse", c.Shells[0].Figures.RMSE, 2},
		{"b0 bias", c.Shells[0].Figures.Bias, 2},
		{"b0 psnr", c.Shells[0].Figures.PSNR, 20 * math.Log10(6.0/2)},
		{"b1000 rmse", c.Shells[1].Figures.RMSE, 3},
		{"b1000 bias", c.Shells[1].Figures.Bias, 0},
	} {
		if math.Abs(f.got-f.want) > 1e-12 {
			t.Errorf("%s = %v, want %v", f.name, f.got, f.want)
		}
	}
}

// TestComparePerfect wants SSIM 1 and no figure in JSON that JSON cannot hold.
func TestComparePerfect(t *testing.T) {
	clean, _, mask, g := head()
	c, err := Compare(context.Background(), clean, clean, mask, g, CompareOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(c.All.SSIM-1) > 1e-12 || c.All.RMSE != 0 || !math.IsInf(c.All.PSNR, 1) {
		t.Errorf("figures of a perfect estimate = %+v", c.All)
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var back struct{ All map[string]*float64 }
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"psnr_db", "rmse_over_sigma", "bias_over_sigma"} {
		if v, there := back.All[name]; !there || v != nil {
			t.Errorf("%s in %s, want null", name, b)
		}
	}
	if v := back.All["rmse"]; v == nil || *v != 0 {
		t.Errorf("rmse in %s, want 0", b)
	}
}

// TestSSIMFalls wants SSIM below 1 and lower with more noise.
func TestSSIMFalls(t *testing.T) {
	clean, noisy, mask, g := head()
	last := 1.0
	for _, share := range []float32{0.2, 0.5, 1} {
		estimate := make([]float32, len(clean))
		for i := range estimate {
			estimate[i] = clean[i] + share*(noisy[i]-clean[i])
		}
		c, err := Compare(context.Background(), clean, estimate, mask, g, CompareOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if !(c.All.SSIM < last && c.All.SSIM > 0) {
			t.Errorf("SSIM with %g of the noise = %.4f, after %.4f", share, c.All.SSIM, last)
		}
		last = c.All.SSIM
	}
}

func TestCompareIgnoresOutside(t *testing.T) {
	clean, noisy, mask, g := head()
	want, err := Compare(context.Background(), clean, noisy, mask, g, CompareOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, in := range mask {
		if !in {
			noisy[i] = float32(math.NaN())
		}
	}
	got, err := Compare(context.Background(), clean, noisy, mask, g, CompareOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if g, w := marshal(t, got), marshal(t, want); g != w {
		t.Errorf("figures change with values outside the mask:\n%s\n%s", g, w)
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFiguresDoNotDependOnThreads(t *testing.T) {
	ctx := context.Background()
	g := Grid{NX: 9, NY: 8, NZ: 7}
	rng := rand.New(rand.NewPCG(8, 0))
	a, b := make([]float32, 11*g.Voxels()), make([]float32, 11*g.Voxels())
	for i := range a {
		a[i], b[i] = rng.Float32(), rng.Float32()
	}
	var first string
	for _, threads := range []int{1, 2, 7} {
		c, err := Compare(ctx, a, b, nil, g, CompareOptions{Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		r, err := ResidualStats(ctx, a, b, nil, nil, g, threads)
		if err != nil {
			t.Fatal(err)
		}
		if s := marshal(t, []any{c, r}); first == "" {
			first = s
		} else if s != first {
			t.Errorf("%d threads give\n%s, 1 gives\n%s", threads, s, first)
		}
	}
}

func TestCompareRefuses(t *testing.T) {
	ctx := context.Background()
	clean, noisy, mask, g := head()
	bad := append([]float32(nil), noisy...)
	bad[10+20*(12+24*8)] = float32(math.Inf(1))
	for _, c := range []struct {
		name            string
		truth, estimate []float32
		mask            []bool
		g               Grid
		o               CompareOptions
	}{
		{"other length", clean, noisy[:100], mask, g, CompareOptions{}},
		{"no whole volume", clean[:100], noisy[:100], mask, g, CompareOptions{}},
		{"no volume", nil, nil, mask, g, CompareOptions{}},
		{"empty grid", clean, noisy, mask, Grid{}, CompareOptions{}},
		{"short mask", clean, noisy, mask[:5], g, CompareOptions{}},
		{"empty mask", clean, noisy, make([]bool, g.Voxels()), g, CompareOptions{}},
		{"infinite value", clean, bad, mask, g, CompareOptions{}},
		{"shell beyond the series", clean, noisy, mask, g, CompareOptions{Shells: []gradients.Shell{{Volumes: []int{1}}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Compare(ctx, c.truth, c.estimate, c.mask, c.g, c.o); !errors.Is(err, ErrInput) {
				t.Errorf("Compare = %v, want ErrInput", err)
			}
		})
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := Compare(cancelled, clean, noisy, mask, g, CompareOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled Compare = %v, want context.Canceled", err)
	}
}

func BenchmarkCompare64x64x24x8(b *testing.B) {
	g := Grid{NX: 64, NY: 64, NZ: 24}
	rng := rand.New(rand.NewPCG(1, 0))
	x, y := make([]float32, 8*g.Voxels()), make([]float32, 8*g.Voxels())
	for i := range x {
		x[i], y[i] = rng.Float32(), rng.Float32()
	}
	b.SetBytes(int64(4 * len(x)))
	for b.Loop() {
		if _, err := Compare(context.Background(), x, y, nil, g, CompareOptions{Threads: 1}); err != nil {
			b.Fatal(err)
		}
	}
}
