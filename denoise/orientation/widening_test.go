package orientation

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
)

// turnedGauge gauges estimates that are wrong by white errors of deviation sigma and
// by a fibre turned at random, measured with noise of deviation noise that the estimate
// does not follow, so that Stein's formula has no slope. Draws know the white errors alone.
type turnedGauge struct {
	fixedSource
	measured [][]float32
	noise    float64
	row      int
}

func (g *turnedGauge) Read(row int) { g.row = row }

func (g *turnedGauge) Error(a []float64, row int) (unbiased, drawn, noise float64) {
	residual := 0.0
	for i, x := range a {
		residual += x * float64(g.rows[g.row][i]-g.measured[g.row][i])
		drawn += x * x * g.sigma * g.sigma
		noise += x * x * g.noise * g.noise
	}
	return residual*residual - noise, drawn, noise
}

const gaugedRows = 3000

// newTurnedGauge turns fibres by an angle of the given deviation (rad) about either
// tangent.
func newTurnedGauge(t *testing.T, turn float64) (*turnedGauge, *CSD) {
	t.Helper()
	table := shellTable(2, 45, 2000)
	shell, _ := ChooseShell(table, 50)
	c, err := NewCSD(table, shell, fibreResponse(table, shell))
	if err != nil {
		t.Fatal(err)
	}
	g := &turnedGauge{fixedSource: fixedSource{sigma: 10}, noise: 12}
	rng := rand.New(rand.NewPCG(5, 8))
	for range gaugedRows {
		u := unit([3]float64{rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()})
		e1, e2 := tangents(u)
		a, b := turn*rng.NormFloat64(), turn*rng.NormFloat64()
		v := unit([3]float64{u[0] + a*e1[0] + b*e2[0], u[1] + a*e1[1] + b*e2[1], u[2] + a*e1[2] + b*e2[2]})
		measured, estimate := tensorSignal(table, [][3]float64{u}, []float64{1}), tensorSignal(table, [][3]float64{v}, []float64{1})
		for i := range measured {
			measured[i] += float32(g.noise * rng.NormFloat64())
			estimate[i] += float32(g.sigma * rng.NormFloat64())
		}
		g.measured, g.rows = append(g.measured, measured), append(g.rows, estimate)
	}
	return g, c
}

