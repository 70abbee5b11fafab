package diffusion

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func mustSchedule(t testing.TB, name string, T int) Schedule {
	t.Helper()
	s, err := ByName(name, T)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// schedules returns both kinds at the three lengths the program is used with.
func schedules(t testing.TB) []Schedule {
	t.Helper()
	var out []Schedule
	for _, name := range []string{"cosine", "linear"} {
		for _, T := range []int{100, 300, 1000} {
			out = append(out, mustSchedule(t, name, T))
		}
	}
	return out
}

func label(s Schedule) string { return fmt.Sprintf("%s/T=%d", s.Name(), s.T()) }

// mustPanic checks that f panics with exactly this constant.
func mustPanic(t *testing.T, what string, want any, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if got := recover(); got != want {
			t.Errorf("%s: panic %v, want %v", what, got, want)
		}
	}()
	f()
}

// ᾱ of the cosine schedule is Nichol and Dhariwal's product of clipped ratios.
func TestCosineMatchesNicholDhariwal(t *testing.T) {
	for _, T := range []int{2, 3, 10, 100, 300, 1000, 4000, 20000} {
		for _, offset := range []float64{0.008, 0, 0.02} {
			s, err := CosineOffset(T, offset)
			if err != nil {
				t.Fatal(err)
			}
			f := func(i int) float64 {
				return math.Pow(math.Cos((float64(i)/float64(T)+offset)/(1+offset)*math.Pi/2), 2)
			}
			alphaBar := 1.0
			for i := range T {
				beta := min(max(1-f(i+1)/f(i), 1e-5), 0.999)
				alphaBar *= 1 - beta
				if got := s.Beta(i); math.Abs(got-beta) > 1e-12 {
					t.Fatalf("T=%d s=%v: β_%d = %v, want %v", T, offset, i, got, beta)
				}
				// A product of T factors rounds T times.
				if got := s.AlphaBar(float64(i)); math.Abs(got-alphaBar) > 1e-15*float64(T)*alphaBar+1e-15 {
					t.Fatalf("T=%d s=%v: ᾱ_%d = %v, want %v", T, offset, i, got, alphaBar)
				}
			}
			if got := s.Beta(T - 1); got != 0.999 {
				t.Errorf("T=%d s=%v: last β = %v, want the clip 0.999", T, offset, got)
			}
		}
	}
}

// Where no β is clipped the product telescopes to f((t+1)/T)/f(0).
func TestCosineTelescopes(t *testing.T) {
	s := mustSchedule(t, "cosine", 1000)
	f := func(u float64) float64 { return math.Pow(math.Cos((u+0.008)/1.008*math.Pi/2), 2) }
	for _, at := range []int{0, 1, 30, 250, 500, 750, 900} {
		if got, want := s.AlphaBar(float64(at)), f(float64(at+1)/1000)/f(0); math.Abs(got-want) > 1e-12 {
			t.Errorf("ᾱ_%d = %v, want %v", at, got, want)
		}
	}
}

// Values at T = 1000 published in ../shared/reference/ecosystem.md 4.4, to half
// a unit of their last digit.
func TestScheduleKnownValues(t *testing.T) {
	for _, c := range []struct {
		name                            string
		t, alphaBar, digit, ratio, unit float64
	}{
		{"linear", 30, 0.988, 1e-3, 8.96, 0.01},
		{"linear", 250, 0.521, 1e-3, 1.04, 0.01},
		{"linear", 500, 0.0778, 1e-4, 0.29, 0.01},
		{"linear", 750, 0.0033, 1e-4, 0.06, 0.01},
		{"linear", 999, 4.0e-5, 1e-6, 0.01, 0.01},
		{"cosine", 30, 0.996, 1e-3, 16.8, 0.1},
		{"cosine", 250, 0.846, 1e-3, 2.34, 0.01},
		{"cosine", 500, 0.492, 1e-3, 0.98, 0.01},
		{"cosine", 750, 0.143, 1e-3, 0.41, 0.01},
		{"cosine", 999, 0, 1e-6, 0, 0.01},
	} {
		t.Run(fmt.Sprintf("%s/t=%v", c.name, c.t), func(t *testing.T) {
			s := mustSchedule(t, c.name, 1000)
			if got := s.AlphaBar(c.t); math.Abs(got-c.alphaBar) > 0.5*c.digit {
				t.Errorf("ᾱ = %.5g, want %v", got, c.alphaBar)
			}
			if got := math.Sqrt(s.SNR(c.t)); math.Abs(got-c.ratio) > 0.5*c.unit {
				t.Errorf("√SNR = %.5g, want %v", got, c.ratio)
			}
		})
	}
}

