package signals

import "testing"

const benchDims = "64x64x24x70"

func benchSignals() (g *Grid, image []float32, d int) {
	const nx, ny, nz = 64, 64, 24
	d = 70
	return NewGrid(nx, ny, nz, randomMask(nx*ny*nz, 0.5, 7)), make([]float32, nx*ny*nz*d), d
}

func BenchmarkGather(b *testing.B) {
	g, image, d := benchSignals()
	b.Run(benchDims, func(b *testing.B) {
		b.SetBytes(int64(4 * g.Len() * d))
		for b.Loop() {
			if _, err := Gather(b.Context(), g, image, d, 1); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkScatter(b *testing.B) {
	g, image, d := benchSignals()
	s := New(g, d)
	b.Run(benchDims, func(b *testing.B) {
		b.SetBytes(int64(4 * g.Len() * d))
		for b.Loop() {
			if err := s.Scatter(b.Context(), image, 1); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkTiling is what cutting the blocks costs without work on them.
func BenchmarkTiling(b *testing.B) {
	g, _, _ := benchSignals()
	t := Tiling{Extent: [3]int{5, 5, 5}, Stride: 2}
	b.Run("5x5x5/64x64x24", func(b *testing.B) {
		rows := 0
		for b.Loop() {
			if err := t.Each(b.Context(), g, 1, nil, func(_ int, k *Block) error { rows += len(k.Rows); return nil }); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "vox/s")
	})
}
