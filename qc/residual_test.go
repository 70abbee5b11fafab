package qc

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

const residualVolumes = 4

// noiseSeries returns white Gaussian noise of standard deviation 1 on a grid of
// 24×20×16 voxels.
func noiseSeries(seed uint64) ([]float32, Grid) {
	g := Grid{NX: 24, NY: 20, NZ: 16}
	rng := rand.New(rand.NewPCG(seed, 0))
	r := make([]float32, residualVolumes*g.Voxels())
	for i := range r {
		r[i] = float32(rng.NormFloat64())
	}
	return r, g
}

func residualOf(t *testing.T, r, sigma []float32, mask []bool, g Grid) Residual {
	t.Helper()
	s, err := ResidualStats(context.Background(), r, make([]float32, len(r)), sigma, mask, g, 0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestResidualOfWhiteNoise(t *testing.T) {
	r, g := noiseSeries(1)
	s := residualOf(t, r, nil, nil, g)
	// 30720 values: standard errors .006 of mean, std and lag, .014 and .028 of
	// skew and kurtosis; four of them.
	for _, c := range []struct {
		name              string
		got, want, within float64
	}{
		{"mean", s.Mean, 0, 0.024},
		{"std", s.Std, 1, 0.024},
		{"lag x", s.Lag1[0], 0, 0.024},
		{"lag y", s.Lag1[1], 0, 0.024},
		{"lag z", s.Lag1[2], 0, 0.024},
		{"skew", s.Skew, 0, 0.056},
		{"excess kurtosis", s.ExcessKurtosis, 0, 0.112},
	} {
		if math.Abs(c.got-c.want) > c.within {
			t.Errorf("%s = %.4f, want %g ± %g", c.name, c.got, c.want, c.within)
		}
	}
	if !math.IsNaN(s.StdOverSigma) {
		t.Errorf("std/σ = %g without a noise map, want NaN", s.StdOverSigma)
	}
}

// TestResidualLag averages neighbours along one axis, which correlates them by
// one half, and no others.
func TestResidualLag(t *testing.T) {
	for axis, name := range []string{"x", "y", "z"} {
		t.Run(name, func(t *testing.T) {
			white, g := noiseSeries(2)
			n, step := g.lengths(), g.strides()
			r := make([]float32, len(white))
			mask := make([]bool, g.Voxels())
			for i := range white {
				k := i % g.Voxels()
				if k/step[axis]%n[axis] < n[axis]-1 {
					r[i] = white[i] + white[i+step[axis]]
					mask[k] = true
				}
			}
			for i := range r { // an offset of each volume is no correlation
				r[i] += float32(100 * (i / g.Voxels()))
			}
			s := residualOf(t, r, nil, mask, g)
			for a, lag := range s.Lag1 {
				want := 0.0
				if a == axis {
					want = 0.5
				}
				if math.Abs(lag-want) > 0.03 { // four standard errors
					t.Errorf("lag along axis %d = %.4f, want %.1f", a, lag, want)
				}
			}
		})
	}
}

// TestResidualOverSigma scales the noise from place to place: in units of σ it
// is Gaussian of standard deviation 1 again.
func TestResidualOverSigma(t *testing.T) {
	r, g := noiseSeries(3)
	sigma := make([]float32, g.Voxels())
	for i := range sigma {
		sigma[i] = float32(1 + i%g.NX)
	}
	for i := range r {
		r[i] *= sigma[i%g.Voxels()]
	}
	sigma[7] = 0 // air: left out
	s := residualOf(t, r, sigma, nil, g)
	if math.Abs(s.StdOverSigma-1) > 0.024 || math.Abs(s.ExcessKurtosis) > 0.112 {
		t.Errorf("std/σ = %.4f, excess kurtosis %.4f, want 1 and 0", s.StdOverSigma, s.ExcessKurtosis)
	}
	if plain := residualOf(t, r, nil, nil, g); plain.ExcessKurtosis < 0.5 {
		t.Errorf("excess kurtosis without the map = %.4f, want heavy tails", plain.ExcessKurtosis)
	}
}

func TestResidualJSON(t *testing.T) {
	// One slice: no neighbours along z; nothing removed: no shape.
	g := Grid{NX: 3, NY: 2, NZ: 1}
	s := residualOf(t, make([]float32, 6), nil, nil, g)
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"mean":0,"std":0,"std_over_sigma":null,"lag1_autocorrelation_xyz":[null,null,null],"skew":null,"excess_kurtosis":null}`
	if string(b) != want {
		t.Errorf("JSON %s, want %s", b, want)
	}
}

func TestResidualRefuses(t *testing.T) {
	r, g := noiseSeries(4)
	nan := append([]float32(nil), r...)
	nan[99] = float32(math.NaN())
	for _, c := range []struct {
		name          string
		before, after []float32
		sigma         []float32
	}{
		{"other length", r, r[:g.Voxels()], nil},
		{"short noise map", r, r, r[:5]},
		{"NaN", nan, r, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := ResidualStats(context.Background(), c.before, c.after, c.sigma, nil, g, 0); !errors.Is(err, ErrInput) {
				t.Errorf("ResidualStats = %v, want ErrInput", err)
			}
		})
	}
}
