package diffusion_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/dmri-denoise/dmri-denoise/diffusion"
)

// A measurement y = x + 0.5·n of x ~ N(0, 1) is denoised from its
// noise-matched timestep: the posterior mean is y/(1+0.25).
func ExamplePosteriorMean() {
	s, err := diffusion.Cosine(1000)
	if err != nil {
		panic(err)
	}
	prior, err := diffusion.NewGaussian(s, []float64{0}, mat.NewSymDense(1, []float64{1}))
	if err != nil {
		panic(err)
	}
	t, err := s.TimestepFor(0.5)
	if err != nil {
		panic(err)
	}
	y := 1.25
	xt := []float32{float32(math.Sqrt(s.AlphaBar(t)) * y)}
	clean := make([]float32, 1)
	if err := diffusion.PosteriorMean(context.Background(), prior, clean, xt, t); err != nil {
		panic(err)
	}
	fmt.Printf("t* = %.1f, x = %.3f\n", t, clean[0])
	// Output: t* = 288.6, x = 1.000
}

// The forward process fades a signal into noise.
func ExampleSchedule_Noise() {
	s, err := diffusion.Cosine(1000)
	if err != nil {
		panic(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	eps := []float32{float32(rng.NormFloat64())}
	xt := make([]float32, 1)
	for _, t := range []float64{-1, 0, 500, 999} {
		s.Noise(xt, []float32{1}, eps, t)
		fmt.Printf("t = %3.0f  share of signal %.3f\n", t, s.AlphaBar(t))
	}
	// Output:
	// t =  -1  share of signal 1.000
	// t =   0  share of signal 1.000
	// t = 500  share of signal 0.492
	// t = 999  share of signal 0.000
}

// Posterior samples of one measurement: their spread is the
// uncertainty that the posterior mean leaves, here 0.5/√1.25 = 0.447.
func ExampleReverseSDE() {
	s, err := diffusion.Cosine(1000)
	if err != nil {
		panic(err)
	}
	prior, err := diffusion.NewGaussian(s, []float64{0}, mat.NewSymDense(1, []float64{1}))
	if err != nil {
		panic(err)
	}
	t, err := s.TimestepFor(0.5)
	if err != nil {
		panic(err)
	}
	// Many measurements y = 1.25 side by side, one sample for each.
	x := make([]float32, 10000)
	for i := range x {
		x[i] = float32(math.Sqrt(s.AlphaBar(t)) * 1.25)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	if err := diffusion.ReverseSDE(context.Background(), s, prior, x, x, t, diffusion.SamplerOptions{}, rng); err != nil {
		panic(err)
	}
	var sum, squares float64
	for _, v := range x {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	mean := sum / float64(len(x))
	// 10000 samples know their mean to 0.004.
	fmt.Printf("mean %.1f, standard deviation %.2f\n", mean, math.Sqrt(squares/float64(len(x))-mean*mean))
	// Output: mean 1.0, standard deviation 0.45
}