func TestLinearBeta(t *testing.T) {
	for _, c := range []struct {
		T           int
		first, last float64
	}{{1000, 1e-4, 0.02}, {100, 1e-3, 0.2}, {300, 1e-4 / 0.3, 0.02 / 0.3}, {20000, 5e-6, 1e-3}, {10, 0.01, 0.999}} {
		t.Run(fmt.Sprint(c.T), func(t *testing.T) {
			s := mustSchedule(t, "linear", c.T)
			if got := s.Beta(0); math.Abs(got-c.first) > 1e-16 {
				t.Errorf("first β = %v, want %v", got, c.first)
			}
			if got := s.Beta(c.T - 1); math.Abs(got-c.last) > 1e-16 {
				t.Errorf("last β = %v, want %v", got, c.last)
			}
			middle := s.Beta(c.T/2-1) + s.Beta(c.T/2)
			if c.T > 20 && math.Abs(middle-c.first-c.last) > 1e-12 {
				t.Errorf("β is not linear: the middle two add to %v, the ends to %v", middle, c.first+c.last)
			}
		})
	}
}

func TestScheduleEnds(t *testing.T) {
	for _, s := range schedules(t) {
		t.Run(label(s), func(t *testing.T) {
			if s.AlphaBar(-1) != 1 || s.Sigma(-1) != 0 || !math.IsInf(s.SNR(-1), 1) {
				t.Errorf("t = -1: ᾱ = %v, σ = %v, SNR = %v, want the clean signal", s.AlphaBar(-1), s.Sigma(-1), s.SNR(-1))
			}
			if got := s.AlphaBar(0); math.Abs(got-(1-s.Beta(0))) > 1e-15 || got == 1 {
				t.Errorf("ᾱ_0 = %v, want 1-β_0 = %v", got, 1-s.Beta(0))
			}
			if got := s.AlphaBar(float64(s.T() - 1)); got > 5e-5 || got <= 0 {
				t.Errorf("ᾱ_{T-1} = %v, want almost nothing but more than 0", got)
			}
		})
	}
}

// Between integers σ rises strictly; at integers it is the product's value,
// whichever side it is approached from.
func TestSigmaIsMonotoneAndExactAtIntegers(t *testing.T) {
	all := append(schedules(t), mustSchedule(t, "cosine", 2), mustSchedule(t, "linear", 3))
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.SampledFrom(all).Draw(rt, "schedule")
		last := float64(s.T() - 1)
		a := rapid.Float64Range(-1, last).Draw(rt, "a")
		b := rapid.Float64Range(-1, last).Draw(rt, "b")
		// The exponent of Pow rounds, so neighbours closer than this may tie.
		if a < b-1e-9 && s.Sigma(a) >= s.Sigma(b) {
			rt.Fatalf("Sigma(%v) = %v, Sigma(%v) = %v", a, s.Sigma(a), b, s.Sigma(b))
		}
		i := rapid.IntRange(0, s.T()-1).Draw(rt, "i")
		logAlphaBar := 0.0
		for k := range i + 1 {
			logAlphaBar += math.Log1p(-s.Beta(k))
		}
		want := math.Sqrt(math.Expm1(-logAlphaBar))
		if got := s.Sigma(float64(i)); got != want {
			rt.Fatalf("Sigma(%d) = %v, want %v", i, got, want)
		}
		// σ may rise a thousandfold in one step of a short schedule (β = 0.999).
		below := s.Sigma(math.Nextafter(float64(i), -1))
		if math.Abs(below-want) > 1e-10*want {
			rt.Fatalf("Sigma just below %d = %v, want %v", i, below, want)
		}
	})
}

