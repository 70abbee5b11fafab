package orientation

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// fixedSource draws about given signals with white noise.
type fixedSource struct {
	rows  [][]float32
	sigma float64
}

func (s fixedSource) Mean(dst []float32, row int) { copy(dst, s.rows[row]) }

func (s fixedSource) Draw(dst []float32, row, number int) {
	rng := rand.New(rand.NewPCG(uint64(row), uint64(number)))
	for i, x := range s.rows[row] {
		dst[i] = x + float32(s.sigma*rng.NormFloat64())
	}
}

// shellTable has n0 b0 volumes and n directions at b.
func shellTable(n0, n int, b float64) *gradients.Table {
	t := &gradients.Table{Frame: gradients.ScannerFrame}
	for range n0 {
		t.BVals, t.BVecs = append(t.BVals, 0), append(t.BVecs, [3]float64{})
	}
	for _, g := range gradients.Directions(n, rand.New(rand.NewPCG(7, uint64(n)))) {
		t.BVals, t.BVecs = append(t.BVals, b), append(t.BVecs, g)
	}
	return t
}

// tensorSignal is the signal of axisymmetric tensors along the directions.
func tensorSignal(t *gradients.Table, directions [][3]float64, weights []float64) []float32 {
	out := make([]float32, t.Len())
	for i, b := range t.BVals {
		for k, u := range directions {
			c := dot(t.BVecs[i], u)
			out[i] += float32(1000 * weights[k] * math.Exp(-b*(0.2e-3+1.5e-3*c*c)))
		}
	}
	return out
}

// fibreResponse is the response of tensorSignal's fibre.
func fibreResponse(t *gradients.Table, shell Shell) []float64 {
	u := [3]float64{0, 0, 1}
	s := tensorSignal(t, [][3]float64{u}, []float64{1})
	r, err := average(func(dst []float32, _ int) { copy(dst, s) }, []single{{direction: u}}, t, shell)
	if err != nil {
		panic(err)
	}
	return r
}

func BenchmarkEstimate(b *testing.B) {
	t := shellTable(6, 64, 1000)
	shell, _ := ChooseShell(t, 50)
	c, err := NewCSD(t, shell, fibreResponse(t, shell))
	if err != nil {
		b.Fatal(err)
	}
	x, y := [3]float64{1, 0, 0}, [3]float64{0, 1, 0}
	source := fixedSource{[][]float32{tensorSignal(t, [][3]float64{x}, []float64{1}), tensorSignal(t, [][3]float64{x, y}, []float64{0.5, 0.5})}, 15}
	for b.Loop() {
		if _, err := Estimate(context.Background(), func() Source { return source }, 2, t, c, Options{Samples: 32, Threads: 1}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/2, "µs/voxel")
}
