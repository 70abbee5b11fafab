package diffusion

import "testing"

const benchValues = 1 << 16

// Each figure is for 20 steps; the denoiser costs one multiplication per value.
func BenchmarkSamplers(b *testing.B) {
	s := mustSchedule(b, "cosine", 1000)
	xt, out := normals(seeded(1), benchValues), make([]float32, benchValues)
	for _, name := range []string{"DDIM eta=0", "Ancestral", "ReverseSDE"} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(4 * benchValues * 20)
			b.ReportAllocs()
			rng := seeded(2)
			for b.Loop() {
				if err := samplers[name](b.Context(), s, gaussian1{s, 1}, out, xt, 500, SamplerOptions{Steps: 20}, rng); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNoise(b *testing.B) {
	s := mustSchedule(b, "cosine", 1000)
	x0, eps, dst := normals(seeded(1), benchValues), normals(seeded(2), benchValues), make([]float32, benchValues)
	b.SetBytes(4 * benchValues)
	b.ReportAllocs()
	for b.Loop() {
		s.Noise(dst, x0, eps, 300.5)
	}
}

func BenchmarkGaussianPosteriorMean(b *testing.B) {
	g, _, _ := prior3(b, mustSchedule(b, "cosine", 1000))
	xt, dst := normals(seeded(1), 3*4096), make([]float32, 3*4096)
	b.SetBytes(4 * 3 * 4096)
	b.ReportAllocs()
	for b.Loop() {
		if err := g.PosteriorMean(b.Context(), dst, xt, 300.5); err != nil {
			b.Fatal(err)
		}
	}
}
