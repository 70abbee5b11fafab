package diffusion

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// With eta = 1 and neighbouring timesteps a reverse step is Ho 2020, eq. 7.
func TestReverseIsHoEquation7(t *testing.T) {
	for _, s := range schedules(t) {
		for i := 1; i < s.T(); i++ {
			aFrom, aTo, beta := s.AlphaBar(float64(i)), s.AlphaBar(float64(i-1)), s.Beta(i)
			clean := math.Sqrt(aTo) * beta / (1 - aFrom)
			noisy := math.Sqrt(1-beta) * (1 - aTo) / (1 - aFrom)
			variance := (1 - aTo) / (1 - aFrom) * beta
			k := reverse(s.Sigma(float64(i)), s.Sigma(float64(i-1)), 1)
			// The paper's own form loses digits in 1-ᾱ, most at the first steps.
			if math.Abs(k.clean-clean) > 1e-10 || math.Abs(k.noisy-noisy) > 1e-10 || math.Abs(k.spread*k.spread-variance) > 1e-10*variance {
				t.Fatalf("%s t=%d: %+v, want mean %v·x̂₀ + %v·x_t, variance %v", label(s), i, k, clean, noisy, variance)
			}
		}
	}
}

// For strides of any length, eta = 1 is Bayes' rule for x_s between x₀ and x_t.
func TestReverseIsBayesOnAnyStride(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		from := rapid.Float64Range(0.01, 100).Draw(rt, "from")
		to := from * rapid.Float64Range(0.01, 0.99).Draw(rt, "ratio")
		aFrom, aTo := 1/(1+from*from), 1/(1+to*to)
		step := aFrom / aTo // x_t = √step·x_s + √(1-step)·z
		precision := 1/(1-aTo) + step/(1-step)
		k := reverse(from, to, 1)
		for what, pair := range map[string][2]float64{
			"clean":    {k.clean, math.Sqrt(aTo) / (1 - aTo) / precision},
			"noisy":    {k.noisy, math.Sqrt(step) / (1 - step) / precision},
			"variance": {k.spread * k.spread, 1 / precision},
		} {
			if math.Abs(pair[0]-pair[1]) > 1e-8*pair[1] {
				rt.Fatalf("%s = %v, want %v", what, pair[0], pair[1])
			}
		}
	})
}

// Whatever eta is, a step with the true x₀ turns q(x_t|x₀) into q(x_s|x₀).
func TestReverseKeepsTheMarginals(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		from := rapid.Float64Range(1e-3, 1e5).Draw(rt, "from")
		to := from * rapid.Float64Range(0, 1).Draw(rt, "ratio")
		eta := rapid.Float64Range(0, 1).Draw(rt, "eta")
		aFrom, aTo := 1/(1+from*from), 1/(1+to*to)
		k := reverse(from, to, eta)
		if got, want := k.clean+k.noisy*math.Sqrt(aFrom), math.Sqrt(aTo); math.Abs(got-want) > 1e-12 {
			rt.Fatalf("signal %v, want %v", got, want)
		}
		noise := k.noisy*k.noisy*aFrom*from*from + k.spread*k.spread
		if want := aTo * to * to; math.Abs(noise-want) > 1e-12 {
			rt.Fatalf("noise %v, want %v", noise, want)
		}
		// Song 2021, eq. 16.
		if want := eta * math.Sqrt(aTo*to*to*(1-to*to/(from*from))); math.Abs(k.spread-want) > 1e-7*(want+1e-9) {
			rt.Fatalf("spread %v, want %v", k.spread, want)
		}
	})
}

// The last step takes the posterior mean as it is.
func TestReverseToCleanIsThePosteriorMean(t *testing.T) {
	for _, eta := range []float64{0, 0.5, 1} {
		for _, from := range []float64{1e-6, 1, 2e4} {
			if k := reverse(from, 0, eta); k != (kernel{clean: 1}) {
				t.Errorf("reverse(%v, 0, %v) = %+v, want x̂₀ alone", from, eta, k)
			}
		}
	}
}

func TestNodesFallFromFirstToZero(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		first := rapid.Float64Range(1e-4, 1e5).Draw(rt, "first")
		steps := rapid.IntRange(1, 2000).Draw(rt, "steps")
		if got := nodeLevel(first, 0, steps); math.Abs(got-first) > 1e-12*first {
			rt.Fatalf("node 0 = %v, want %v", got, first)
		}
		last := first
		for i := 1; i < steps; i++ {
			level := nodeLevel(first, i, steps)
			if level >= last || level <= 0 {
				rt.Fatalf("node %d of %d = %v after %v", i, steps, level, last)
			}
			last = level
		}
		if got := nodeLevel(first, steps, steps); got != 0 {
			rt.Fatalf("last node = %v, want 0", got)
		}
	})
}

