package prior

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
)

// However strong or weak the signal against the noise, the measurement has unit
// noise at t*, for schedules of any length, and what comes back is finite: the
// measurement itself where there is next to no noise.
func TestGaussianAtExtremeNoise(t *testing.T) {
	_, y := smooth(9, 8, 5, 9, 1, 7)
	for _, name := range []string{"cosine", "linear"} {
		for _, T := range []int{2, 10, 1000} {
			schedule, err := diffusion.ByName(name, T)
			if err != nil {
				t.Fatal(err)
			}
			for _, factor := range []float32{1e-20, 1e-3, 1, 1e3, 1e6, 1e12, 1e30} {
				scaled := signals.New(y.Grid, y.D)
				for i, v := range y.Values {
					scaled.Values[i] = v * factor
				}
				scale, err := NewScaling(schedule, scaled)
				if err != nil {
					t.Fatalf("%s %d, signals times %v: %v", name, T, factor, err)
				}
				if _, sigma := scale.Measured(scale.T); math.Abs(sigma-1) > 1e-6 {
					t.Errorf("%s %d, signals times %v: noise %v at t* = %v, want 1", name, T, factor, sigma, scale.T)
				}
				xt, out := slices.Clone(scaled.Values), make([]float32, len(scaled.Values))
				scale.Start(xt)
				g := NewGaussian(y.Grid, y.D, scale, GaussianOptions{})
				if err := g.PosteriorMean(t.Context(), out, xt, scale.T); err != nil {
					t.Fatal(err)
				}
				scale.Finish(out)
				tolerance := 2e-6 * float64(factor) * 40 // float32 rounding of the signal
				if factor < 1e4 {
					tolerance += 4
				}
				for i, v := range out {
					if d := float64(v - scaled.Values[i]); !(math.Abs(d) <= tolerance) {
						t.Fatalf("%s %d, signals times %v: %v becomes %v", name, T, factor, scaled.Values[i], v)
					}
				}
			}
		}
	}
}

// x at t = -1 is the clean signal, fitted or not.
func TestGaussianAtTheCleanSignal(t *testing.T) {
	_, y := smooth(6, 6, 4, 7, 1, 3)
	scale, err := NewScaling(cosine(t), y)
	if err != nil {
		t.Fatal(err)
	}
	scale.Start(y.Values)
	g := NewGaussian(y.Grid, y.D, scale, GaussianOptions{})
	for range 2 {
		out := make([]float32, len(y.Values))
		if err := g.PosteriorMean(t.Context(), out, y.Values, -1); err != nil || !slices.Equal(out, y.Values) {
			t.Fatalf("PosteriorMean at t = -1 changes its argument (err %v)", err)
		}
		if err := g.Fit(t.Context(), y.Values); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNonFiniteSignalsAreAnError(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		_, y := smooth(6, 6, 4, 12, 1, 3)
		scale, err := NewScaling(cosine(t), y)
		if err != nil {
			t.Fatal(err)
		}
		y.Values[100] = float32(bad)
		if _, err := NewScaling(cosine(t), y); !errors.Is(err, errOverflow) {
			t.Errorf("NewScaling with %v: err = %v", bad, err)
		}
		g := NewGaussian(y.Grid, y.D, scale, GaussianOptions{})
		if err := g.PosteriorMean(t.Context(), make([]float32, len(y.Values)), y.Values, scale.T); !errors.Is(err, errDecomposition) {
			t.Errorf("PosteriorMean with %v: err = %v", bad, err)
		}
		if err := g.Fit(t.Context(), y.Values); !errors.Is(err, errDecomposition) {
			t.Errorf("Fit with %v: err = %v", bad, err)
		}
	}
}
