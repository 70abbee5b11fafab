package signals

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
)

func randomMask(n int, share float64, seed uint64) []bool {
	rng := rand.New(rand.NewPCG(seed, 1))
	keep := make([]bool, n)
	for i := range keep {
		keep[i] = rng.Float64() < share
	}
	return keep
}

func TestGridNumbersMaskedVoxels(t *testing.T) {
	keep := randomMask(4*3*2, 0.6, 3)
	g := NewGrid(4, 3, 2, keep)
	row := 0
	for v, k := range keep {
		x, y, z := v%4, v/4%3, v/12
		got := g.RowAt(x, y, z)
		if !k {
			if got != -1 {
				t.Errorf("RowAt(%d,%d,%d) = %d outside the mask, want -1", x, y, z, got)
			}
			continue
		}
		if got != row {
			t.Errorf("RowAt(%d,%d,%d) = %d, want %d", x, y, z, got, row)
		}
		if gx, gy, gz := g.At(row); gx != x || gy != y || gz != z {
			t.Errorf("At(%d) = %d,%d,%d, want %d,%d,%d", row, gx, gy, gz, x, y, z)
		}
		row++
	}
	if g.Len() != row {
		t.Errorf("Len() = %d, want %d", g.Len(), row)
	}
	for _, out := range [][3]int{{-1, 0, 0}, {4, 0, 0}, {0, 3, 0}, {0, 0, 2}, {0, -1, 0}} {
		if r := g.RowAt(out[0], out[1], out[2]); r != -1 {
			t.Errorf("RowAt(%v) = %d outside the image, want -1", out, r)
		}
	}
}

func TestGatherTransposesAndScatterUndoes(t *testing.T) {
	const nx, ny, nz, d = 7, 5, 6, 9
	image := make([]float32, nx*ny*nz*d)
	for i := range image {
		image[i] = float32(i)
	}
	keep := randomMask(nx*ny*nz, 0.5, 7)
	g := NewGrid(nx, ny, nz, keep)
	s, err := Gather(t.Context(), g, image, d, 2)
	if err != nil {
		t.Fatal(err)
	}
	for r, v := range g.Voxel {
		for n, got := range s.Row(r) {
			if want := float32(n*nx*ny*nz + int(v)); got != want {
				t.Fatalf("row %d volume %d = %v, want %v", r, n, got, want)
			}
		}
	}
	back := make([]float32, len(image))
	if err := s.Scatter(t.Context(), back, 2); err != nil {
		t.Fatal(err)
	}
	for i, got := range back {
		want := float32(0)
		if keep[i%(nx*ny*nz)] {
			want = image[i]
		}
		if got != want {
			t.Fatalf("value %d after Scatter = %v, want %v", i, got, want)
		}
	}
}