// chain follows a sampler's exact moments for the prior N(0, λ), where every
// step is linear: the variance of the samples, and the factor from measurement
// y = x_t/√ᾱ to their mean, both without drawing anything.
func chain(lambda, first float64, steps int, eta float64, second bool) (variance, gain float64) {
	var vx, vp, vxp float64 // (co)variances of x and the x̂₀ before
	gx, gp := 1/math.Sqrt(1+first*first), 0.0
	from, last := first, 0.0
	for i := range steps {
		to := nodeLevel(first, i+1, steps)
		k, slope := reverse(from, to, eta), 0.0
		if second {
			length := math.Log(from / to)
			slope, last = extrapolation(length, last), length
		}
		weight := lambda / (lambda + from*from) * math.Sqrt(1+from*from) // x̂₀ = weight·x
		a, b := k.noisy+k.clean*(1+slope)*weight, -k.clean*slope
		vx, vp, vxp = a*a*vx+2*a*b*vxp+b*b*vp+k.spread*k.spread, weight*weight*vx, weight*(a*vx+b*vxp)
		gx, gp = a*gx+b*gp, weight*gx
		from = to
	}
	return vx, gx
}

// chainBias returns the worst relative error of the samples' variance, and of
// their mean in posterior standard deviations for a measurement one standard
// deviation off the prior's mean, over prior variances and starting levels.
func chainBias(lambdas, firsts []float64, steps int, second bool) (variance, mean float64) {
	for _, lambda := range lambdas {
		for _, first := range firsts {
			v, g := chain(lambda, first, steps, 1, second)
			noise := first * first
			want := lambda * noise / (lambda + noise)
			if e := v/want - 1; math.Abs(e) > math.Abs(variance) {
				variance = e
			}
			mean = max(mean, math.Abs(g-lambda/(lambda+noise))*math.Sqrt((lambda+noise)/want))
		}
	}
	return variance, mean
}

// What the package documentation's table covers: 2e4 is pure noise, the end of
// the cosine schedule.
var (
	usualPriors = []float64{0.05, 0.1, 0.3, 1, 4}
	widePriors  = []float64{0.001, 0.01, 0.05, 0.3, 1, 4, 50}
	tableStarts = []float64{0.05, 0.1, 0.2, 0.5, 1, 2, 5, 2e4}
)

// The table of the package documentation, in percent of the variance.
func TestSamplerBiasTable(t *testing.T) {
	for _, c := range []struct {
		steps                                             int
		ancestral, ancestralWide, reverseSDE, reverseWide float64
	}{
		{10, -63.1, -71.7, -17.6, -56.4},
		{20, -42.9, -52.1, 9.5, -10.0},
		{50, -21.1, -29.0, 2.2, 6.3},
		{100, -11.4, -16.7, 0.5, 2.0},
		{150, -7.8, -11.7, 0.2, 0.9},
		{500, -2.4, -3.8, 0.0, 0.1},
		{2000, -0.6, -1.0, 0.0, 0.0},
	} {
		for _, column := range []struct {
			name   string
			priors []float64
			second bool
			want   float64
		}{
			{"Ancestral", usualPriors, false, c.ancestral},
			{"Ancestral, wide", widePriors, false, c.ancestralWide},
			{"ReverseSDE", usualPriors, true, c.reverseSDE},
			{"ReverseSDE, wide", widePriors, true, c.reverseWide},
		} {
			got, _ := chainBias(column.priors, tableStarts, c.steps, column.second)
			if math.Abs(100*got-column.want) > 0.06 {
				t.Errorf("%d steps, %s: variance off by %+.2f %%, documented %+.1f %%", c.steps, column.name, 100*got, column.want)
			}
		}
	}
}

// Defaults keep the bias of means and variances below one percent.
func TestDefaultStepsBias(t *testing.T) {
	for name, c := range map[string]struct {
		steps  int
		second bool
	}{"Ancestral": {defaultAncestralSteps, false}, "ReverseSDE": {defaultReverseSDESteps, true}} {
		variance, mean := chainBias(widePriors, tableStarts, c.steps, c.second)
		if math.Abs(variance) > 0.01 {
			t.Errorf("%s with %d steps: variance off by %.4f", name, c.steps, variance)
		}
		// x̂₀ is a martingale of the reverse process, so means are exact.
		if mean > 1e-9 {
			t.Errorf("%s with %d steps: mean off by %.4g standard deviations", name, c.steps, mean)
		}
	}
	for _, lambda := range widePriors {
		for _, first := range tableStarts {
			_, gain := chain(lambda, first, defaultDDIMSteps, 0, false)
			if want := math.Sqrt(lambda / (lambda + first*first)); math.Abs(gain/want-1) > 0.01 {
				t.Errorf("DDIM with %d steps: λ=%v σ=%v ends at %v of y, want %v", defaultDDIMSteps, lambda, first, gain, want)
			}
		}
	}
}

// Doubling the steps divides the error by 2 (Ancestral, DDIM) or by 4 (ReverseSDE).
func TestOrderOfConvergence(t *testing.T) {
	errorOf := map[string]func(steps int) float64{
		"Ancestral": func(n int) float64 {
			v, _ := chainBias([]float64{1}, []float64{1}, n, false)
			return v
		},
		"ReverseSDE": func(n int) float64 {
			v, _ := chainBias([]float64{1}, []float64{1}, n, true)
			return v
		},
		"DDIM": func(n int) float64 {
			_, gain := chain(1, 1, n, 0, false)
			return gain*math.Sqrt2 - 1
		},
	}
	for name, want := range map[string]float64{"Ancestral": 2, "DDIM": 2, "ReverseSDE": 4} {
		if got := errorOf[name](400) / errorOf[name](800); math.Abs(got-want) > 0.1*want {
			t.Errorf("%s: twice the steps divide the error by %.2f, want %v", name, got, want)
		}
	}
}
