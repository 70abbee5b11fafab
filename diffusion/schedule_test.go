package diffusion

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func schedules(t testing.TB) []Schedule {
	t.Helper()
	var out []Schedule
	for _, name := range []string{"cosine", "linear"} {
		for _, T := range []int{100, 300, 1000} {
			s, err := ByName(name, T)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, s)
		}
	}
	return out
}

// ᾱ of the cosine schedule is Nichol and Dhariwal's product of clipped ratios.
func TestCosineMatchesNicholDhariwal(t *testing.T) {
	for _, T := range []int{2, 10, 100, 1000, 4000} {
		s, err := Cosine(T)
		if err != nil {
			t.Fatal(err)
		}
		f := func(i int) float64 {
			return math.Pow(math.Cos((float64(i)/float64(T)+0.008)/1.008*math.Pi/2), 2)
		}
		alphaBar := 1.0
		for i := range T {
			beta := min(max(1-f(i+1)/f(i), 1e-5), 0.999)
			alphaBar *= 1 - beta
			if got := s.Beta(i); math.Abs(got-beta) > 1e-12 {
				t.Fatalf("T=%d: β_%d = %v, want %v", T, i, got, beta)
			}
			if got := s.AlphaBar(float64(i)); math.Abs(got-alphaBar) > 1e-9*alphaBar+1e-15 {
				t.Fatalf("T=%d: ᾱ_%d = %v, want %v", T, i, got, alphaBar)
			}
		}
		if T == 1000 {
			// Away from the clipped end the product telescopes to f(t+1)/f(0).
			if got, want := s.AlphaBar(499), f(500)/f(0); math.Abs(got-want) > 1e-6 {
				t.Errorf("ᾱ_499 = %v, want %v", got, want)
			}
		}
	}
}

// Published values at T = 1000 (ᾱ and √ᾱ/√(1-ᾱ), three digits).
func TestScheduleKnownValues(t *testing.T) {
	for _, c := range []struct {
		name            string
		t               float64
		alphaBar, ratio float64
	}{
		{"linear", 30, 0.988, 8.96}, {"linear", 250, 0.521, 1.04}, {"linear", 500, 0.0778, 0.29}, {"linear", 750, 0.0033, 0.06}, {"linear", 999, 4.0e-5, 0.01},
		{"cosine", 30, 0.996, 16.8}, {"cosine", 250, 0.846, 2.34}, {"cosine", 500, 0.492, 0.98}, {"cosine", 750, 0.143, 0.41},
	} {
		s, err := ByName(c.name, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.AlphaBar(c.t); math.Abs(got-c.alphaBar) > 0.02*c.alphaBar {
			t.Errorf("%s ᾱ_%v = %.4g, want %v", c.name, c.t, got, c.alphaBar)
		}
		if got := math.Sqrt(s.SNR(c.t)); math.Abs(got-c.ratio) > max(0.01*c.ratio, 0.005) {
			t.Errorf("%s √SNR_%v = %.4g, want %v", c.name, c.t, got, c.ratio)
		}
	}
}

func TestLinearBetaEndsAndRescaling(t *testing.T) {
	s, err := Linear(1000)
	if err != nil {
		t.Fatal(err)
	}
	if s.Beta(0) != 1e-4 || math.Abs(s.Beta(999)-0.02) > 1e-15 {
		t.Errorf("β of linear(1000) from %v to %v, want 1e-4 to 0.02", s.Beta(0), s.Beta(999))
	}
	short, err := Linear(100)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(short.Beta(0)-1e-3) > 1e-15 || math.Abs(short.Beta(99)-0.2) > 1e-15 {
		t.Errorf("β of linear(100) from %v to %v, want 1e-3 to 0.2", short.Beta(0), short.Beta(99))
	}
}

func TestScheduleEndsAndMonotony(t *testing.T) {
	for _, s := range schedules(t) {
		if s.AlphaBar(-1) != 1 || s.Sigma(-1) != 0 || !math.IsInf(s.SNR(-1), 1) {
			t.Errorf("%s %d: t = -1 is not the clean signal", s.Name(), s.T())
		}
		last := -1.0
		for u := -1.0; u <= float64(s.T()-1); u += 0.37 {
			sigma := s.Sigma(u)
			if sigma <= last {
				t.Fatalf("%s %d: σ(%v) = %v after %v", s.Name(), s.T(), u, sigma, last)
			}
			last = sigma
		}
	}
}

func TestTimestepForInvertsSigma(t *testing.T) {
	all := schedules(t)
	rapid.Check(t, func(rt *rapid.T) {
		s := all[rapid.IntRange(0, len(all)-1).Draw(rt, "schedule")]
		want := rapid.Float64Range(-1, float64(s.T()-1)).Draw(rt, "t")
		sigma := s.Sigma(want)
		got, err := s.TimestepFor(sigma)
		if err != nil {
			rt.Fatal(err)
		}
		if back := s.Sigma(got); math.Abs(back-sigma) > 1e-9*sigma {
			rt.Fatalf("Sigma(TimestepFor(%v)) = %v", sigma, back)
		}
		if math.Abs(got-want) > 1e-6 {
			rt.Fatalf("TimestepFor(Sigma(%v)) = %v", want, got)
		}
	})
}

func TestScheduleRefuses(t *testing.T) {
	s, err := Cosine(100)
	if err != nil {
		t.Fatal(err)
	}
	for _, sigma := range []float64{-0.1, math.NaN(), math.Inf(1), 1e12} {
		if _, err := s.TimestepFor(sigma); !errors.Is(err, ErrNoiseLevel) {
			t.Errorf("TimestepFor(%v): err = %v, want ErrNoiseLevel", sigma, err)
		}
	}
	for _, c := range []struct {
		name string
		T    int
	}{{"cosine", 1}, {"linear", 0}, {"cosine", -5}, {"quadratic", 1000}, {"", 1000}, {"linear", 2e6}} {
		if _, err := ByName(c.name, c.T); !errors.Is(err, ErrSchedule) {
			t.Errorf("ByName(%q, %d): err = %v, want ErrSchedule", c.name, c.T, err)
		}
	}
	for _, step := range []float64{-1.01, 100, math.NaN()} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("AlphaBar(%v) does not panic", step)
				}
			}()
			s.AlphaBar(step)
		}()
	}
}

