package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/dmri-denoise/dmri-denoise/denoise/prior"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
	"gonum.org/v1/gonum/mat"
)

func room() {
	fastblas.Register()
	ctx := context.Background()
	protocol := os.Args[1]
	snr, _ := strconv.ParseFloat(os.Args[2], 64)
	seed, _ := strconv.Atoi(os.Args[3])
	p, err := phantom.Make(ctx, phantom.Options{Protocol: protocol, SNR: snr, Seed: uint64(seed), Shape: [3]int{40, 40, 14}, VoxelSize: [3]float64{3, 3, 3}})
	if err != nil {
		panic(err)
	}
	nx, ny, nz, nt := p.Truth.Dims()
	mask := make([]bool, nx*ny*nz)
	for v, m := range p.Mask.Voxels() {
		mask[v] = m > 0
	}
	g := signals.NewGrid(nx, ny, nz, mask)
	truth, _ := signals.Gather(ctx, g, p.Truth.Voxels(), nt, 1)
	noisy, _ := signals.Gather(ctx, g, p.Noisy.Voxels(), nt, 1)
	for r, v := range g.Voxel {
		for i := range truth.Row(r) {
			truth.Row(r)[i] /= p.Sigma.Voxels()[v]
			noisy.Row(r)[i] /= p.Sigma.Voxels()[v]
		}
	}
	schedule, _ := diffusion.Cosine(1000)
	scale, err := prior.NewScaling(schedule, noisy)
	if err != nil {
		panic(err)
	}
	x := append([]float32(nil), noisy.Values...)
	scale.Start(x)
	start := time.Now()
	s, whole, err := prior.NewGaussian(g, nt, scale, prior.GaussianOptions{Threads: 1}).Stages(ctx, x, scale.T)
	if err != nil {
		panic(err)
	}
	fmt.Println("rows", g.Len(), "K", s.K, "took", time.Since(start))
	soft, _, err := prior.NewGaussian(g, nt, scale, prior.GaussianOptions{Threads: 1, Soft: true}).Stages(ctx, x, scale.T)
	if err != nil {
		panic(err)
	}
	// truth coefficients: project truth minus mean; use difference from noisy to avoid the mean
	k := s.K
	tc := make([]float32, g.Len()*k)
	all, tail := 0.0, 0.0
	diff := make([]float32, nt)
	for r := range g.Len() {
		e := 0.0
		for i := range diff {
			diff[i] = truth.Row(r)[i] - noisy.Row(r)[i]
			d := float64(whole[r*nt+i] - truth.Row(r)[i])
			all += d * d
			e += d * d
		}
		for j := range k {
			tc[r*k+j] = s.Noisy[r*k+j] + fastblas.Dot(s.Vectors[j*nt:(j+1)*nt], diff)
			d := float64(s.Passes[3][r*k+j] - tc[r*k+j])
			e -= d * d
		}
		tail += e
	}
	n := float64(g.Len() * nt)
	fmt.Printf("RMSE %.4f  tail part %.4f\n", math.Sqrt(all/n), math.Sqrt(math.Max(tail, 0)/n))
	names := []string{"noisy", "local", "p1", "p2", "final", "soft1", "soft2", "softF"}
	fields := [][]float32{s.Noisy, s.Passes[0], s.Passes[1], s.Passes[2], s.Passes[3], soft.Passes[1], soft.Passes[2], soft.Passes[3]}
	for i, f := range fields {
		e := 0.0
		for j := range f {
			d := float64(f[j] - tc[j])
			e += d * d
		}
		fmt.Printf("%s %.4f\n", names[i], math.Sqrt((e+tail)/n))
	}
	smooth := func(f []float32, w float64) []float32 {
		out := make([]float32, len(f))
		for r := range g.Len() {
			x0, y0, z0 := g.At(r)
			total := float32(0)
			for dz := -2; dz <= 2; dz++ {
				for dy := -2; dy <= 2; dy++ {
					for dx := -2; dx <= 2; dx++ {
						if q := g.RowAt(x0+dx, y0+dy, z0+dz); q >= 0 {
							a := float32(math.Exp(-float64(dx*dx+dy*dy+dz*dz) / (2 * w * w)))
							total += a
							fastblas.Axpy(a, f[q*k:(q+1)*k], out[r*k:(r+1)*k])
						}
					}
				}
			}
			for j := range k {
				out[r*k+j] /= total
			}
		}
		return out
	}
	// per component linear regression on differences
	sets := map[string][][]float32{}
	sets["a stages"] = [][]float32{s.Passes[0], s.Passes[1], s.Passes[2], s.Passes[3], soft.Passes[3]}
	sets["b + noisy"] = append([][]float32{s.Noisy}, sets["a stages"]...)
	resid := make([]float32, len(tc))
	for i := range resid {
		resid[i] = s.Noisy[i] - s.Passes[3][i]
	}
	sets["c + smoothed residual"] = append([][]float32{smooth(resid, 0.5), smooth(resid, 0.8), smooth(resid, 1.2)}, sets["b + noisy"]...)
	sets["d + smoothed final"] = append([][]float32{smooth(s.Passes[3], 0.5), smooth(s.Passes[3], 0.8), smooth(s.Passes[3], 1.2)}, sets["c + smoothed residual"]...)
	bilateral := func(f, guide []float32, reach int, h2 float64, w float64) []float32 {
		out := make([]float32, len(f))
		for r := range g.Len() {
			x0, y0, z0 := g.At(r)
			total := float32(0)
			for dz := -reach; dz <= reach; dz++ {
				for dy := -reach; dy <= reach; dy++ {
					for dx := -reach; dx <= reach; dx++ {
						if q := g.RowAt(x0+dx, y0+dy, z0+dz); q >= 0 {
							dist := 0.0
							for j := range k {
								d := float64(guide[q*k+j] - guide[r*k+j])
								dist += d * d
							}
							a := float32(math.Exp(-float64(dx*dx+dy*dy+dz*dz)/(2*w*w) - dist/(2*h2)))
							total += a
							fastblas.Axpy(a, f[q*k:(q+1)*k], out[r*k:(r+1)*k])
						}
					}
				}
			}
			for j := range k {
				out[r*k+j] /= total
			}
		}
		return out
	}
	F := s.Passes[3]
	K := float64(k)
	sets["e + bilateral noisy"] = append([][]float32{bilateral(s.Noisy, F, 3, 0.3*K, 2), bilateral(s.Noisy, F, 3, K, 2), bilateral(s.Noisy, F, 3, 4*K, 2), bilateral(s.Noisy, F, 3, 16*K, 2)}, sets["d + smoothed final"]...)
	sets["f + bilateral final"] = append([][]float32{bilateral(F, F, 3, 0.3*K, 2), bilateral(F, F, 3, K, 2), bilateral(F, F, 3, 4*K, 2)}, sets["e + bilateral noisy"]...)
	for _, f := range sets["f + bilateral final"][:7] {
		e := 0.0
		for j := range f {
			d := float64(f[j] - tc[j])
			e += d * d
		}
		fmt.Printf("  bilateral %.4f\n", math.Sqrt((e+tail)/n))
	}
	// where the error is: by local gradient of the truth
	{
		type bin struct{ e, n, v float64 }
		var bins [6]bin
		for r := range g.Len() {
			x0, y0, z0 := g.At(r)
			grad, c := 0.0, 0.0
			for _, o := range [][3]int{{1, 0, 0}, {-1, 0, 0}, {0, 1, 0}, {0, -1, 0}, {0, 0, 1}, {0, 0, -1}} {
				if q := g.RowAt(x0+o[0], y0+o[1], z0+o[2]); q >= 0 {
					c++
					for j := range k {
						d := float64(tc[q*k+j] - tc[r*k+j])
						grad += d * d
					}
				}
			}
			grad = math.Sqrt(grad / c / K)
			b := int(math.Max(0, math.Min(5, math.Log2(grad)+1)))
			bins[b].n++
			for j := range k {
				d := float64(F[r*k+j] - tc[r*k+j])
				bins[b].e += d * d / K
			}
		}
		for i, b := range bins {
			fmt.Printf("gradient 2^%d: share of voxels %.3f, mse per coefficient %.3f, share of error %.3f\n", i-1, b.n/float64(g.Len()), b.e/b.n, b.e*K/(all-tail))
		}
	}
	// direction domain
	decode := func(z []float32) []float32 { // difference from final, in directions
		out := make([]float32, g.Len()*nt)
		for r := range g.Len() {
			for j := range k {
				fastblas.Axpy(z[r*k+j]-F[r*k+j], s.Vectors[j*nt:(j+1)*nt], out[r*nt:(r+1)*nt])
			}
		}
		return out
	}
	bilD := func(y []float32, reach int, h2, w float64) []float32 {
		out := make([]float32, len(y))
		for r := range g.Len() {
			x0, y0, z0 := g.At(r)
			total := float32(0)
			for dz := -reach; dz <= reach; dz++ {
				for dy := -reach; dy <= reach; dy++ {
					for dx := -reach; dx <= reach; dx++ {
						if q := g.RowAt(x0+dx, y0+dy, z0+dz); q >= 0 {
							dist := 0.0
							for j := range k {
								d := float64(F[q*k+j] - F[r*k+j])
								dist += d * d
							}
							e := float64(dx*dx+dy*dy+dz*dz)/(2*w*w) + dist/(2*h2)
							if e > 8 {
								continue
							}
							a := float32(math.Exp(-e))
							total += a
							fastblas.Axpy(a, y[q*nt:(q+1)*nt], out[r*nt:(r+1)*nt])
						}
					}
				}
			}
			for j := range nt {
				out[r*nt+j] = out[r*nt+j]/total - whole[r*nt+j]
			}
		}
		return out
	}
	shells := p.Table.Shells(50)
	qsmooth := func(f []float32, width float64) []float32 {
		W := make([]float32, nt*nt)
		for _, sh := range shells.All {
			for _, i := range sh.Volumes {
				t := 0.0
				for _, j := range sh.Volumes {
					a, b := p.Table.BVecs[i], p.Table.BVecs[j]
					c := a[0]*b[0] + a[1]*b[1] + a[2]*b[2]
					v := 1.0
					if !sh.IsB0 {
						v = math.Exp((c*c - 1) / (2 * width * width))
					}
					W[i*nt+j] = float32(v)
					t += v
				}
				for _, j := range sh.Volumes {
					W[i*nt+j] /= float32(t)
				}
			}
		}
		out := make([]float32, len(f))
		fastblas.Gemm(false, true, g.Len(), nt, nt, 1, f, nt, W, nt, 0, out, nt)
		return out
	}
	target := make([]float32, g.Len()*nt)
	for i := range target {
		target[i] = truth.Values[i] - whole[i]
	}
	rd := make([]float32, len(target))
	for i := range rd {
		rd[i] = noisy.Values[i] - whole[i]
	}
	A := [][]float32{decode(s.Passes[0]), decode(s.Passes[1]), decode(s.Passes[2]), decode(soft.Passes[3]), rd}
	Bi := [][]float32{bilD(noisy.Values, 3, 0.1*K, 2), bilD(noisy.Values, 3, 0.3*K, 2), bilD(noisy.Values, 3, K, 2), bilD(noisy.Values, 3, 4*K, 2), bilD(whole, 3, 0.3*K, 2), bilD(whole, 3, K, 2)}
	B2 := [][]float32{bilD(noisy.Values, 4, 0.1*K, 3), bilD(noisy.Values, 4, 0.3*K, 3), bilD(noisy.Values, 2, 0.3*K, 1), bilD(noisy.Values, 2, 2*K, 0.8)}
	cat := func(a ...[][]float32) (o [][]float32) {
		for _, x := range a {
			o = append(o, x...)
		}
		return
	}
	Q := func(a [][]float32, ws ...float64) (o [][]float32) {
		for _, x := range a {
			for _, w := range ws {
				o = append(o, qsmooth(x, w))
			}
		}
		return
	}
	for _, c := range []struct {
		name string
		f    [][]float32
	}{{"A stages+y", A}, {"A q", cat(A, Q(A, 0.2, 0.5, 3))}, {"Bi", Bi}, {"A+Bi", cat(A, Bi)}, {"Bi q", cat(Bi, Q(Bi, 0.2, 0.5, 3))}, {"A+Bi q", cat(A, Bi, Q(cat(A, Bi), 0.2, 0.5, 3))}, {"A+Bi+B2 q", cat(A, Bi, B2, Q(cat(A, Bi, B2), 0.2, 0.5, 3))}} {
		m := len(c.f)
		left := 0.0
		for _, sh := range shells.All {
			n := g.Len() * len(sh.Volumes)
			X, T := make([]float32, n*m), make([]float32, n)
			tt := 0.0
			at := 0
			for r := range g.Len() {
				for _, i := range sh.Volumes {
					for q := range m {
						X[at*m+q] = c.f[q][r*nt+i]
					}
					T[at] = target[r*nt+i]
					tt += float64(T[at]) * float64(T[at])
					at++
				}
			}
			G, h := make([]float32, m*m), make([]float32, m)
			fastblas.Gemm(true, false, m, m, n, 1, X, m, X, m, 0, G, m)
			fastblas.Gemm(true, false, m, 1, n, 1, X, m, T, 1, 0, h, 1)
			a, b := mat.NewSymDense(m, nil), mat.NewVecDense(m, nil)
			for q := range m {
				b.SetVec(q, float64(h[q]))
				for r := q; r < m; r++ {
					a.SetSym(q, r, float64(G[q*m+r]))
				}
			}
			for q := range m {
				a.SetSym(q, q, a.At(q, q)*(1+1e-4))
			}
			var w mat.VecDense
			if err := w.SolveVec(a, b); err != nil {
				fmt.Println(err)
			}
			left += tt - mat.Dot(&w, b)
		}
		fmt.Printf("%s (%d): %.4f\n", c.name, m, math.Sqrt(left/float64(g.Len()*nt)))
	}
	for _, name := range []string{"a stages", "e + bilateral noisy", "f + bilateral final", "b + noisy", "c + smoothed residual", "d + smoothed final"} {
		fs := sets[name]
		m := len(fs)
		left := 0.0
		for j := range k {
			a, b := mat.NewSymDense(m, nil), mat.NewVecDense(m, nil)
			tt := 0.0
			for r := range g.Len() {
				for p := range m {
					fp := float64(fs[p][r*k+j])
					b.SetVec(p, b.AtVec(p)+fp*float64(tc[r*k+j]))
					for q := p; q < m; q++ {
						a.SetSym(p, q, a.At(p, q)+fp*float64(fs[q][r*k+j]))
					}
				}
				tt += float64(tc[r*k+j]) * float64(tc[r*k+j])
			}
			for p := range m {
				a.SetSym(p, p, a.At(p, p)*(1+1e-6))
			}
			var c mat.VecDense
			if err := c.SolveVec(a, b); err != nil {
				fmt.Println(err)
			}
			left += tt - mat.Dot(&c, b)
		}
		fmt.Printf("%s: linear per component %.4f\n", name, math.Sqrt((left+tail)/n))
	}
}
