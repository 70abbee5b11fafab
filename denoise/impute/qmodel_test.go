package impute

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// sticks simulates voxels with one stick and one zeppelin each, in random
// directions, noise 0.5, on two shells and b = 0.
func sticks(seed uint64, voxels int) (rows []float32, table *gradients.Table, truth func(v int, b float64, g [3]float64) float64) {
	rng := rand.New(rand.NewPCG(seed, 3))
	table = &gradients.Table{}
	for range 3 {
		table.BVals, table.BVecs = append(table.BVals, 0), append(table.BVecs, [3]float64{})
	}
	for _, b := range []float64{1000, 2000} {
		for _, g := range gradients.Directions(24, rng) {
			table.BVals, table.BVecs = append(table.BVals, b), append(table.BVecs, g)
		}
	}
	fibres := gradients.Directions(voxels/10+1, rng)
	fraction := make([]float64, voxels)
	for v := range fraction {
		fraction[v] = 0.2 + 0.5*rng.Float64()
	}
	truth = func(v int, b float64, g [3]float64) float64 {
		f := fibres[v%len(fibres)]
		c := g[0]*f[0] + g[1]*f[1] + g[2]*f[2]
		return 20 * (fraction[v]*math.Exp(-b*1.7e-3*c*c) + (1-fraction[v])*math.Exp(-b*(0.5e-3+0.6e-3*c*c)))
	}
	for v := range voxels {
		for i, b := range table.BVals {
			rows = append(rows, float32(truth(v, b, table.BVecs[i])+0.5*rng.NormFloat64()))
		}
	}
	return rows, table, truth
}

