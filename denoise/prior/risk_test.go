package prior

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// riskAndError returns the estimated and the true risk of a Gaussian at t* on a
// scan small enough to be measured whole.
func riskAndError(t *testing.T, clean, noisy *signals.Signals, o GaussianOptions) (Risk, float64) {
	t.Helper()
	scale, err := NewScaling(cosine(t), noisy)
	if err != nil {
		t.Fatal(err)
	}
	xt := slices.Clone(noisy.Values)
	scale.Start(xt)
	r, err := NewGaussian(noisy.Grid, noisy.D, scale, o).Risk(t.Context(), xt, RiskOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	e := rms(denoised(t, noisy, false, o), clean.Values)
	return r, e * e
}

// The estimate agrees with the true error, and ranks a good and a worse prior.
func TestRiskAgreesWithTheTruth(t *testing.T) {
	clean, noisy := smooth(10, 10, 10, 24, 4, 2)
	joint, joinError := riskAndError(t, clean, noisy, GaussianOptions{})
	local, localError := riskAndError(t, clean, noisy, GaussianOptions{Local: true})
	for name, c := range map[string]struct {
		risk Risk
		e    float64
	}{"joint": {joint, joinError}, "local": {local, localError}} {
		// 10·10·10·24 squares of noise, of standard deviation √2 each.
		slack := 4 * math.Sqrt(2.0/(10*10*10*24))
		if got := c.risk.Mean(nil); math.Abs(got-c.e) > slack || c.risk.Voxels != noisy.Len() {
			t.Errorf("%s: risk %.4f ± %.4f over %d voxels, true %.4f", name, got, c.risk.StdErr, c.risk.Voxels, c.e)
		}
	}
	if !(joinError < localError) || !(joint.Mean(nil) < local.Mean(nil)) {
		t.Errorf("true errors %.4f and %.4f, risks %.4f and %.4f: not ranked", joinError, localError, joint.Mean(nil), local.Mean(nil))
	}
	if sub := joint.Mean([]int{3}); sub != joint.PerVolume[3] {
		t.Errorf("Mean of one volume %v, want %v", sub, joint.PerVolume[3])
	}
}

// The rows of the cubes cut out of a larger scan belong to the
// places they are said to, and no voxel that counts is next to the cut.
func TestRiskSample(t *testing.T) {
	g := signals.NewGrid(19, 40, 30, randomKeep(19*40*30, 0.8))
	within := make([]bool, g.Len())
	rng := rand.New(rand.NewPCG(1, 4))
	for r := range within {
		within[r] = rng.Float64() < 0.9
	}
	s := cutCubes(g, within)
	if len(s.rows) != s.grid.Len() || len(s.counts) != len(s.rows) || len(s.rows) > g.Len()/3 {
		t.Fatalf("%d rows on a grid of %d, %d counted, of %d", len(s.rows), s.grid.Len(), len(s.counts), g.Len())
	}
	taken := map[int32]bool{}
	for _, r := range s.rows {
		taken[r] = true
	}
	counted := 0
	dx, dy, dz := 0, 0, 0
	for i, r := range s.rows {
		x, y, z := g.At(int(r))
		sx, sy, sz := s.grid.At(i)
		if i == 0 {
			dx, dy, dz = x-sx, y-sy, z-sz
		}
		if x-sx != dx || y-sy != dy || z-sz != dz {
			t.Fatalf("row %d stands for %d,%d,%d, moved by another amount than the first", i, x, y, z)
		}
		if !s.counts[i] {
			continue
		}
		counted++
		if !within[r] {
			t.Fatalf("row %d counts but is not wanted", r)
		}
		for o := -cubeMargin; o <= cubeMargin; o++ {
			for _, q := range []int{g.RowAt(x, y+o, z), g.RowAt(x, y, z+o), g.RowAt(x+o, y, z)} {
				if q >= 0 && !taken[int32(q)] {
					t.Fatalf("row %d at %d,%d,%d counts but its neighbour was cut off", r, x, y, z)
				}
			}
		}
	}
	if counted == 0 {
		t.Error("no voxel counts")
	}
}
