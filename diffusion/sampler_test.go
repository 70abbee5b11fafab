package diffusion

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

var samplers = map[string]sampler{
	"Ancestral": Ancestral, "ReverseSDE": ReverseSDE, "DDIM eta=0": ddim(0), "DDIM eta=0.5": ddim(0.5),
}

// probe is a Denoiser that keeps what it was asked and answers as gaussian1,
// until it has answered as often as it should.
type probe struct {
	gaussian1
	asked []float64
	last  []float32
	after int // answers before then is called; 0 means never
	then  func() error
}

func (p *probe) PosteriorMean(ctx context.Context, dst, xt []float32, t float64) error {
	p.asked = append(p.asked, t)
	if err := p.gaussian1.PosteriorMean(ctx, dst, xt, t); err != nil {
		return err
	}
	p.last = append(p.last[:0], dst...)
	if p.after > 0 && len(p.asked) == p.after {
		return p.then()
	}
	return nil
}

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// For N(0, λ) the probability flow from y = x_t/√ᾱ ends at y·√(λ/(λ+σ²)).
func TestDDIMFollowsTheProbabilityFlow(t *testing.T) {
	for _, s := range schedules(t) {
		for _, lambda := range []float64{0.05, 1, 4} {
			for _, sigma := range []float64{0.05, 0.8, 5} {
				start, err := s.TimestepFor(sigma)
				if err != nil {
					t.Fatal(err)
				}
				const y = 1.3
				out := make([]float32, 1)
				if err := DDIM(t.Context(), s, gaussian1{s, lambda}, out, measured(s, []float64{y}, start), start, SamplerOptions{Steps: 5000}, nil); err != nil {
					t.Fatal(err)
				}
				// The bias falls as 1/steps; 5000 roundings to float32 add little.
				if want := y * math.Sqrt(lambda/(lambda+sigma*sigma)); math.Abs(float64(out[0])-want) > 1e-3*want {
					t.Errorf("%s λ=%v σ=%v: DDIM ends at %v, want %v", label(s), lambda, sigma, out[0], want)
				}
			}
		}
	}
}

func TestDDIMWithEtaOneIsAncestral(t *testing.T) {
	s := mustSchedule(t, "cosine", 100)
	g, _, _ := prior3(t, s)
	xt := []float32{0.3, -0.2, 0.9, 1, 1, 1}
	run := func(f sampler, steps int) []float32 {
		out := make([]float32, len(xt))
		if err := f(t.Context(), s, g, out, xt, 60.3, SamplerOptions{Steps: steps}, seeded(1)); err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, steps := range []int{0, 1, 30} {
		if a, b := run(Ancestral, steps), run(ddim(1), steps); !slices.Equal(a, b) {
			t.Errorf("%d steps: Ancestral %v, DDIM with eta 1 %v", steps, a, b)
		}
	}
	if slices.Equal(run(Ancestral, 30), run(ddim(0.5), 30)) {
		t.Error("eta has no effect")
	}
}

// The denoiser is asked once per step, first at the start, then at falling
// timesteps inside the schedule; the last answer is the result, no noise added.
func TestSamplersAskAlongTheSchedule(t *testing.T) {
	all := schedules(t)
	for name, f := range samplers {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				s := rapid.SampledFrom(all).Draw(rt, "schedule")
				start := rapid.Float64Range(-0.99, float64(s.T()-1)).Draw(rt, "t")
				steps := rapid.IntRange(1, 60).Draw(rt, "steps")
				xt := normals(seeded(rapid.Uint64().Draw(rt, "seed")), 5)
				p, out, calls := &probe{gaussian1: gaussian1{s, 1}}, make([]float32, 5), 0
				o := SamplerOptions{Steps: steps, Progress: func(done, total int) {
					if calls++; done != calls || total != steps || done != len(p.asked) {
						rt.Fatalf("progress %d of %d at call %d after %d answers", done, total, calls, len(p.asked))
					}
				}}
				if err := f(t.Context(), s, p, out, xt, start, o, seeded(1)); err != nil {
					rt.Fatal(err)
				}
				if len(p.asked) != steps || calls != steps || p.asked[0] != start {
					rt.Fatalf("asked %d times from %v, %d calls of progress, want %d times from %v", len(p.asked), p.asked[0], calls, steps, start)
				}
				for i := 1; i < steps; i++ {
					if p.asked[i] >= p.asked[i-1] || p.asked[i] <= -1 {
						rt.Fatalf("asked at %v after %v", p.asked[i], p.asked[i-1])
					}
				}
				if !slices.Equal(out, p.last) {
					rt.Fatalf("result %v, want the last answer %v", out, p.last)
				}
			})
		})
	}
}

func TestOneStepIsThePosteriorMean(t *testing.T) {
	s := mustSchedule(t, "linear", 300)
	g, _, _ := prior3(t, s)
	xt, want := []float32{0.3, -0.2, 0.9}, make([]float32, 3)
	if err := PosteriorMean(t.Context(), g, want, xt, 77.7); err != nil {
		t.Fatal(err)
	}
	for name, f := range samplers {
		out := make([]float32, 3)
		if err := f(t.Context(), s, g, out, xt, 77.7, SamplerOptions{Steps: 1}, seeded(1)); err != nil || !slices.Equal(out, want) {
			t.Errorf("%s: %v, %v, want %v", name, out, err, want)
		}
	}
}

