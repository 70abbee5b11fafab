package posterior_test

import (
	"context"
	"math"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise/posterior"
)

// Along any function of the signal, here along the strong axis, across it and in between, Stein's
// estimate is on average the squared error that the estimate has, and so is that of the draws.
func TestGaugeIsUnbiased(t *testing.T) {
	c := newConjugate(17)
	p, err := posterior.Calibrate(context.Background(), &c.scan, posterior.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g, size := p.NewGauge(), len(c.scan.Sigma)
	strong := axis()
	single := make([]float64, dims)
	single[dims-1] = 1
	mixed := make([]float64, dims)
	for i, u := range strong {
		mixed[i] = u + 0.5*single[i]
	}
	for name, a := range map[string][]float64{"strong axis": strong, "one volume": single, "mixture": mixed} {
		var unbiased, drawn, noise, truth, square float64
		for row, v := range p.Grid.Voxel {
			g.Read(row)
			u, d, n := g.Error(a, row)
			e := 0.0
			for i, x := range a {
				e += x * float64(c.scan.Denoised[i*size+int(v)]-c.truth[i*size+int(v)])
			}
			unbiased, drawn, noise, truth, square = unbiased+u, drawn+d, noise+n, truth+e*e, square+u*u
		}
		rows := float64(p.Grid.Len())
		want := 0.0
		for i, x := range a {
			for j, y := range a {
				want += 25 * x * y * c.post[i*dims+j]
			}
		}
		// of the mean of Stein's estimate
		deviation := math.Sqrt(square/rows-unbiased*unbiased/rows/rows) / math.Sqrt(rows)
		if math.Abs(unbiased-truth)/rows > 4*deviation {
			t.Errorf("%s: Stein's estimate is %.3f ± %.3f, the error %.3f", name, unbiased/rows, deviation, truth/rows)
		}
		if math.Abs(drawn/rows-want) > 0.06*want+0.3 {
			t.Errorf("%s: draws have %.3f, the posterior %.3f", name, drawn/rows, want)
		}
		norm := 0.0
		for _, x := range a {
			norm += 25 * x * x
		}
		if math.Abs(noise/rows/norm-1) > 0.06 {
			t.Errorf("%s: the noise is %.3f, want %.3f", name, noise/rows, norm)
		}
	}
}

// Functions are of the clean signal: where a magnitude follows it less than one to one, its noise
// counts for more, and far above the floor for the same.
func TestGaugeOfMagnitudes(t *testing.T) {
	for _, c := range []struct{ signal, least, most float64 }{{20, 0.98, 1.02}, {1, 1.5, 6}} {
		const nx, d = 20, 8
		size := nx * nx * nx
		s := posterior.Scan{NX: nx, NY: nx, NZ: nx, D: d, Magnitude: true, Sigma: make([]float32, size), Mask: make([]bool, size)}
		s.Measured = make([]float32, size*d)
		for v := range size {
			s.Sigma[v], s.Mask[v] = 2, true
		}
		for i := range s.Measured {
			s.Measured[i] = float32(2 * c.signal)
		}
		s.Denoised, s.Moved = s.Measured, s.Measured
		p, err := posterior.Calibrate(context.Background(), &s, posterior.Options{})
		if err != nil {
			t.Fatal(err)
		}
		g := p.NewGauge()
		g.Read(0)
		_, _, noise := g.Error([]float64{0, 0, 1}, 0)
		if ratio := noise / 4 / p.Noise; ratio < c.least || ratio > c.most {
			t.Errorf("amplitude %g: noise of %.2f σ², want %.2f to %.2f", c.signal, ratio, c.least, c.most)
		}
	}
}
