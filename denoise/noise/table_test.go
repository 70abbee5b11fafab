package noise

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

// go test ./denoise/noise -run TestEstimateTable -v -noise.table prints the
// table of docs/noise.md: every combination, on a larger grid.
var fullTable = flag.Bool("noise.table", false, "measure the whole table of docs/noise.md")

// tableCell is one scan of the table.
type tableCell struct {
	volumes int
	ratio   float64
	rician  bool
	snr     float64
}

// tableCells are the combinations; a fast test takes those that have proved
// hardest.
func tableCells(full bool) []tableCell {
	var out []tableCell
	for _, n := range []int{13, 21, 33, 70, 288} {
		for _, ratio := range []float64{1, 2} {
			for _, rician := range []bool{false, true} {
				for _, snr := range []float64{5, 10, 20, 40} {
					if full || n < 288 && ratio == 2 && (rician && snr == 5 || !rician && snr == 40) || n == 288 && ratio == 2 && rician && snr == 10 {
						out = append(out, tableCell{n, ratio, rician, snr})
					}
				}
			}
		}
	}
	return out
}

// firstVolumes returns a table of n volumes: one in sixteen, at least one,
// with b = 0 and the others with b = 1000, of all shells if there are more
// than 100.
func firstVolumes(t *testing.T, n int) *gradients.Table {
	t.Helper()
	one, err := phantom.Make(t.Context(), phantom.Options{Protocol: "hcp", Shape: [3]int{1, 1, 1}})
	if err != nil {
		t.Fatal(err)
	}
	out := &gradients.Table{Frame: one.Table.Frame}
	zeros := max(1, n/16)
	for i, b := range one.Table.BVals {
		switch {
		case out.Len() == n:
			return out
		case b == 0 && zeros > 0:
			zeros--
		case b == 0, b > 1500 && n <= 100:
			continue
		}
		out.BVals, out.BVecs = append(out.BVals, b), append(out.BVecs, one.Table.BVecs[i])
	}
	return out
}

// subject is a phantom without noise, with σ of mean 1 in its mask.
type subject struct {
	truth, sigma, mask []float32
	nx, ny, nz, nt     int
}

// newSubject makes a phantom of a table.
func newSubject(t *testing.T, table *gradients.Table, shape [3]int, ratio float64) *subject {
	t.Helper()
	p, err := phantom.Make(t.Context(), phantom.Options{Table: table, Shape: shape, SNR: 1000, SigmaRatio: ratio, Seed: 11})
	if err != nil {
		t.Fatal(err)
	}
	out := &subject{truth: p.Truth.Voxels(), sigma: p.Sigma.Voxels(), mask: p.Mask.Voxels()}
	out.nx, out.ny, out.nz, out.nt = p.Noisy.Dims()
	return out
}

// scan adds noise and returns the signals in the mask, or everywhere with air,
// and the true σ.
func (p *subject) scan(snr float64, rician, air bool) (s *signals.Signals, sigma []float32) {
	size := p.nx * p.ny * p.nz
	keep := make([]bool, size)
	for v, m := range p.mask {
		keep[v] = air || m > 0
	}
	s = signals.New(signals.NewGrid(p.nx, p.ny, p.nz, keep), p.nt)
	rng := rand.New(rand.NewPCG(5, uint64(snr)))
	for r, v := range s.Voxel {
		sd := 1000 / snr * float64(p.sigma[v])
		sigma = append(sigma, float32(sd))
		for i := range s.Row(r) {
			x := float64(p.truth[i*size+int(v)]) + sd*rng.NormFloat64()
			if rician {
				x = math.Hypot(x, sd*rng.NormFloat64())
			}
			s.Row(r)[i] = float32(x)
		}
	}
	return s, sigma
}

// The median relative error of σ is at most 3 % for few and many volumes, constant
// and varying fields, Gaussian and Rician noise, low and high SNR.
func TestEstimateTable(t *testing.T) {
	type kind struct {
		volumes int
		ratio   float64
	}
	subjects := map[kind]*subject{}
	for _, c := range tableCells(*fullTable) {
		shape := [3]int{48, 48, 16}
		if c.volumes > 100 {
			shape = [3]int{36, 36, 12}
		}
		k := kind{c.volumes, c.ratio}
		if subjects[k] == nil {
			clear(subjects) // one at a time
			subjects[k] = newSubject(t, firstVolumes(t, c.volumes), shape, c.ratio)
		}
		s, want := subjects[k].scan(c.snr, c.rician, false)
		m, err := Estimate(t.Context(), s, everywhere(s.Len()), Options{Magnitude: c.rician})
		if err != nil {
			t.Fatal(err)
		}
		bias, spread := relative(m.Sigma, want)
		kind := "Gaussian"
		if c.rician {
			kind = "Rician"
		}
		text := fmt.Sprintf("%3d volumes  %v:1  %-8s SNR %2v  median %+.3f  median |error| %.3f  %3d components", c.volumes, c.ratio, kind, c.snr, bias, spread, m.Components)
		if *fullTable {
			fmt.Println(text)
		}
		if spread > 0.03 || math.Abs(bias) > 0.03 {
			t.Error(text)
		}
		if m.Inflation != 1 {
			t.Errorf("%s: inflation %.3f for white noise", text, m.Inflation)
		}
	}
}

// Voxels at the floor, in the mask or as air around it, do not move σ.
func TestEstimateAtTheFloor(t *testing.T) {
	one, err := phantom.Make(t.Context(), phantom.Options{Protocol: "multishell", Shape: [3]int{1, 1, 1}})
	if err != nil {
		t.Fatal(err)
	}
	p := newSubject(t, one.Table, [3]int{36, 36, 10}, 1)
	for _, air := range []bool{false, true} {
		s, want := p.scan(15, true, air)
		m, err := Estimate(t.Context(), s, everywhere(s.Len()), Options{Magnitude: true})
		if err != nil {
			t.Fatal(err)
		}
		var inside, insideWant, outside, outsideWant []float32
		for r, v := range s.Voxel {
			if p.mask[v] > 0 {
				inside, insideWant = append(inside, m.Sigma[r]), append(insideWant, want[r])
			} else {
				outside, outsideWant = append(outside, m.Sigma[r]), append(outsideWant, want[r])
			}
		}
		if bias, spread := relative(inside, insideWant); math.Abs(bias) > 0.03 || spread > 0.03 {
			t.Errorf("air %v: in tissue median %+.3f, median |error| %.3f", air, bias, spread)
		}
		if !air {
			continue
		}
		if bias, spread := relative(outside, outsideWant); math.Abs(bias) > 0.15 { // measured -0.11: open
			t.Errorf("in air median %+.3f, median |error| %.3f", bias, spread)
		}
	}
}
