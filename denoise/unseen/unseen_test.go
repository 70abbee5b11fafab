package unseen

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/diffusion/net"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// random makes a model whose weights are all random, for static features given.
func random(t *testing.T, static []float32, size float64) *Model {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	m, err := NewModel(static, 8, 1, rng)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := 0, m.Net.Weights(); i < len(w); i++ {
		w[i] += float32(size * rng.NormFloat64())
	}
	return m
}

func zero(t *testing.T) *Model {
	t.Helper()
	m, err := NewModel(make([]float32, StaticCount), 8, 1, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// fill makes random samples of a batch at random noise levels, one in four pure
// noise.
func fill(b *batch, n int, rng *rand.Rand) {
	for i := range b.static[:n*StaticCount] {
		b.static[i] = float32(rng.NormFloat64())
	}
	for r := range n {
		b.mean[r], b.variance[r] = 10*rng.NormFloat64(), 0.05+rng.Float64()
		b.at[r] = noised{b.mean[r] + rng.NormFloat64(), 0.1 + 3*rng.Float64()}
		if r%4 == 0 {
			b.at[r] = pureNoise
		}
	}
}

// TestZeroNetworkIsTheGaussianPosterior at every noise level.
func TestZeroNetworkIsTheGaussianPosterior(t *testing.T) {
	const n = 40
	b := zero(t).newBatch(n)
	fill(b, n, rand.New(rand.NewPCG(3, 4)))
	b.forward(n, nil)
	for r, got := range b.answer[:n] {
		want := b.mean[r]
		if s := b.at[r].s; !math.IsInf(s, 1) {
			v := b.variance[r]
			want = (v*b.at[r].x + s*s*b.mean[r]) / (v + s*s) // Bishop 2006, eq. 2.116
		}
		if math.Abs(got-want) > 1e-12*(1+math.Abs(want)) {
			t.Fatalf("sample %d: %v, want %v", r, got, want)
		}
	}
}

// TestLimitsOfNoise: no noise gives the measurement, and pure noise does not matter, whatever the
// network says.
func TestLimitsOfNoise(t *testing.T) {
	const n = 16
	m := random(t, make([]float32, StaticCount), 0.3)
	b := m.newBatch(n)
	fill(b, n, rand.New(rand.NewPCG(5, 6)))
	for r := range n {
		b.at[r].s = 1e-6
	}
	b.forward(n, nil)
	for r, got := range b.answer {
		if math.Abs(got-b.at[r].x) > 1e-6 {
			t.Errorf("at no noise: %v, measured %v", got, b.at[r].x)
		}
	}
	for r := range n {
		b.at[r] = pureNoise
	}
	b.forward(n, nil)
	pure := slices.Clone(b.answer)
	for r := range n {
		b.at[r] = noised{b.mean[r] + 1e5*float64(r-8), 1e5}
	}
	b.forward(n, nil)
	for r, got := range b.answer {
		if math.Abs(got-pure[r]) > 1e-3*(1+math.Abs(pure[r])) {
			t.Errorf("far up: %v, pure noise %v", got, pure[r])
		}
	}
}

// TestGradient holds the gradient of Σ c·D against differences.
func TestGradient(t *testing.T) {
	const n = 6
	m := random(t, make([]float32, StaticCount), 0.2)
	b := m.newBatch(n)
	rng := rand.New(rand.NewPCG(7, 8))
	fill(b, n, rng)
	c := make([]float64, n)
	for i := range c {
		c[i] = rng.NormFloat64()
	}
	loss := func() (sum float64) {
		b.forward(n, nil)
		for i, d := range b.answer[:n] {
			sum += c[i] * d
		}
		return sum
	}
	loss()
	gradient := make([]float32, len(m.Net.Weights()))
	b.backward(gradient, c)
	for i := 0; i < len(gradient); i += 7 {
		w := m.Net.Weights()
		was := w[i]
		const h = 1e-2
		w[i] = was + h
		up := loss()
		w[i] = was - h
		down := loss()
		w[i] = was
		want := (up - down) / (2 * h)
		if math.Abs(float64(gradient[i])-want) > 2e-3*(1+math.Abs(want)) {
			t.Fatalf("weight %d: %v, differences say %v", i, gradient[i], want)
		}
	}
}

// toy makes samples of which the Gaussian prediction misses what estimate 0 knows
// half of: x = m + f₀/2 + N(0, 0.3²), measured with noise of variance v.
func toy(n int, v float64, truth bool, seed uint64) (*Samples, []float64) {
	rng := rand.New(rand.NewPCG(seed, 9))
	s := &Samples{}
	x := make([]float64, n)
	for i := range n {
		static := make([]float32, StaticCount)
		for f := range static {
			static[f] = float32(rng.NormFloat64())
		}
		m := 20 * rng.Float64()
		x[i] = m + float64(static[0])/2 + 0.3*rng.NormFloat64()
		value := x[i]
		if !truth {
			value += math.Sqrt(v) * rng.NormFloat64()
		}
		s.add(static, float32(m), 0.25+0.09, value, v, truth)
	}
	return s, x
}

// TestObjectivesEstimateTheError: the mean of each objective for noisy data is
// the weighted squared error of D against the truth it has not seen, at the
// noise level it asks about; for D's that are far from the posterior mean.
func TestObjectivesEstimateTheError(t *testing.T) {
	const n = 40000
	for _, v := range []float64{1, 0.5} {
		s, x := toy(n, v, false, 11)
		m := random(t, s.Static, 0.1)
		p := newTrainer(m, net.TrainOptions{Batch: 4 * n, Rng: rand.New(rand.NewPCG(1, 1))}).parts[0]
		for i := range p.Pick {
			p.Pick[i] = int32(i)
		}
		rng := rand.New(rand.NewPCG(13, 14))
		p.run(s, rng)
		type sums struct{ estimate, square, truth, n float64 }
		got := map[string]*sums{}
		for i, q := range p.questions {
			a, b := 2*i, 2*i+1
			loss, _, _ := q.loss(p.b.at[a], p.b.at[b], p.b.answer[a], p.b.answer[b])
			da, db := p.b.answer[a]-x[i], p.b.answer[b]-x[i]
			truth, name := q.weight*(da*da+db*db)/2, "above"
			switch {
			case q.kind == consistency:
				continue
			case q.kind == matched:
				d := (da + db) / 2
				truth, name = q.weight*d*d, "matched"
			case math.IsInf(q.s, 1):
				name = "pure noise"
			}
			if got[name] == nil {
				got[name] = &sums{}
			}
			k := got[name]
			k.estimate += loss
			k.truth += truth
			k.square += (loss - truth) * (loss - truth)
			k.n++
		}
		for _, name := range []string{"matched", "above", "pure noise"} {
			k := got[name]
			if k == nil || k.n < n/10 {
				t.Fatalf("%s is hardly asked", name)
			}
			if off, se := (k.estimate-k.truth)/k.n, math.Sqrt(k.square)/k.n; math.Abs(off) > 4*se || se > 0.2*k.truth/k.n {
				t.Errorf("v = %v, %s: estimated %.3f ± %.3f, true %.3f", v, name, k.estimate/k.n, se, k.truth/k.n)
			}
		}
	}
}

// TestConsistency vanishes for the posterior mean of the toy when its correction is
// known, and does not for a denoiser whose answers drift along the process.
func TestConsistency(t *testing.T) {
	const n = 30000
	s, _ := toy(n, 1, false, 15)
	mean := func(drift float64) (sum, se float64) {
		square := 0.0
		rng := rand.New(rand.NewPCG(17, 18))
		for i := range n {
			// The exact prior: N(m + f₀/2, 0.09).
			centre, v := float64(s.Mean[i])+float64(s.Static[i*StaticCount])/2, 0.09
			d := func(x, level float64) float64 {
				k := v / (v + level*level)
				return centre + k*(x-centre) + drift*(1-level)
			}
			y := float64(s.Measured[i])
			q := question{kind: consistency, s: 0.5, weight: 1, target: d(y, 1)}
			var at, answer [2]float64
			for j := range at {
				x, from := y, 1.0
				for _, to := range []float64{0.9, 0.8, 0.7, 0.6, 0.5} {
					x, from = back(x, d(x, from), from, to, rng), to
				}
				at[j], answer[j] = x, d(x, 0.5)
			}
			loss, _, _ := q.loss(noised{at[0], 0.5}, noised{at[1], 0.5}, answer[0], answer[1])
			sum += loss / n
			square += loss * loss
		}
		return sum, math.Sqrt(square) / n
	}
	if got, se := mean(0); math.Abs(got) > 4*se {
		t.Errorf("posterior mean: %.5f ± %.5f, want 0", got, se)
	}
	if got, se := mean(0.2); got < 0.005 || got < 4*se {
		t.Errorf("drifting: %.5f ± %.5f, want about 0.01", got, se)
	}
}

// TestTrainingFromNoisyDataFindsWhatIsMissing: with no truth, training gets most
// of the gain that half of f₀ holds.
func TestTrainingFromNoisyDataFindsWhatIsMissing(t *testing.T) {
	for _, truth := range []bool{true, false} {
		train, _ := toy(20000, 1, truth, 21)
		held, _ := toy(4000, 1, truth, 22)
		m, err := NewModel(train.Static, 16, 0, rand.New(rand.NewPCG(5, 5)))
		if err != nil {
			t.Fatal(err)
		}
		curve, state, err := m.Train(context.Background(), train, held, net.TrainOptions{Steps: 400, Batch: 512, Threads: 2, Rng: rand.New(rand.NewPCG(6, 6))})
		if err != nil || state.Steps == 0 || len(curve) < 3 {
			t.Fatalf("%v, %d points", err, len(curve))
		}
		// Squared errors at pure noise: 0.34 of the Gaussian prediction, 0.09 at best.
		test, x := toy(4000, 1, true, 23)
		b := m.newBatch(4000)
		copy(b.static, test.Static)
		sum := 0.0
		for i, v := range test.Mean {
			b.mean[i], b.variance[i], b.at[i] = float64(v), float64(test.Variance[i]), pureNoise
		}
		b.forward(4000, nil)
		for i, d := range b.answer {
			sum += (d - x[i]) * (d - x[i]) / 4000
		}
		if sum > 0.17 {
			t.Errorf("truth %v: squared error %.3f, want below 0.17", truth, sum)
		}
	}
}

func TestTrainingIsTheSameForAnyThreads(t *testing.T) {
	var weights [][]float32
	for _, threads := range []int{1, 3} {
		train, _ := toy(2000, 1, false, 31)
		m := random(t, train.Static, 0)
		if _, _, err := m.Train(context.Background(), train, train, net.TrainOptions{Steps: 20, Every: 10, Batch: 64, Threads: threads, Rng: rand.New(rand.NewPCG(1, 1))}); err != nil {
			t.Fatal(err)
		}
		weights = append(weights, m.Net.Weights())
	}
	if !slices.Equal(weights[0], weights[1]) {
		t.Error("weights differ with the number of threads")
	}
}

// bent makes a scene of voxels with signals of random tensors on 30 directions and
// five points between, with a little noise left.
func bent(t *testing.T) (*Scene, []float32) {
	t.Helper()
	rng := rand.New(rand.NewPCG(41, 42))
	table, points := &gradients.Table{Frame: gradients.FSLFrame}, &gradients.Table{Frame: gradients.FSLFrame}
	add := func(t *gradients.Table, b float64, g [3]float64) {
		t.BVals, t.BVecs = append(t.BVals, b), append(t.BVecs, g)
	}
	add(table, 0, [3]float64{})
	for i, g := range gradients.Directions(35, rng) {
		if i%7 == 3 {
			add(points, 1000, g)
		} else {
			add(table, 1000, g)
		}
	}
	grid := signals.NewGrid(8, 8, 6, nil)
	clean, truth := make([]float32, grid.Len()*table.Len()), make([]float32, grid.Len()*points.Len())
	for r := range grid.Len() {
		axis := gradients.Directions(1, rng)[0]
		signal := func(b float64, g [3]float64) float64 {
			cos := g[0]*axis[0] + g[1]*axis[1] + g[2]*axis[2]
			return 25 * math.Exp(-b*(0.3e-3+1.4e-3*cos*cos))
		}
		for i, b := range table.BVals {
			clean[r*table.Len()+i] = float32(signal(b, table.BVecs[i]) + 0.2*rng.NormFloat64())
		}
		for p, b := range points.BVals {
			truth[r*points.Len()+p] = float32(signal(b, points.BVecs[p]))
		}
	}
	model, err := impute.NewQModel(context.Background(), clean, table, impute.QOptions{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	given, err := model.Given(table, points)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewScene(grid, clean, table, points, given, gradients.DefaultB0Threshold)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Foretell(context.Background(), 2); err != nil {
		t.Fatal(err)
	}
	s.ErrorsBeyond(func(r, p int) (float64, float64, bool) { return float64(truth[r*points.Len()+p]), 0, true }, nil)
	return s, truth
}

// TestEvidenceAndEstimate: a model trained from nothing on measurements kept back
// is found better on this scan by the evidence, and is better by the truth.
func TestEvidenceAndEstimate(t *testing.T) {
	s, truth := bent(t)
	n := s.Points.Len()
	rng := rand.New(rand.NewPCG(51, 52))
	measured := make([]float64, len(truth))
	for i, x := range truth {
		measured[i] = float64(x) + rng.NormFloat64()
	}
	known := func(r, p int) (float64, float64, bool) { return measured[r*n+p], 1, true }
	train, held := &Samples{}, &Samples{}
	// The truth is known here: what is tested is what follows training.
	exact := func(r, p int) (float64, float64, bool) { return float64(truth[r*n+p]), 0, true }
	if err := s.Sample(context.Background(), train, held, s.Grid.Len()*n, n, exact, true, 1, 2); err != nil {
		t.Fatal(err)
	}
	if train.Len() == 0 || held.Len() == 0 || train.Len()+held.Len() != s.Grid.Len()*n {
		t.Fatalf("%d samples to train on, %d held out, want %d in all", train.Len(), held.Len(), s.Grid.Len()*n)
	}
	m, err := NewModel(train.Static, 16, 0, rand.New(rand.NewPCG(5, 5)))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Train(context.Background(), train, held, net.TrainOptions{Steps: 300, Batch: 256, Threads: 2, Rng: rand.New(rand.NewPCG(6, 6))}); err != nil {
		t.Fatal(err)
	}
	evidence, err := m.Weigh(context.Background(), s, known, nil, 2)
	if err != nil {
		t.Fatal(err)
	}
	weights, all, each := evidence.Judge(s.Shells())
	square := func(x []float32) (sum float64) {
		for i, v := range x {
			d := float64(v - truth[i])
			sum += d * d / float64(len(x))
		}
		return sum
	}
	gaussian := square(s.Mean)
	if math.Abs(all.Gaussian-gaussian) > 4*math.Sqrt2/math.Sqrt(float64(len(truth))) {
		t.Errorf("error of the Gaussian prediction estimated as %.4f, is %.4f", all.Gaussian, gaussian)
	}
	if !each[1].Wins() || each[0].Samples != 0 {
		t.Errorf("comparison %+v", each)
	}
	var got [2][]float32
	for i, threads := range []int{1, 3} {
		got[i] = make([]float32, len(s.Mean))
		if err := m.Estimate(context.Background(), s, got[i], append(weights, 1), nil, threads); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got[0], got[1]) {
		t.Error("estimates differ with the number of threads")
	}
	if learned := square(got[0]); learned > 0.95*gaussian {
		t.Errorf("squared error %.4f, of the Gaussian prediction %.4f", learned, gaussian)
	}
	if err := m.Estimate(context.Background(), s, got[1], nil, []bool{true, false}, 2); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got[1], s.Mean) {
		t.Error("a shell that is not to be corrected was")
	}
}

// TestReverse: with a network of zeros the reverse process is that of the
// Gaussian prior, and its draws under any network spread about the estimate.
func TestReverse(t *testing.T) {
	s, _ := bent(t)
	schedule, err := diffusion.Cosine(1000)
	if err != nil {
		t.Fatal(err)
	}
	process, err := impute.NewProcess(s.given, schedule)
	if err != nil {
		t.Fatal(err)
	}
	const first, last = 5, 37
	n := s.Points.Len()
	batch := process.NewBatch(s.Clean[first*s.D : last*s.D])
	draw := func(d diffusion.Denoiser) []float64 {
		out := make([]float64, (last-first)*n)
		if err := batch.Sample(context.Background(), d, out, 30, rand.New(rand.NewPCG(1, 1))); err != nil {
			t.Fatal(err)
		}
		return out
	}
	plain := draw(batch)
	for i, x := range draw(zero(t).NewReverse(s, first, last, batch, schedule, nil, nil)) {
		if math.Abs(x-plain[i]) > 1e-5*(1+math.Abs(x)) {
			t.Fatalf("value %d: %v with a network of zeros, %v without", i, x, plain[i])
		}
	}
	m := random(t, make([]float32, StaticCount), 0.02)
	mean := make([]float32, len(s.Mean))
	if err := m.Estimate(context.Background(), s, mean, nil, nil, 2); err != nil {
		t.Fatal(err)
	}
	moved, followed := 0.0, 0.0
	for i, x := range draw(m.NewReverse(s, first, last, batch, schedule, nil, nil)) {
		want := float64(mean[first*n+i] - s.Mean[first*n+i])
		moved += want * want
		followed += want * (x - plain[i])
	}
	if moved == 0 || followed/moved < 0.5 || followed/moved > 1.5 {
		t.Errorf("draws follow the correction by a factor of %.2f, want about 1", followed/moved)
	}
}

func TestGridsAreRefused(t *testing.T) {
	s, _ := bent(t)
	away := &gradients.Table{Frame: gradients.FSLFrame, BVals: []float64{2000}, BVecs: [][3]float64{{0, 0, 1}}}
	if _, err := NewScene(s.Grid, s.Clean, s.Table, away, s.given, gradients.DefaultB0Threshold); !errors.Is(err, ErrTable) {
		t.Errorf("a point on no shell: %v", err)
	}
}

func TestModelFile(t *testing.T) {
	m := random(t, make([]float32, StaticCount), 0.1)
	m.Loss = []net.Point{{HeldOut: 1}, {Step: 10, Train: 0.5, HeldOut: 0.6}}
	var b bytes.Buffer
	if err := m.Write(&b, nil); err != nil {
		t.Fatal(err)
	}
	got, _, err := ReadModel(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Net.Weights(), m.Net.Weights()) || !slices.Equal(got.Loss, m.Loss) || !slices.Equal(got.Scale, m.Scale) {
		t.Error("a model is not what was written")
	}
	if _, _, err := ReadModel(bytes.NewReader(b.Bytes()[:b.Len()-3])); !errors.Is(err, net.ErrFormat) {
		t.Errorf("a file cut off: %v", err)
	}
	if e := Embedded(); e.Origin.Kind != "simulations" || len(e.Loss) < 2 {
		t.Errorf("the shipped model: %+v", e.Origin)
	}
}