func measure(t *testing.T, g *turnedGauge, c *CSD, threads int) Widening {
	t.Helper()
	rows := make([]int, gaugedRows)
	for i := range rows {
		rows[i] = i
	}
	one := func() Gauge { own := *g; return &own }
	w, err := MeasureWidening(context.Background(), one, rows, c, threads)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Draws that have the error of the estimate are left as they are, within what
// is known of it.
func TestExactDrawsAreNotWidened(t *testing.T) {
	g, c := newTurnedGauge(t, 0)
	w := measure(t, g, c, 0)
	if w.Peaks < gaugedRows/2 || w.Error > 0.1 {
		t.Fatalf("%+v: too few peaks", w)
	}
	if math.Abs(w.Ratio-1) > 3*w.Error {
		t.Errorf("ratio %.3f ± %.3f, want 1", w.Ratio, w.Error)
	}
	if most := math.Sqrt(1 + 4*w.Error); w.Factor < 1 || w.Factor > most {
		t.Errorf("factor %.3f, want 1 to %.3f", w.Factor, most)
	}
}

// An error that draws do not have, along the turns of fibres, comes out as it is.
func TestTurnsThatDrawsLackAreMeasured(t *testing.T) {
	exact, c := newTurnedGauge(t, 0)
	// What the draws know, as an angle: on a fibre, in the mean of both tangents.
	s, f := c.NewSolver(), make([]float64, c.N)
	if !s.Solve(f, exact.rows[0]) {
		t.Fatal("no solution")
	}
	peak := c.Peaks(nil, f, s.Lobes, make([]float64, c.N))[0]
	turn := [2][]float64{make([]float64, c.volumes()), make([]float64, c.volumes())}
	if !s.turns(&turn, peak.Direction, f) {
		t.Fatal("no peak")
	}
	known := 0.0
	for _, a := range turn {
		_, drawn, _ := exact.Error(a, 0)
		known += drawn / 2
	}
	g, _ := newTurnedGauge(t, math.Sqrt(known))
	w := measure(t, g, c, 0)
	if math.Abs(w.Ratio-2) > 3*w.Error+0.15 { // fibres differ by how their directions lie among the gradients
		t.Errorf("ratio %.3f ± %.3f, want 2", w.Ratio, w.Error)
	}
	if want := math.Sqrt(w.Ratio); w.Factor < 0.97*want || w.Factor > 1.1*want {
		t.Errorf("factor %.3f, want about %.3f", w.Factor, want)
	}
	if again := measure(t, g, c, 1); again != w {
		t.Errorf("one thread finds %+v, others %+v", again, w)
	}
}

// The derivative of a peak's angles says by how much it turns when a fibre does, alone and in a crossing.
func TestTurnsFollowTheFibre(t *testing.T) {
	table := shellTable(1, 60, 3000)
	shell, _ := ChooseShell(table, 50)
	c, err := NewCSD(table, shell, fibreResponse(table, shell))
	if err != nil {
		t.Fatal(err)
	}
	u := unit([3]float64{0.3, -0.5, 0.8})
	across, _ := tangents(u)
	for _, directions := range [][][3]float64{{u}, {u, across}} {
		weights := []float64{1 / float64(len(directions)), 0.5}[:len(directions)]
		before := tensorSignal(table, directions, weights)
		s, f, scratch := c.NewSolver(), make([]float64, c.N), make([]float64, c.N)
		if !s.Solve(f, before) {
			t.Fatal("no solution")
		}
		peak := c.Climb(u, f, scratch).Direction
		turn := [2][]float64{make([]float64, table.Len()), make([]float64, table.Len())}
		if !s.turns(&turn, peak, f) {
			t.Fatal("no peak")
		}
		tangent := [2][3]float64{}
		tangent[0], tangent[1] = tangents(peak)
		again, g := c.NewSolver(), make([]float64, c.N)
		const angle = 0.01
		for k := range 2 {
			e := tangent[k]
			v := unit([3]float64{u[0] + angle*e[0], u[1] + angle*e[1], u[2] + angle*e[2]})
			after := tensorSignal(table, append([][3]float64{v}, directions[1:]...), weights)
			sum := 0.0
			for i := range after {
				sum += turn[k][i] * float64(after[i]-before[i])
			}
			if !again.Solve(g, after) {
				t.Fatal("no solution")
			}
			moved := dot(c.Climb(peak, g, scratch).Direction, e)
			if moved < 0.5*angle || math.Abs(sum/moved-1) > 0.1 {
				t.Errorf("%d fibres, tangent %d: the peak turns by %.4f, its derivative says %.4f", len(directions), k, moved, sum)
			}
		}
	}
}

// Few peaks say little: what is known beforehand decides, and the factor is never below 1.
func TestWideningOfFewPeaks(t *testing.T) {
	if w := widening(nil); w.Factor != math.Sqrt(1+known) || w.Peaks != 0 {
		t.Errorf("no peaks: %+v", w)
	}
	for _, unbiased := range []float64{-5, 0.1, 40} {
		w := widening([]turned{{unbiased: unbiased, drawn: 0.1, sure: 1}})
		if want := math.Sqrt(1 + known); math.Abs(w.Factor-want) > 0.8 || w.Factor < 1 || math.IsInf(w.Error, 0) {
			t.Errorf("one peak of %g: %+v, want a factor of about %.2f", unbiased, w, want)
		}
	}
	small := upper(1.4, 0.01)
	if math.Abs(small-1.41) > 0.002 {
		t.Errorf("1.4 ± 0.01 has its upper end at %.3f", small)
	}
}

// The factor multiplies what draws say, and leaves the shift of deconvolution.
func TestConesAreWidened(t *testing.T) {
	table := shellTable(2, 45, 2000)
	shell, _ := ChooseShell(table, 50)
	c, err := NewCSD(table, shell, fibreResponse(table, shell))
	if err != nil {
		t.Fatal(err)
	}
	source := fixedSource{[][]float32{tensorSignal(table, [][3]float64{unit([3]float64{1, 2, 3})}, []float64{1})}, 20}
	var cone [2]float32
	for i, factor := range []float64{0, 1.5} {
		m, err := Estimate(context.Background(), func() Source { return source }, 1, table, c, Options{Samples: 8, Widening: factor})
		if err != nil {
			t.Fatal(err)
		}
		cone[i] = m.Cone[0][0]
	}
	if math.Abs(float64(cone[1]/cone[0])-1.5) > 1e-5 {
		t.Errorf("cones of %g° and %g°, want 1.5 times", cone[0], cone[1])
	}
}