func learned(t *testing.T, rows []float32, table *gradients.Table, classes int) *QModel {
	t.Helper()
	m, err := NewQModel(context.Background(), rows, table, QOptions{Classes: classes, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func someDirections(n int, bvals ...float64) *gradients.Table {
	t := &gradients.Table{}
	for i, g := range gradients.Directions(n, rand.New(rand.NewPCG(77, 1))) {
		t.BVals, t.BVecs = append(t.BVals, bvals[i%len(bvals)]), append(t.BVecs, g)
	}
	return t
}

// With one component the prediction is the textbook Gaussian process:
// Bμ + BΣAᵀ(AΣAᵀ+rI)⁻¹(y-Aμ), with the covariance BΣBᵀ - BΣAᵀ(AΣAᵀ+rI)⁻¹AΣBᵀ.
func TestGivenIsTheGaussianProcess(t *testing.T) {
	rows, table, _ := sticks(1, 400)
	m := learned(t, rows, table, 1)
	target := someDirections(5, 1000, 2000)
	q, err := m.Given(table, target)
	if err != nil {
		t.Fatal(err)
	}
	c := m.classes[0]
	d, p := table.Len(), m.space.Size()
	a, b := designOf(m.space, table), designOf(m.space, target)
	sigma := mat.NewDense(p, p, c.cov)
	var sa, k, inverse, bs, gain, want, cov mat.Dense
	sa.Mul(sigma, a.T())
	k.Mul(a, &sa)
	for i := range d {
		k.Set(i, i, k.At(i, i)+c.noise)
	}
	if err := inverse.Inverse(&k); err != nil {
		t.Fatal(err)
	}
	bs.Mul(b, &sa)
	gain.Mul(&bs, &inverse)
	cov.Mul(&gain, bs.T())
	var half, prior mat.Dense
	half.Mul(b, sigma)
	prior.Mul(&half, b.T())
	cov.Sub(&prior, &cov)
	voxel := q.NewVoxel()
	got, variance := make([]float64, 5), make([]float64, 5)
	for v := range 10 {
		y := mat.NewVecDense(d, nil)
		for i, x := range rows[v*d : (v+1)*d] {
			y.SetVec(i, float64(x))
		}
		var am, bm mat.VecDense
		am.MulVec(a, mat.NewVecDense(p, c.mean))
		bm.MulVec(b, mat.NewVecDense(p, c.mean))
		y.SubVec(y, &am)
		want.Reset()
		want.Mul(&gain, y)
		voxel.Read(rows[v*d : (v+1)*d])
		voxel.Mean(got)
		voxel.Variance(variance)
		for i := range got {
			if w := want.At(i, 0) + bm.AtVec(i); math.Abs(got[i]-w) > 1e-6*math.Abs(w) {
				t.Errorf("voxel %d, point %d: %v, want %v", v, i, got[i], w)
			}
			if w := cov.At(i, i); math.Abs(variance[i]-w) > 1e-5*math.Abs(w)+1e-9 {
				t.Errorf("voxel %d, point %d: variance %v, want %v", v, i, variance[i], w)
			}
		}
	}
}

// Unseen directions come out better than they could be measured.
func TestQModelPredictsUnseenDirections(t *testing.T) {
	rows, table, truth := sticks(2, 2000)
	target := someDirections(6, 1000, 2000)
	d := table.Len()
	for _, classes := range []int{1, 3} {
		m := learned(t, rows, table, classes)
		q, err := m.Given(table, target)
		if err != nil {
			t.Fatal(err)
		}
		voxel := q.NewVoxel()
		got := make([]float64, 6)
		sum, n := 0.0, 0.0
		for v := range 2000 {
			voxel.Read(rows[v*d : (v+1)*d])
			voxel.Mean(got)
			for i, x := range got {
				e := x - truth(v, target.BVals[i], target.BVecs[i])
				sum += e * e
				n++
			}
		}
		if e := math.Sqrt(sum / n); e > 0.4 {
			t.Errorf("%d components: error %.3f, noise of a measurement is 0.5", classes, e)
		}
	}
}

func TestQModelIsTheSameForAnyThreads(t *testing.T) {
	rows, table, _ := sticks(3, 700)
	var models []*QModel
	for _, threads := range []int{1, 3} {
		m, err := NewQModel(context.Background(), rows, table, QOptions{Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		models = append(models, m)
	}
	for k := range models[0].classes {
		for i, x := range models[0].classes[k].cov {
			if x != models[1].classes[k].cov[i] {
				t.Fatalf("component %d differs between 1 and 3 threads", k)
			}
		}
	}
}

func TestQModelRefuses(t *testing.T) {
	rows, table, _ := sticks(4, 10)
	if _, err := NewQModel(context.Background(), rows, table, QOptions{}); !errors.Is(err, ErrTooLittle) {
		t.Errorf("ten voxels: %v, want ErrTooLittle", err)
	}
	few := &gradients.Table{BVals: make([]float64, 4), BVecs: make([][3]float64, 4)}
	if _, err := NewQModel(context.Background(), make([]float32, 400), few, QOptions{}); !errors.Is(err, gradients.ErrFewDirections) {
		t.Errorf("only b = 0: %v, want ErrFewDirections", err)
	}
}

func cosine(t *testing.T) diffusion.Schedule {
	t.Helper()
	s, err := diffusion.Cosine(1000)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// With one component, the denoiser is diffusion.Gaussian on the deviations, and
// the process from pure noise has the closed form's mean and spread.
func TestProcessAgreesWithTheClosedForm(t *testing.T) {
	rows, table, _ := sticks(5, 400)
	m := learned(t, rows, table, 1)
	const points, voxels, draws = 4, 50, 60
	q, err := m.Given(table, someDirections(points, 1000, 2000))
	if err != nil {
		t.Fatal(err)
	}
	schedule := cosine(t)
	p, err := NewProcess(q, schedule)
	if err != nil {
		t.Fatal(err)
	}
	b := p.NewBatch(rows[:voxels*table.Len()])
	cov := mat.NewSymDense(points, nil)
	for i := range points {
		for j := i; j < points; j++ {
			cov.SetSym(i, j, q.cov[0][i*points+j]/(p.scale*p.scale))
		}
	}
	closed, err := diffusion.NewGaussian(schedule, make([]float64, points), cov)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(6, 1))
	x, got, want := make([]float32, voxels*points), make([]float32, voxels*points), make([]float32, voxels*points)
	for _, step := range []float64{0, 100, 500.5, 999} {
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		if err := errors.Join(b.PosteriorMean(context.Background(), got, x, step), closed.PosteriorMean(context.Background(), want, x, step)); err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if math.Abs(float64(got[i]-want[i])) > 1e-5 {
				t.Fatalf("t = %v: %v, want %v", step, got[i], want[i])
			}
		}
	}
	mean, draw := make([]float64, voxels*points), make([]float64, voxels*points)
	if err := b.Mean(context.Background(), mean, rng); err != nil {
		t.Fatal(err)
	}
	second := mat.NewDense(points, points, nil)
	for i, x := range mean {
		if math.Abs(x-b.mean[i]) > 1e-3*p.scale {
			t.Errorf("mean of the process %v, closed form %v", x, b.mean[i])
		}
	}
	for range draws {
		if err := b.Sample(context.Background(), b, draw, 150, rng); err != nil {
			t.Fatal(err)
		}
		for v := range voxels {
			for i := range points {
				for j := range points {
					second.Set(i, j, second.At(i, j)+(draw[v*points+i]-b.mean[v*points+i])*(draw[v*points+j]-b.mean[v*points+j])/(voxels*draws))
				}
			}
		}
	}
	for i := range points {
		for j := range points {
			want := q.cov[0][i*points+j]
			// 3000 draws: standard error of a covariance is at most √(2/3000) = 2.6 % of the product of deviations.
			if d := math.Abs(second.At(i, j) - want); d > 0.11*math.Sqrt(q.cov[0][i*points+i]*q.cov[0][j*points+j]) {
				t.Errorf("covariance %d, %d of draws %v, closed form %v", i, j, second.At(i, j), want)
			}
		}
	}
}

// A mixture's draws have the mixture's mean and variance.
func TestProcessDrawsFromTheMixture(t *testing.T) {
	rows, table, _ := sticks(7, 900)
	m := learned(t, rows, table, 3)
	const points, draws = 3, 400
	q, err := m.Given(table, someDirections(points, 1000, 2000))
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewProcess(q, cosine(t))
	if err != nil {
		t.Fatal(err)
	}
	b := p.NewBatch(rows[:4*table.Len()])
	// Two components as far apart as they can be told, equally likely, in the first voxel.
	copy(b.weights, []float64{0.5, 0, 0.5})
	for i := range points {
		b.shifts[0][i], b.shifts[2][i] = -2, 2
	}
	rng := rand.New(rand.NewPCG(8, 1))
	sum, square := make([]float64, points), make([]float64, points)
	draw := make([]float64, 4*points)
	for range draws {
		if err := b.Sample(context.Background(), b, draw, 150, rng); err != nil {
			t.Fatal(err)
		}
		for i := range points {
			x := (draw[i] - b.mean[i]) / p.scale
			sum[i] += x / draws
			square[i] += x * x / draws
		}
	}
	for i := range points {
		want := 4 + (q.cov[0][i*points+i]+q.cov[2][i*points+i])/(2*p.scale*p.scale)
		// The mean of 400 draws of ±2 and their spread: standard error 0.12; of the mean square about 5 %.
		if math.Abs(sum[i]) > 0.5 || math.Abs(square[i]/want-1) > 0.2 {
			t.Errorf("point %d: mean %.3f, mean square %.3f, want 0 and %.3f", i, sum[i], square[i], want)
		}
	}
}

func TestTargets(t *testing.T) {
	rows, table, _ := sticks(9, 300)
	m := learned(t, rows, table, 1)
	at := func(b float64) *gradients.Table {
		return &gradients.Table{BVals: []float64{b}, BVecs: [][3]float64{{0, 0, 1}}}
	}
	decay := func(b float64) float64 { return 100 * math.Exp(-b*0.7e-3+b*b*5e-8) } // diffusional kurtosis
	for _, c := range []struct {
		b      float64
		points int
		extra  bool
		want   float64
	}{
		{1000, 1, false, decay(1000)}, {1040, 1, false, decay(1000)}, {1500, 3, false, decay(1500)}, {300, 3, false, decay(300)},
		{0, 1, false, decay(0)}, {3000, 2, true, decay(2000) * decay(2000) / decay(1000)},
	} {
		targets, err := NewTargets(m, at(c.b), c.extra)
		if err != nil {
			t.Errorf("b = %v: %v", c.b, err)
			continue
		}
		if targets.Points.Len() != c.points {
			t.Errorf("b = %v: %d points, want %d", c.b, targets.Points.Len(), c.points)
		}
		signals, ones, dst, sd := make([]float64, c.points), make([]float64, c.points), make([]float64, 1), make([]float64, 1)
		for i, b := range targets.Points.BVals {
			signals[i], ones[i] = decay(b), 1
		}
		targets.Combine(dst, signals)
		targets.Spread(sd, signals, ones)
		if math.Abs(dst[0]/c.want-1) > 1e-9 {
			t.Errorf("b = %v: signal %v, want %v", c.b, dst[0], c.want)
		}
		if c.points == 1 && sd[0] != 1 || sd[0] <= 0 {
			t.Errorf("b = %v: standard deviation %v", c.b, sd[0])
		}
	}
	if _, err := NewTargets(m, at(3000), false); !errors.Is(err, ErrOutside) {
		t.Errorf("b = 3000 of 2000: %v, want ErrOutside", err)
	}
}

func TestWeightedMeanKeepsConstants(t *testing.T) {
	values, weights := make([]float32, 6*5*4), make([]float32, 6*5*4)
	for i := range values {
		values[i], weights[i] = 3, float32(i%3)
		if weights[i] == 0 {
			values[i] = 1e6 // must not count
		}
	}
	WeightedMean(values, weights, 6, 5, 4, 1, 0.5)
	for i, v := range values {
		if math.Abs(float64(v)-3) > 1e-5 {
			t.Fatalf("value %d becomes %v, want 3", i, v)
		}
	}
}
