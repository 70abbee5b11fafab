package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

const (
	lesionSNR    = 20
	lesionChange = 0.3
	lesions      = 12
	lesionApart  = 8 // voxels between two of them
)

// shape is the form of a lesion.
type shape struct {
	name     string
	cells    [][3]int
	weighted bool // b = 0 stays as it is
}

func shapes() []shape {
	var cube [][3]int
	for i := range 27 {
		cube = append(cube, [3]int{i%3 - 1, i/3%3 - 1, i/9 - 1})
	}
	row := [][3]int{{-1, 0, 0}, {0, 0, 0}, {1, 0, 0}}
	return []shape{
		{"3 voxels in a row, all volumes", row, false},
		{"3 voxels in a row, weighted volumes", row, true},
		{"3×3×3 voxels, all volumes", cube, false},
		{"3×3×3 voxels, weighted volumes", cube, true},
	}
}

// lesionScan is a head with lesions and all that is known about it.
type lesionScan struct {
	p     *phantom.Phantom
	delta *nifti.Image // what the lesions add
	noisy *nifti.Image
}

// makeLesions puts lesions of +30 % into homogeneous tissue and adds Gaussian noise, so that programs that leave the
// bias of magnitudes in are not judged by it.
func makeLesions(ctx context.Context, s shape, seed uint64) (*lesionScan, error) {
	p, err := phantom.Make(ctx, phantom.Options{Protocol: "clinical", SNR: lesionSNR, Seed: seed, Shape: [3]int{56, 56, 24}})
	if err != nil {
		return nil, err
	}
	nt := p.Table.Len()
	l := &lesionScan{p: p, delta: p.Truth.Like(nt), noisy: p.Truth.Like(nt)}
	centres := homogeneous(p)
	if len(centres) == 0 {
		return nil, fmt.Errorf("no homogeneous tissue for a lesion")
	}
	nx, ny, _, _ := p.Truth.Dims()
	for _, c := range centres {
		for _, o := range s.cells {
			v := c[0] + o[0] + nx*(c[1]+o[1]+ny*(c[2]+o[2]))
			for n := range nt {
				if !s.weighted || p.Table.BVals[n] > 50 {
					l.delta.Volume(n)[v] = lesionChange * p.Truth.Volume(n)[v]
				}
			}
		}
	}
	rng := rand.New(rand.NewPCG(seed, 77))
	for i, x := range p.Truth.Voxels() {
		l.noisy.Voxels()[i] = x + l.delta.Voxels()[i] + float32(1000/lesionSNR*rng.NormFloat64())
	}
	return l, nil
}

// homogeneous lists places in tissue of one kind, apart from each other.
func homogeneous(p *phantom.Phantom) [][3]int {
	nx, ny, nz, _ := p.Truth.Dims()
	b0 := p.Truth.Volume(0)
	var found [][3]int
	for z := 2; z < nz-2; z++ {
		for y := 2; y < ny-2; y++ {
			for x := 2; x < nx-2; x++ {
				if len(found) < lesions && even(b0, p.Mask.Voxels(), nx, ny, x, y, z) && apart(found, x, y, z) {
					found = append(found, [3]int{x, y, z})
				}
			}
		}
	}
	return found
}

// even tells whether the 3×3×3 voxels about a place are of one brightness.
func even(b0, mask []float32, nx, ny, x, y, z int) bool {
	low, high := float32(math.Inf(1)), float32(0)
	for i := range 27 {
		v := x + i%3 - 1 + nx*(y+i/3%3-1+ny*(z+i/9-1))
		if mask[v] == 0 {
			return false
		}
		low, high = min(low, b0[v]), max(high, b0[v])
	}
	return low > 300 && high < 1.1*low
}

func apart(found [][3]int, x, y, z int) bool {
	for _, f := range found {
		if max(abs(f[0]-x), abs(f[1]-y), abs(f[2]-z)) < lesionApart {
			return false
		}
	}
	return true
}

func abs(i int) int { return max(i, -i) }

// contrast is the share of the lesions' signal that an estimate has: the regression of what it adds to the lesion-free
// truth on what the lesions add.
func (l *lesionScan) contrast(estimate *nifti.Image) float64 {
	along, power := 0.0, 0.0
	truth, x := l.p.Truth.Voxels(), estimate.Voxels()
	for i, d := range l.delta.Voxels() {
		if d != 0 {
			along += float64(x[i]-truth[i]) * float64(d)
			power += float64(d) * float64(d)
		}
	}
	return along / power
}

// rmse is the error over the head, in σ.
func (l *lesionScan) rmse(estimate *nifti.Image) float64 {
	square, n := 0.0, 0.0
	truth, x, mask := l.p.Truth.Voxels(), estimate.Voxels(), l.p.Mask.Voxels()
	for i, d := range l.delta.Voxels() {
		if mask[i%len(mask)] > 0 {
			e := float64(x[i]-truth[i]-d) / (1000 / lesionSNR)
			square += e * e
			n++
		}
	}
	return math.Sqrt(square / n)
}

// lesionTable denoises heads with lesions by both programs.
func (e *evaluation) lesionTable(ctx context.Context) (string, error) {
	var b strings.Builder
	b.WriteString("| lesion | noisy | dwidenoise | dmri-denoise | error over the head, σ: dwidenoise | dmri-denoise |\n|---|---|---|---|---|---|\n")
	for k, s := range shapes() {
		l, err := makeLesions(ctx, s, uint64(k+1))
		if err != nil {
			return "", err
		}
		in := filepath.Join(e.dir, fmt.Sprintf("lesion%d.nii", k))
		if err := l.noisy.Write(ctx, in, nifti.WriteOptions{Force: true}); err != nil {
			return "", err
		}
		affine, _ := l.noisy.Header.Affine()
		stem := strings.TrimSuffix(in, ".nii")
		if err := l.p.Table.Export(stem+".bval", stem+".bvec", affine, true); err != nil {
			return "", err
		}
		ours, err := e.denoised(ctx, e.bin, "run", in, stem+"_ours.nii", "--no-qc", "-q", "--force", "--nthreads", fmt.Sprint(e.threads))
		if err != nil {
			return "", err
		}
		peer, figures := "–", "–"
		if _, err := exec.LookPath("dwidenoise"); err == nil {
			im, err := e.denoised(ctx, "dwidenoise", in, stem+"_peer.nii", "-quiet", "-force", "-nthreads", fmt.Sprint(e.threads))
			if err != nil {
				return "", err
			}
			peer, figures = fmt.Sprintf("%.1f %%", 100*l.contrast(im)), fmt.Sprintf("%.3f", l.rmse(im))
		}
		fmt.Fprintf(&b, "| %s | %.1f %% | %s | %.1f %% | %s | %.3f |\n", s.name, 100*l.contrast(l.noisy), peer, 100*l.contrast(ours), figures, l.rmse(ours))
	}
	return b.String(), nil
}

// denoised runs a program and reads the image that its words name: the one that ends in _ours.nii or _peer.nii.
func (e *evaluation) denoised(ctx context.Context, program string, words ...string) (*nifti.Image, error) {
	if out, err := exec.CommandContext(ctx, program, words...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", program, strings.Join(words, " "), err, out)
	}
	for _, w := range words {
		if strings.HasSuffix(w, "_ours.nii") || strings.HasSuffix(w, "_peer.nii") {
			return nifti.ReadImage(ctx, w, nifti.ReadOptions{})
		}
	}
	panic("trusteval: no output named")
}