func TestEachRangeCoversOnce(t *testing.T) {
	for _, c := range []struct{ n, chunk, threads int }{{0, 4, 2}, {1, 4, 3}, {10, 3, 1}, {1000, 7, 4}, {12, 4, 8}} {
		hits := make([]int32, c.n)
		err := EachRange(t.Context(), c.n, c.chunk, c.threads, func(worker, from, to int) error {
			if worker < 0 || worker >= c.threads || to-from > c.chunk {
				t.Errorf("worker %d got [%d,%d)", worker, from, to)
			}
			for i := from; i < to; i++ {
				atomic.AddInt32(&hits[i], 1)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(hits, func(h int32) bool { return h != 1 }) {
			t.Errorf("EachRange(%+v) hits %v, want each once", c, hits)
		}
	}
}

func TestEachTaskStopsOnErrorAndCancel(t *testing.T) {
	failure := errors.New("failure")
	var calls atomic.Int32
	err := EachTask(t.Context(), 1e6, 2, func(_, task int) error {
		calls.Add(1)
		if task == 5 {
			return failure
		}
		return nil
	})
	if !errors.Is(err, failure) || calls.Load() > 1e5 {
		t.Errorf("EachTask after a failure: err %v, %d calls", err, calls.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	calls.Store(0)
	err = EachTask(ctx, 1e6, 2, func(_, task int) error {
		if calls.Add(1) == 10 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || calls.Load() > 1e5 {
		t.Errorf("EachTask after cancel: err %v, %d calls", err, calls.Load())
	}
}

// Every masked voxel within half an extent of a centre is in that centre's
// block, with the right offset, and nothing else is.
func TestTilingBlocksByDefinition(t *testing.T) {
	for _, tiling := range []Tiling{
		{Extent: [3]int{5, 5, 5}, Stride: 2}, {Extent: [3]int{3, 5, 1}, Stride: 2}, {Extent: [3]int{3, 3, 3}, Stride: 3},
		{Extent: [3]int{11, 11, 11}, Stride: 4, Shift: 2}, {Extent: [3]int{11, 11, 11}, Stride: 3, Shift: 1}, {Extent: [3]int{5, 3, 1}, Stride: 2, Shift: 9},
	} {
		const nx, ny, nz = 9, 8, 5
		g := NewGrid(nx, ny, nz, randomMask(nx*ny*nz, 0.7, 11))
		seen := map[int]bool{}
		covered := make([]int, g.Len())
		err := tiling.Each(t.Context(), g, 1, nil, func(_ int, b *Block) error {
			if seen[b.Index] || b.Index >= tiling.Len(g) {
				t.Errorf("block index %d repeated or too large", b.Index)
			}
			seen[b.Index] = true
			across, down := tiling.count(0, nx), tiling.count(1, ny)
			cx := b.Index%across*tiling.stride(0) + tiling.first(0, nx)
			cy := b.Index/across%down*tiling.stride(1) + tiling.first(1, ny)
			cz := b.Index/(across*down)*tiling.stride(2) + tiling.first(2, nz)
			inBlock := map[int32]bool{}
			for j, r := range b.Rows {
				inBlock[r] = true
				covered[r]++
				x, y, z := g.At(int(r))
				o := b.Offset[3*j : 3*j+3]
				if int(o[0]) != x-cx || int(o[1]) != y-cy || int(o[2]) != z-cz {
					t.Fatalf("offset %v of voxel (%d,%d,%d) in block at (%d,%d,%d)", o, x, y, z, cx, cy, cz)
				}
			}
			for r := range g.Len() {
				x, y, z := g.At(r)
				want := abs(x-cx) <= tiling.Extent[0]/2 && abs(y-cy) <= tiling.Extent[1]/2 && abs(z-cz) <= tiling.Extent[2]/2
				if inBlock[int32(r)] != want {
					t.Fatalf("voxel (%d,%d,%d) in block at (%d,%d,%d): %v, want %v", x, y, z, cx, cy, cz, !want, want)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(covered, 0) {
			t.Errorf("%+v leaves voxels uncovered", tiling)
		}
	}
}

// Float sums over overlapping blocks, accumulated without locks, are the same
// to the last bit for any number of threads (and race-free under -race).
func TestTilingSumsDoNotDependOnThreads(t *testing.T) {
	const nx, ny, nz = 23, 21, 17
	g := NewGrid(nx, ny, nz, randomMask(nx*ny*nz, 0.9, 5))
	tiling := Tiling{Extent: [3]int{5, 5, 5}, Stride: 2}
	sum := func(threads int) []float32 {
		out := make([]float32, g.Len())
		err := tiling.Each(t.Context(), g, threads, nil, func(_ int, b *Block) error {
			rng := rand.New(rand.NewPCG(uint64(b.Index), 9))
			for _, r := range b.Rows {
				out[r] += rng.Float32()
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	want := sum(1)
	for _, threads := range []int{2, 3, 8} {
		if !slices.Equal(sum(threads), want) {
			t.Errorf("sums with %d threads differ from one thread", threads)
		}
	}
}

func TestTilingReportsProgressToTheEnd(t *testing.T) {
	g := NewGrid(11, 6, 4, nil)
	tiling := Tiling{Extent: [3]int{5, 5, 5}, Stride: 2}
	last := 0
	err := tiling.Each(t.Context(), g, 2, func(done, total int) {
		if done < last || total != tiling.Len(g) {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	}, func(int, *Block) error { return nil })
	if err != nil || last != tiling.Len(g) {
		t.Errorf("last progress %d of %d, err %v", last, tiling.Len(g), err)
	}
}

func abs(v int) int { return max(v, -v) }

// A bright ball with a dark hole, dim noise around, and a bright speck apart:
// the ball with its hole is the foreground, the speck and the air are not.
func TestForegroundFindsTheLargestObject(t *testing.T) {
	const n = 24
	rng := rand.New(rand.NewPCG(1, 2))
	mean := make([]float32, n*n*n)
	want := make([]bool, len(mean))
	for v := range mean {
		x, y, z := v%n-12, v/n%n-12, v/(n*n)-12
		mean[v] = 5 * rng.Float32()
		switch r2 := x*x + y*y + z*z; {
		case r2 <= 9:
			want[v] = true
		case r2 <= 64:
			mean[v], want[v] = 100+10*rng.Float32(), true
		}
	}
	for _, v := range []int{0, 1, n, n + 1, n * n, n*n + 1, n*n + n, n*n + n + 1} {
		mean[v] = 300
	}
	got := Foreground(mean, n, n, n, nil)
	wrong := 0
	for v := range got {
		if got[v] != want[v] {
			wrong++
		}
	}
	// Smoothing moves the threshold by up to a voxel at the surface.
	if wrong > 700 || !got[12+n*(12+n*12)] || got[0] || got[n*n*n-1] {
		t.Errorf("foreground differs from the ball in %d voxels (hole %v, speck %v)", wrong, got[12+n*(12+n*12)], got[0])
	}
	usable := slices.Repeat([]bool{true}, len(mean))
	usable[12+n*(12+n*6)] = false
	if Foreground(mean, n, n, n, usable)[12+n*(12+n*6)] {
		t.Error("an unusable voxel belongs to the foreground")
	}
}

// Two classes are told apart between them, and a hundredth of very bright voxels
// does not move the threshold.
func TestOtsuSeparatesClasses(t *testing.T) {
	var sample []float32
	for i := range 1000 {
		sample = append(sample, 0.003*float32(i%2), 1)
	}
	if got := otsu(sample); got <= 0.003 || got >= 1 {
		t.Errorf("threshold %v of classes 0 to 0.003 and 1", got)
	}
	for i := range 15 {
		sample[2*i] = 1e5
	}
	if got := otsu(sample); got <= 0.003 || got >= 1 {
		t.Errorf("threshold %v of classes 0 to 0.003 and 1 with 15 values of 1e5", got)
	}
}

// Single noisy voxels do not fray the head: smoothing comes before the threshold.
func TestForegroundWithstandsNoise(t *testing.T) {
	const n = 24
	rng := rand.New(rand.NewPCG(3, 2))
	mean, want := make([]float32, n*n*n), make([]bool, n*n*n)
	inside := 0
	for v := range mean {
		x, y, z := v%n-12, v/n%n-12, v/(n*n)-12
		mean[v] = float32(5 + 2.5*rng.NormFloat64())
		if want[v] = x*x+y*y+z*z <= 81; want[v] {
			mean[v] += 5
			inside++
		}
	}
	wrong := 0
	for v, got := range Foreground(mean, n, n, n, nil) {
		if got != want[v] {
			wrong++
		}
	}
	if wrong > inside/10 {
		t.Errorf("%d voxels wrong of a ball of %d", wrong, inside)
	}
}

func TestForegroundOfFlatImageIsEverything(t *testing.T) {
	usable := randomMask(8*8*8, 0.9, 4)
	if got := Foreground(make([]float32, 8*8*8), 8, 8, 8, usable); !slices.Equal(got, usable) {
		t.Error("a flat image has a foreground other than its usable voxels")
	}
}