func normals(rng *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(rng.NormFloat64())
	}
	return out
}

func moments(v []float32) (mean, variance float64) {
	for _, x := range v {
		mean += float64(x) / float64(len(v))
	}
	for _, x := range v {
		variance += (float64(x) - mean) * (float64(x) - mean) / float64(len(v)-1)
	}
	return mean, variance
}

// q(x_t|x₀) in one jump has the mean and variance of its definition, and t+1
// single steps q(x_t|x_{t-1}) have the same.
func TestForwardMarginals(t *testing.T) {
	const n = 20000
	for _, s := range schedules(t) {
		if s.T() != 100 {
			continue
		}
		rng := rand.New(rand.NewPCG(3, 4))
		for _, at := range []int{0, 20, 60, 99} {
			x0 := make([]float32, n)
			for i := range x0 {
				x0[i] = 1.5
			}
			jump, walked := make([]float32, n), make([]float32, n)
			s.Noise(jump, x0, normals(rng, n), float64(at))
			copy(walked, x0)
			for step := range at + 1 {
				s.Step(walked, walked, normals(rng, n), step)
			}
			a := s.AlphaBar(float64(at))
			for name, x := range map[string][]float32{"jump": jump, "steps": walked} {
				mean, variance := moments(x)
				if tol := 5 * math.Sqrt((1-a)/n); math.Abs(mean-1.5*math.Sqrt(a)) > tol+1e-6 {
					t.Errorf("%s %s t=%d: mean %v, want %v", s.Name(), name, at, mean, 1.5*math.Sqrt(a))
				}
				if tol := 5 * (1 - a) * math.Sqrt(2.0/n); math.Abs(variance-(1-a)) > tol+1e-6 {
					t.Errorf("%s %s t=%d: variance %v, want %v", s.Name(), name, at, variance, 1-a)
				}
			}
		}
	}
}

func TestNoiseAtMinusOneIsTheCleanSignal(t *testing.T) {
	s, err := Cosine(300)
	if err != nil {
		t.Fatal(err)
	}
	x0 := []float32{1, -2, 0.5}
	dst := make([]float32, 3)
	s.Noise(dst, x0, []float32{9, 9, 9}, -1)
	for i := range dst {
		if dst[i] != x0[i] {
			t.Errorf("x_{-1} = %v, want %v", dst, x0)
		}
	}
}
