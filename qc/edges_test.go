package qc

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// White residuals do not know the edges of a ball; residuals that grow with the
// gradient do, as the correlation computed by hand says.
func TestCorrelateEdges(t *testing.T) {
	const nx, ny, nz, nt = 14, 12, 10, 30
	g := Grid{NX: nx, NY: ny, NZ: nz}
	size := nx * ny * nz
	reference := make([]float32, size)
	for i := range reference {
		x, y, z := float64(i%nx)-7, float64(i/nx%ny)-6, float64(i/(nx*ny))-5
		reference[i] = float32(100 / (1 + math.Exp(math.Sqrt(x*x+y*y+z*z)-4)))
	}
	p := &pair{g: g, mask: all(size)}
	edge := p.gradient(reference)
	rng := rand.New(rand.NewPCG(1, 1))
	before, after := make([]float32, size*nt), make([]float32, size*nt)
	sigma := make([]float32, size)
	for i := range sigma {
		sigma[i] = 2 + float32(i%3)
	}
	for i := range before {
		before[i] = after[i] + sigma[i%size]*float32(rng.NormFloat64())
	}
	var r Residual
	if err := r.CorrelateEdges(t.Context(), before, after, sigma, nil, reference, g, 2); err != nil {
		t.Fatal(err)
	}
	if inside := float64((nx - 2) * (ny - 2) * (nz - 2)); math.Abs(r.Edges) > 3.5/math.Sqrt(inside) {
		t.Errorf("white residual: correlation %.3f with the edges", r.Edges)
	}
	for i := range before {
		if e := edge[i%size]; !math.IsNaN(e) {
			before[i] = sigma[i%size] * float32(math.Sqrt(e)) // r²/σ² is the gradient
		}
	}
	if err := r.CorrelateEdges(t.Context(), before, after, sigma, nil, reference, g, 3); err != nil || math.Abs(r.Edges-1) > 1e-5 {
		t.Errorf("residual that is the edges: correlation %v, want 1 (err %v)", r.Edges, err)
	}
	// The gradient by definition, at one voxel.
	i := 5 + nx*(6+ny*4)
	want := math.Sqrt(math.Pow(float64(reference[i+1]-reference[i-1]), 2) + math.Pow(float64(reference[i+nx]-reference[i-nx]), 2) +
		math.Pow(float64(reference[i+nx*ny]-reference[i-nx*ny]), 2))
	if math.Abs(edge[i]-want) > 1e-9 || !math.IsNaN(edge[0]) {
		t.Errorf("gradient %v, want %v; at the corner %v, want NaN", edge[i], want, edge[0])
	}
	if err := r.CorrelateEdges(t.Context(), before, after, sigma, nil, reference[1:], g, 1); !errors.Is(err, ErrInput) {
		t.Errorf("reference of another size: err = %v", err)
	}
	if err := r.CorrelateEdges(t.Context(), before, after, sigma, nil, make([]float32, size), g, 1); err != nil || !math.IsNaN(r.Edges) {
		t.Errorf("flat reference: %v, want NaN (err %v)", r.Edges, err)
	}
}

func all(n int) []bool {
	out := make([]bool, n)
	for i := range out {
		out[i] = true
	}
	return out
}