// The end of the cosine schedule, where ᾱ is almost 0, and very short
// schedules, where one step may do everything, give finite samples.
func TestSamplersFromTheEndAreFinite(t *testing.T) {
	for _, kind := range []string{"cosine", "linear"} {
		for _, T := range []int{2, 3, 10, 1000, 20000} {
			s := mustSchedule(t, kind, T)
			g, _, _ := prior3(t, s)
			for name, f := range samplers {
				for _, steps := range []int{1, 2, 3, 40} {
					out := normals(seeded(7), 30)
					if err := f(t.Context(), s, g, out, out, float64(T-1), SamplerOptions{Steps: steps}, seeded(8)); err != nil {
						t.Fatal(err)
					}
					for _, v := range out {
						if !(math.Abs(float64(v)) < 50) {
							t.Errorf("%s %s, %d steps: %v", label(s), name, steps, out)
							break
						}
					}
				}
			}
		}
	}
}

func TestSamplersBySeedAndInPlace(t *testing.T) {
	s := mustSchedule(t, "cosine", 100)
	g, _, _ := prior3(t, s)
	for name, f := range samplers {
		xt := []float32{0.3, -0.2, 0.9}
		run := func(dst []float32, seed uint64) []float32 {
			if err := f(t.Context(), s, g, dst, xt, 40.5, SamplerOptions{Steps: 7}, seeded(seed)); err != nil {
				t.Fatal(err)
			}
			return dst
		}
		one, again, other := run(make([]float32, 3), 1), run(make([]float32, 3), 1), run(make([]float32, 3), 2)
		if !slices.Equal(one, again) {
			t.Errorf("%s: one seed gives %v and %v", name, one, again)
		}
		if slices.Equal(one, other) != (name == "DDIM eta=0") {
			t.Errorf("%s: seeds 1 and 2 give %v and %v", name, one, other)
		}
		if !slices.Equal(xt, []float32{0.3, -0.2, 0.9}) {
			t.Errorf("%s changes its input", name)
		}
		if got := run(xt, 1); !slices.Equal(got, one) {
			t.Errorf("%s in place: %v, want %v", name, got, one)
		}
	}
}

func TestSamplersStop(t *testing.T) {
	s := mustSchedule(t, "cosine", 100)
	broken := errors.New("broken")
	for name, f := range samplers {
		ctx, cancel := context.WithCancel(t.Context())
		for _, c := range []struct {
			name string
			then func() error
			want error
		}{
			{"denoiser fails", func() error { return broken }, broken},
			{"context ends", func() error { cancel(); return nil }, context.Canceled},
		} {
			p := &probe{gaussian1: gaussian1{s, 1}, after: 3, then: c.then}
			err := f(ctx, s, p, make([]float32, 3), make([]float32, 3), 40, SamplerOptions{Steps: 10}, seeded(1))
			if !errors.Is(err, c.want) || len(p.asked) != 3 {
				t.Errorf("%s, %s: err = %v after %d answers, want %v after 3", name, c.name, err, len(p.asked), c.want)
			}
		}
	}
}

func TestSamplersFromTheCleanSignal(t *testing.T) {
	s := mustSchedule(t, "cosine", 100)
	p := &probe{gaussian1: gaussian1{s, 1}}
	xt := []float32{1, 2}
	for name, f := range samplers {
		out := make([]float32, 2)
		if err := f(t.Context(), s, p, out, xt, -1, SamplerOptions{}, nil); err != nil || !slices.Equal(out, xt) || len(p.asked) != 0 {
			t.Errorf("%s from t = -1: %v, %v after %d answers, want x_t unasked", name, out, err, len(p.asked))
		}
	}
}

func TestSamplersPanic(t *testing.T) {
	s := mustSchedule(t, "cosine", 100)
	d := gaussian1{s, 1}
	for name, f := range samplers {
		for _, c := range []struct {
			name  string
			want  string
			s     Schedule
			dst   int
			t     float64
			steps int
			rng   *rand.Rand
		}{
			{"lengths", badLength, s, 1, 5, 0, seeded(1)},
			{"timestep", badTimestep, s, 2, 99.5, 0, seeded(1)},
			{"NaN", badTimestep, s, 2, math.NaN(), 0, seeded(1)},
			{"steps", badSteps, s, 2, 5, -1, seeded(1)},
			{"schedule", badSchedule, Schedule{}, 2, 5, 0, seeded(1)},
			{"rng", badRand, s, 2, 5, 0, nil},
		} {
			if c.rng == nil && name == "DDIM eta=0" {
				continue // needs none
			}
			mustPanic(t, name+"/"+c.name, c.want, func() {
				err := f(t.Context(), c.s, d, make([]float32, c.dst), make([]float32, 2), c.t, SamplerOptions{Steps: c.steps}, c.rng)
				t.Errorf("no panic, err = %v", err)
			})
		}
	}
	for _, eta := range []float64{-0.1, 1.1, math.NaN()} {
		mustPanic(t, fmt.Sprintf("eta %v", eta), badEta, func() {
			err := ddim(eta)(t.Context(), s, d, make([]float32, 2), make([]float32, 2), 5, SamplerOptions{}, seeded(1))
			t.Errorf("no panic, err = %v", err)
		})
	}
}

// Steps allocate nothing: allocations do not grow with their number.
func TestStepsDoNotAllocate(t *testing.T) {
	s := mustSchedule(t, "cosine", 1000)
	xt, out := make([]float32, 64), make([]float32, 64)
	rng, ctx := seeded(1), t.Context()
	var d Denoiser = gaussian1{s, 1}
	for name, f := range samplers {
		allocs := func(steps int) float64 {
			return testing.AllocsPerRun(5, func() {
				if err := f(ctx, s, d, out, xt, 500, SamplerOptions{Steps: steps}, rng); err != nil {
					t.Fatal(err)
				}
			})
		}
		// x̂₀, the x̂₀ before and the walk itself.
		if few, many := allocs(5), allocs(200); many > few || few > 3 {
			t.Errorf("%s: %v allocations in 5 steps, %v in 200, want at most 3", name, few, many)
		}
	}
}
