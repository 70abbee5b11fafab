package learned

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise/prior"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/diffusion/net"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

// problem is a small simulated head in units of its noise.
type problem struct {
	truth  *signals.Signals
	xt     []float32
	scale  prior.Scaling
	g      *prior.Gaussian
	groups *Groups
}

func newProblem(t testing.TB, snr float64, seed uint64, shape [3]int) *problem {
	t.Helper()
	fastblas.Register()
	p, err := phantom.Make(t.Context(), phantom.Options{Protocol: "small", SNR: snr, Seed: seed, Shape: shape})
	if err != nil {
		t.Fatal(err)
	}
	mask := make([]bool, len(p.Mask.Voxels()))
	for v, m := range p.Mask.Voxels() {
		mask[v] = m > 0
	}
	grid := signals.NewGrid(shape[0], shape[1], shape[2], mask)
	out := &problem{groups: NewGroups(p.Table, gradients.DefaultB0Threshold)}
	noisy, err := signals.Gather(t.Context(), grid, p.Noisy.Voxels(), p.Table.Len(), 1)
	if err == nil {
		out.truth, err = signals.Gather(t.Context(), grid, p.Truth.Voxels(), p.Table.Len(), 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	sigma := p.Sigma.Voxels()[0]
	for i := range noisy.Values {
		noisy.Values[i] /= sigma
		out.truth.Values[i] /= sigma
	}
	schedule, err := diffusion.Cosine(1000)
	if err == nil {
		out.scale, err = prior.NewScaling(schedule, noisy)
	}
	if err != nil {
		t.Fatal(err)
	}
	out.xt = noisy.Values
	out.scale.Start(out.xt)
	out.g = prior.NewGaussian(grid, noisy.D, out.scale, prior.GaussianOptions{Threads: 1})
	return out
}

func (p *problem) prior(m *Model, threads int) *Prior {
	return NewPrior(p.g, p.truth.Grid, p.truth.D, p.scale, m, p.groups, PriorOptions{Threads: threads, Seed: 3})
}

// mse is the true squared error of an estimate of unit signal variance, in σ².
func (p *problem) mse(x []float32) float64 {
	sum := 0.0
	for i, v := range x {
		d := float64(v)*p.scale.Scale - float64(p.truth.Values[i])
		sum += d * d
	}
	return sum / float64(len(x))
}

func (p *problem) gaussian(t testing.TB) []float32 {
	t.Helper()
	out := make([]float32, len(p.xt))
	if err := p.g.PosteriorMean(t.Context(), out, p.xt, p.scale.T); err != nil {
		t.Fatal(err)
	}
	return out
}

func untrained(t testing.TB) *Model {
	t.Helper()
	features := make([]float32, 4*FeatureCount)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range features {
		features[i] = float32(rng.NormFloat64())
	}
	m, err := NewModel(features, 16, 1, rng)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestZeroNetworkIsGaussian: what an untrained model answers is the Gaussian
// posterior mean, at t* and elsewhere.
func TestZeroNetworkIsGaussian(t *testing.T) {
	p := newProblem(t, 12, 21, [3]int{16, 16, 6})
	want, got := make([]float32, len(p.xt)), make([]float32, len(p.xt))
	for _, at := range []float64{p.scale.T, p.scale.T * 1.3, p.scale.T / 2} {
		if err := p.g.PosteriorMean(t.Context(), want, p.xt, at); err != nil {
			t.Fatal(err)
		}
		if err := p.prior(untrained(t), 1).PosteriorMean(t.Context(), got, p.xt, at); err != nil {
			t.Fatal(err)
		}
		for i, v := range want {
			if math.Abs(float64(v-got[i])) > 1e-5 { // the two scale in another order
				t.Fatalf("t = %v, value %d: %v, gaussian %v", at, i, got[i], v)
			}
		}
	}
}

// TestShippedModel: on a head that no training saw, the model that comes with the
// program has a lower error than the prior it corrects, by the margin that the risk
// estimated without truth foretells.
func TestShippedModel(t *testing.T) {
	p := newProblem(t, 12, 22, [3]int{28, 28, 10})
	gaussian := p.mse(p.gaussian(t))
	l := p.prior(Embedded(), 2)
	all, each, err := l.Fit(t.Context(), p.xt, nil, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]float32, len(p.xt))
	if err := l.PosteriorMean(t.Context(), out, p.xt, p.scale.T); err != nil {
		t.Fatal(err)
	}
	got := p.mse(out)
	if got > 0.94*gaussian { // 3 % of RMSE
		t.Errorf("squared error %.4f, gaussian %.4f: want 6 %% less", got, gaussian)
	}
	if !all.Wins() || math.Abs(all.Gain-(gaussian-got)) > 5*all.StdErr+0.3*(gaussian-got) { // two cubes are not the whole head
		t.Errorf("estimated gain %.4f ± %.4f, true %.4f", all.Gain, all.StdErr, gaussian-got)
	}
	if len(each) != 2 || each[0].Samples+each[1].Samples != all.Samples {
		t.Errorf("shells do not add up: %+v of %+v", each, all)
	}
	again := make([]float32, len(p.xt))
	single := p.prior(Embedded(), 1)
	if _, _, err := single.Fit(t.Context(), p.xt, nil, nil, false); err != nil {
		t.Fatal(err)
	}
	if err := single.PosteriorMean(t.Context(), again, p.xt, p.scale.T); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(out, again) {
		t.Error("the result depends on the number of threads")
	}
	l.Use([]bool{false, false})
	if err := l.PosteriorMean(t.Context(), again, p.xt, p.scale.T); err != nil {
		t.Fatal(err)
	}
	if e := p.mse(again); math.Abs(e-gaussian) > 1e-4*gaussian {
		t.Errorf("used in no shell, the error is %.5f, gaussian %.5f", e, gaussian)
	}
}

// TestFeaturesByDefinition writes out the averages over similar voxels for one
// row.
func TestFeaturesByDefinition(t *testing.T) {
	p := newProblem(t, 12, 23, [3]int{14, 14, 6})
	pair, err := p.prior(nil, 1).PairAll(t.Context(), p.xt, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := pair.Still
	r, d, k := s.Grid.Len()/2, s.D, s.Stages.K
	got := make([]float32, d*FeatureCount)
	NewExtractor(s).Row(got, r)
	x0, y0, z0 := s.Grid.At(r)
	final := s.Stages.Last()
	for a, kind := range similar {
		want, total := make([]float64, d), 0.0
		for q := range s.Grid.Len() {
			x, y, z := s.Grid.At(q)
			if max(x-x0, x0-x, y-y0, y0-y, z-z0, z0-z) > reach {
				continue
			}
			far := float64((x-x0)*(x-x0) + (y-y0)*(y-y0) + (z-z0)*(z-z0))
			delta := 0.0
			for i := range k {
				delta += math.Pow(float64(final[q*k+i]-final[r*k+i]), 2)
			}
			w := math.Exp(-far/(2*kind.width*kind.width) - delta*float64(kind.power)/(8*float64(k)))
			total += w
			for i := range d {
				want[i] += w * float64(s.Measured[q*d+i])
			}
		}
		for i := range d {
			f := float64(got[i*FeatureCount+ownCount+passCount+a])
			if e := want[i]/total - float64(s.Gaussian[r*d+i]); math.Abs(f-e) > 1e-3*(1+math.Abs(e)) {
				t.Fatalf("similarity %d, direction %d: %v, want %v", a, i, f, e)
			}
		}
	}
	for i := range d {
		if own := got[i*FeatureCount]; math.Abs(float64(own-(s.Measured[r*d+i]-s.Gaussian[r*d+i]))) > 1e-6 {
			t.Fatalf("direction %d: own measurement %v", i, own)
		}
	}
	for i, v := range got {
		if v-v != 0 {
			t.Fatalf("feature %d of direction %d is %v", i%FeatureCount, i/FeatureCount, v)
		}
	}
}

// TestKernels: averages over q-space keep constants, and the widest is the mean of
// the shell.
func TestKernels(t *testing.T) {
	p := newProblem(t, 12, 23, [3]int{14, 14, 6})
	d := p.truth.D
	from, dst := make([]float32, 2*d), make([]float32, 2*d)
	for i := range from {
		from[i] = 3
	}
	for k := range kernelWidths {
		p.groups.smooth(dst, from, 2, d, k, make([]float32, 2*d), make([]float32, 2*d))
		for i, v := range dst {
			if math.Abs(float64(v-3)) > 1e-5 {
				t.Fatalf("kernel %d makes %v of a constant 3 at %d", k, v, i)
			}
		}
	}
}

// synthetic makes evidence of two families, of which the first is what is missing
// plus noise and the second is noise alone.
func synthetic(n int) *Evidence {
	rng := rand.New(rand.NewPCG(9, 9))
	e := &Evidence{n: n, families: FamilyCount, change: make([]float32, n*FamilyCount), moved: make([]float32, n*FamilyCount), residual: make([]float32, n),
		answer: make([]float32, n), probe: make([]float32, n), variance: make([]float32, n), shell: make([]int32, n), block: make([]int32, n), blocks: n / 10}
	for i := range n {
		missing := rng.NormFloat64()
		noise := rng.NormFloat64()
		e.residual[i] = float32(missing + noise)
		e.change[i*FamilyCount] = float32(0.5 * missing)
		e.change[i*FamilyCount+1] = float32(noise) // its derivative is 1
		b := 1.0
		if rng.IntN(2) == 0 {
			b = -1
		}
		e.probe[i], e.variance[i], e.block[i] = float32(b/probeSize), 1, int32(i/10)
		e.moved[i*FamilyCount+1] = float32(b * probeSize)
	}
	return e
}

// TestFitFindsWhatIsMissing: the family that holds half of what is missing is
// doubled; the measurement's own noise, which lowers the residual but not the
// error, is not used.
func TestFitFindsWhatIsMissing(t *testing.T) {
	e := synthetic(20000)
	w, all, _ := e.Judge(1)
	if math.Abs(w[0]-2) > 0.05 || math.Abs(w[1]) > 0.05 {
		t.Errorf("weights %.3f and %.3f, want 2 and 0", w[0], w[1])
	}
	if math.Abs(all.Gain-1) > 5*all.StdErr { // what is missing has variance 1
		t.Errorf("gain %.3f ± %.3f, want 1", all.Gain, all.StdErr)
	}
	zero := make([]float64, FamilyCount)
	if c, _ := e.JudgeAs(zero, 1); c.Gain != 0 || c.Wins() {
		t.Errorf("no change gains %v", c.Gain)
	}
}

// TestProbeCorrelates: the probe has unit variance and the correlation asked for.
func TestProbeCorrelates(t *testing.T) {
	grid := signals.NewGrid(20, 20, 20, nil)
	rho := [3]float64{0.3, 0, 0.5}
	b := prior.Probe(grid, 4, rho, rand.New(rand.NewPCG(1, 1)))
	for axis, step := range [][3]int{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}} {
		product, square, n := 0.0, 0.0, 0.0
		for r := range grid.Len() {
			x, y, z := grid.At(r)
			if q := grid.RowAt(x+step[0], y+step[1], z+step[2]); q >= 0 && x*y*z > 0 {
				for i := range 4 {
					product += float64(b[r*4+i] * b[q*4+i])
					square += float64(b[r*4+i] * b[r*4+i])
					n++
				}
			}
		}
		if got := product / square; math.Abs(got-rho[axis]) > 0.02 || math.Abs(square/n-1) > 0.02 {
			t.Errorf("axis %d: correlation %.3f, want %.2f; variance %.3f", axis, got, rho[axis], square/n)
		}
	}
}

// known makes samples whose truth is a gated share of one feature.
func knownSamples(n int, seed uint64) *Samples {
	rng := rand.New(rand.NewPCG(seed, 4))
	s := &Samples{Features: make([]float32, n*FeatureCount), Truth: make([]float32, n)}
	for i := range n {
		f := s.Features[i*FeatureCount : (i+1)*FeatureCount]
		for j := range f {
			f[j] = float32(rng.NormFloat64())
		}
		if f[SignedCount] > 0 {
			s.Truth[i] = f[5]
		}
	}
	return s
}

func TestTrainLearnsAGate(t *testing.T) {
	train, held := knownSamples(20000, 1), knownSamples(2000, 2)
	var first []float32
	for _, threads := range []int{1, 2} {
		m, err := NewModel(train.Features, 16, 1, rand.New(rand.NewPCG(1, 1)))
		if err != nil {
			t.Fatal(err)
		}
		curve, _, err := m.Train(t.Context(), train, held, TrainOptions{Steps: 400, Batch: 256, Rate: 5e-3, Every: 100, Threads: threads, Rng: rand.New(rand.NewPCG(2, 2))})
		if err != nil {
			t.Fatal(err)
		}
		if before, after := curve[0].HeldOut, curve[len(curve)-1].HeldOut; after > 0.3*before {
			t.Errorf("held-out loss %.3f after %.3f", after, before)
		}
		if first == nil {
			first = slices.Clone(m.Net.Weights())
		} else if !slices.Equal(first, m.Net.Weights()) {
			t.Error("the model depends on the number of threads")
		}
	}
}

// TestTrainingBySUREKeepsTheBest: on a scan that has little to teach, training
// never ends above where it began on the samples held out.
func TestTrainingBySUREKeepsTheBest(t *testing.T) {
	p := newProblem(t, 12, 24, [3]int{16, 16, 6})
	pair, err := p.prior(nil, 2).PairAll(t.Context(), p.xt, nil)
	if err != nil {
		t.Fatal(err)
	}
	train, held := &Samples{}, &Samples{}
	if err := pair.Sample(t.Context(), train, held, 6000, 6, nil, 1, 2); err != nil {
		t.Fatal(err)
	}
	if train.Len() == 0 || held.Len() == 0 {
		t.Fatalf("%d samples to train on, %d held out", train.Len(), held.Len())
	}
	m := untrained(t)
	curve, state, err := m.Train(t.Context(), train, held, TrainOptions{Steps: 60, Batch: 256, Every: 10, Patience: 3, Threads: 2, Rng: rand.New(rand.NewPCG(2, 2))})
	if err != nil {
		t.Fatal(err)
	}
	if state.Steps == 0 {
		t.Error("no step was taken")
	}
	least := curve[0].HeldOut
	for _, c := range curve {
		least = min(least, c.HeldOut)
	}
	e := m.WeighSamples(held)
	got, _ := e.JudgeAs(ones(FamilyCount), 1)
	if math.Abs(got.Learned-least) > 1e-4*math.Abs(least) {
		t.Errorf("the model kept has risk %.5f, the best seen was %.5f", got.Learned, least)
	}
	if g := held.GaussianRisk(); math.Abs(g-curve[0].HeldOut) > 1e-4*math.Abs(g) {
		t.Errorf("an untrained model has risk %.5f, the gaussian %.5f", curve[0].HeldOut, g)
	}
}

func TestModelFile(t *testing.T) {
	m := untrained(t)
	m.Weights = ones(FamilyCount)
	m.Loss = []Point{{HeldOut: 1}, {Step: 10, Train: 0.5, HeldOut: 0.6}}
	m.Origin = Origin{Kind: "scans", Seed: 4, Scans: []string{"a"}, BVals: []float64{0, 1000}}
	var b bytes.Buffer
	if err := m.Write(&b, nil); err != nil {
		t.Fatal(err)
	}
	got, state, err := ReadModel(bytes.NewReader(b.Bytes()))
	if err != nil || state != nil {
		t.Fatal(err, state)
	}
	if !slices.Equal(got.Net.Weights(), m.Net.Weights()) || !slices.Equal(got.Shift, m.Shift) || !slices.Equal(got.Weights, m.Weights) ||
		!slices.Equal(got.Loss, m.Loss) || got.Origin.Kind != "scans" || !slices.Equal(got.Origin.BVals, m.Origin.BVals) {
		t.Errorf("read %+v", got)
	}
	for name, damaged := range map[string]func() *net.Saved{
		"features": func() *net.Saved { return &net.Saved{Network: m.Net, Meta: []byte(`{"features":99}`)} },
		"scales":   func() *net.Saved { return &net.Saved{Network: m.Net, Meta: []byte(`{"features":1,"shift":[1]}`)} },
		"":         func() *net.Saved { return &net.Saved{Network: m.Net, Meta: []byte(`[]`)} },
	} {
		var b bytes.Buffer
		if err := damaged().Write(&b); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ReadModel(&b); !errors.Is(err, net.ErrFormat) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEstimateDoesNotAllocate(t *testing.T) {
	p := newProblem(t, 12, 21, [3]int{16, 16, 6})
	pair, err := p.prior(nil, 1).PairAll(t.Context(), p.xt, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := untrained(t)
	w, fold := m.newEstimator(pair.Still), m.folded(nil)
	m.change(w, fold, 5)
	if n := testing.AllocsPerRun(5, func() { m.change(w, fold, 6) }); n > 1 {
		t.Errorf("%v allocations a voxel", n)
	}
}

func TestCancelled(t *testing.T) {
	p := newProblem(t, 12, 21, [3]int{16, 16, 6})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.prior(untrained(t), 1).PosteriorMean(ctx, make([]float32, len(p.xt)), p.xt, p.scale.T); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// BenchmarkEstimate reports voxel-directions a second of features and network.
func BenchmarkEstimate(b *testing.B) {
	p := newProblem(b, 12, 21, [3]int{24, 24, 8})
	pair, err := p.prior(nil, 1).PairAll(b.Context(), p.xt, nil)
	if err != nil {
		b.Fatal(err)
	}
	m := Embedded()
	dst := make([]float32, len(p.xt))
	for b.Loop() {
		if err := m.Estimate(b.Context(), pair.Still, dst, nil, nil, 1, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*float64(len(dst))/b.Elapsed().Seconds(), "voxel-directions/s")
}