func TestTimestepForInvertsSigma(t *testing.T) {
	all := append(schedules(t), mustSchedule(t, "cosine", 2), mustSchedule(t, "linear", 5), mustSchedule(t, "cosine", 4000))
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.SampledFrom(all).Draw(rt, "schedule")
		want := rapid.OneOf(
			rapid.Float64Range(-1, float64(s.T()-1)),
			rapid.Float64Range(-1, 0),
			rapid.Map(rapid.IntRange(-1, s.T()-1), func(i int) float64 { return float64(i) }),
		).Draw(rt, "t")
		sigma := s.Sigma(want)
		got, err := s.TimestepFor(sigma)
		if err != nil {
			rt.Fatal(err)
		}
		if math.Abs(got-want) > 1e-9 {
			rt.Fatalf("TimestepFor(Sigma(%v)) = %v", want, got)
		}
		if want == math.Trunc(want) && got != want {
			rt.Fatalf("TimestepFor(Sigma(%v)) = %v, want it exactly", want, got)
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.SampledFrom(all).Draw(rt, "schedule")
		want := rapid.Float64Range(1e-3, s.Sigma(float64(s.T()-1))).Draw(rt, "sigma")
		got, err := s.TimestepFor(want)
		if err != nil {
			rt.Fatal(err)
		}
		if back := s.Sigma(got); math.Abs(back-want) > 1e-9*want {
			rt.Fatalf("Sigma(TimestepFor(%v)) = %v", want, back)
		}
	})
}

func TestScheduleIdentities(t *testing.T) {
	for _, s := range schedules(t) {
		for _, at := range []float64{-0.5, 0, 3.25, 50, float64(s.T() - 1)} {
			a, sigma := s.AlphaBar(at), s.Sigma(at)
			if want := math.Sqrt((1 - a) / a); math.Abs(sigma-want) > 1e-9*sigma {
				t.Errorf("%s: σ(%v) = %v, want √((1-ᾱ)/ᾱ) = %v", label(s), at, sigma, want)
			}
			if want := a / (1 - a); math.Abs(s.SNR(at)-want) > 1e-9*want {
				t.Errorf("%s: SNR(%v) = %v, want ᾱ/(1-ᾱ) = %v", label(s), at, s.SNR(at), want)
			}
		}
	}
}

func TestScheduleRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		T    int
	}{{"cosine", 1}, {"linear", 1}, {"linear", 0}, {"cosine", -5}, {"linear", 2e6}, {"quadratic", 1000}, {"", 1000}, {"Cosine", 1000}} {
		if s, err := ByName(c.name, c.T); !errors.Is(err, ErrSchedule) || s.T() != 0 {
			t.Errorf("ByName(%q, %d) = %d timesteps, %v, want ErrSchedule", c.name, c.T, s.T(), err)
		}
	}
	for _, offset := range []float64{-0.1, 1.5, math.NaN(), math.Inf(1)} {
		if _, err := CosineOffset(100, offset); !errors.Is(err, ErrSchedule) {
			t.Errorf("CosineOffset(100, %v): err = %v, want ErrSchedule", offset, err)
		}
	}
	for _, s := range schedules(t) {
		beyond := math.Nextafter(s.Sigma(float64(s.T()-1)), math.Inf(1))
		for _, sigma := range []float64{-0.1, math.NaN(), math.Inf(1), beyond} {
			if _, err := s.TimestepFor(sigma); !errors.Is(err, ErrNoiseLevel) {
				t.Errorf("%s: TimestepFor(%v): err = %v, want ErrNoiseLevel", label(s), sigma, err)
			}
		}
	}
}

func TestSchedulePanics(t *testing.T) {
	s := mustSchedule(t, "cosine", 100)
	for _, at := range []float64{-1.01, 99.5, 100, math.NaN(), math.Inf(1)} {
		mustPanic(t, fmt.Sprintf("Sigma(%v)", at), badTimestep, func() { s.Sigma(at) })
	}
	for _, step := range []int{-1, 100} {
		mustPanic(t, fmt.Sprintf("Beta(%d)", step), badStep, func() { s.Beta(step) })
	}
	mustPanic(t, "AlphaBar of the zero Schedule", badSchedule, func() { Schedule{}.AlphaBar(-1) })
	mustPanic(t, "TimestepFor of the zero Schedule", badSchedule, func() {
		_, err := Schedule{}.TimestepFor(0)
		t.Errorf("no panic, err = %v", err)
	})
	if (Schedule{}).T() != 0 || (Schedule{}).Name() != "" {
		t.Error("the zero Schedule has timesteps or a name")
	}
}
