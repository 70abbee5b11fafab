package phantom

import (
	"context"
	"fmt"
	"math"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// Options describe a simulated scan. The zero value is the clinical protocol on a 64×64×24 grid of 2 mm at SNR 20 with
// Gaussian noise.
type Options struct {
	Protocol   string           // name of a protocol, see [Protocol]; "" is clinical
	Table      *gradients.Table // gradient table to use instead of a protocol
	Shape      [3]int           // voxels along x, y and z; a zero is replaced by 64, 64 and 24
	SNR        float64          // 1000/σ, the mean σ over the mask; 0 is 20
	Rician     bool             // magnitude noise instead of Gaussian
	SigmaRatio float64          // σ at the centre of the head relative to its rim; 0 and 1 are constant σ
	Seed       uint64           // names the anatomy and the noise; a protocol's table is the same for all seeds
	VoxelSize  [3]float64       // mm; a zero is replaced by 2
}

// Phantom is a simulated scan with all that is known about it. Images share one grid, with the axes of the scanner.
type Phantom struct {
	Truth *nifti.Image // noise-free signal, 0 in the air
	Noisy *nifti.Image
	Sigma *nifti.Image // standard deviation of the noise (of each channel, for Rician), over the whole field of view
	Mask  *nifti.Image // 1 where at least half of the voxel is in the head, fluid around the brain included
	// Table is the gradient table in the FSL frame of the images.
	Table *gradients.Table
	// Options are those given, defaults filled in.
	Options Options
}

// withDefaults fills in defaults and checks the rest.
func (o Options) withDefaults() (Options, error) {
	if o.Protocol == "" && o.Table == nil {
		o.Protocol = "clinical"
	}
	for i, n := range [3]int{64, 64, 24} {
		if o.Shape[i] == 0 {
			o.Shape[i] = n
		}
		if o.VoxelSize[i] == 0 {
			o.VoxelSize[i] = 2
		}
		if o.Shape[i] < 1 || o.Shape[i] > math.MaxInt16 {
			return o, fmt.Errorf("phantom: shape %v: every length must be from 1 to %d", o.Shape, math.MaxInt16)
		}
		if !positive(o.VoxelSize[i]) {
			return o, fmt.Errorf("phantom: voxel size %v mm: every edge must be positive", o.VoxelSize)
		}
	}
	if o.SNR == 0 {
		o.SNR = 20
	}
	if o.SigmaRatio == 0 {
		o.SigmaRatio = 1
	}
	if !positive(o.SNR) {
		return o, fmt.Errorf("phantom: SNR %g must be positive", o.SNR)
	}
	if !positive(o.SigmaRatio) {
		return o, fmt.Errorf("phantom: sigma ratio %g must be positive", o.SigmaRatio)
	}
	return o, nil
}

func positive(x float64) bool { return x > 0 && !math.IsInf(x, 1) }

// Make simulates a scan. It uses all processors; the result depends on the options alone. It stops with ctx.Err() if ctx
// ends first.
func Make(ctx context.Context, o Options) (*Phantom, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	table := o.Table
	if table == nil {
		if table, err = Protocol(o.Protocol, stream(0, forProtocol)); err != nil {
			return nil, err
		}
	}
	if err := table.Check(table.Len()); err != nil {
		return nil, fmt.Errorf("phantom: %w", err)
	}
	if table.Len() == 0 {
		return nil, fmt.Errorf("phantom: the gradient table has no volumes")
	}
	p := &Phantom{Options: o}
	p.Truth = nifti.New(o.Shape[0], o.Shape[1], o.Shape[2], table.Len(), o.VoxelSize)
	p.Noisy, p.Sigma, p.Mask = p.Truth.Like(table.Len()), p.Truth.Like(1), p.Truth.Like(1)
	affine, _ := p.Truth.Header.Affine()
	p.Table = table.ToFSL(affine)
	h := newHead(o.Seed)
	p.setDescriptions(h.physics)
	if err := p.simulate(ctx, h, newScheme(table, affine, h.physics)); err != nil {
		return nil, err
	}
	p.setSigma()
	return p, p.addNoise(ctx)
}

// setDescriptions says in the headers what the images are.
func (p *Phantom) setDescriptions(ph Physics) {
	p.Truth.Header.Descrip = "dmri-denoise phantom, noise-free"
	p.Noisy.Header.Descrip = "dmri-denoise phantom"
	p.Sigma.Header.Descrip = "dmri-denoise phantom, noise sigma"
	p.Mask.Header.Descrip = "dmri-denoise phantom, mask"
	for _, im := range []*nifti.Image{p.Truth, p.Noisy} {
		im.Header.PixDim[4] = ph.TR / 1000
	}
}

// grid gives voxels their place in the head: scanner axes, the in-plane field of view from -1 to 1.
type grid struct {
	shape  [3]int
	edge   [3]float64 // of a voxel, in head coordinates
	origin [3]float64
}

func newGrid(o Options) grid {
	g := grid{shape: o.Shape}
	half := [3]float64{float64(o.Shape[0]) * o.VoxelSize[0] / 2, float64(o.Shape[1]) * o.VoxelSize[1] / 2}
	half[2] = (half[0] + half[1]) / 2
	for a := range 3 {
		g.edge[a] = o.VoxelSize[a] / half[a]
		g.origin[a] = -g.edge[a] * float64(o.Shape[a]-1) / 2
	}
	return g
}

func (g *grid) at(x, y, z int) [3]float64 {
	return [3]float64{g.origin[0] + g.edge[0]*float64(x), g.origin[1] + g.edge[1]*float64(y), g.origin[2] + g.edge[2]*float64(z)}
}

// simulate fills Truth and Mask, slices in parallel.
func (p *Phantom) simulate(ctx context.Context, h *head, s scheme) error {
	g := newGrid(p.Options)
	return parallel(ctx, g.shape[2], func(z int) {
		nx, ny, nz := g.shape[0], g.shape[1], g.shape[2]
		truth, mask := p.Truth.Voxels(), p.Mask.Voxels()
		for y := range ny {
			for x := range nx {
				v := h.voxel(g.at(x, y, z), g.edge)
				inside := v.csf + v.grey + v.white
				if inside == 0 {
					continue
				}
				i := x + nx*(y+ny*z)
				if inside >= 0.5 {
					mask[i] = 1
				}
				for n := range s.b {
					truth[i+nx*ny*nz*n] = float32(v.signal(&s, n))
				}
			}
		}
	})
}

// setSigma fills Sigma, with mean 1000/SNR over the mask.
func (p *Phantom) setSigma() {
	g := newGrid(p.Options)
	sigma, mask := p.Sigma.Voxels(), p.Mask.Voxels()
	relative := make([]float64, len(sigma))
	sum, all, count := 0.0, 0.0, 0.0
	i := 0
	for z := range g.shape[2] {
		for y := range g.shape[1] {
			for x := range g.shape[0] {
				relative[i] = sigmaProfile(g.at(x, y, z), p.Options.SigmaRatio)
				all += relative[i]
				if mask[i] > 0 {
					sum += relative[i]
					count++
				}
				i++
			}
		}
	}
	if count == 0 { // a grid so coarse that no voxel is half inside
		sum, count = all, float64(len(sigma))
	}
	for i, r := range relative {
		sigma[i] = float32(whiteIntensity / p.Options.SNR * r * count / sum)
	}
}

// addNoise fills Noisy, each slice of each volume from a random stream of its own.
func (p *Phantom) addNoise(ctx context.Context) error {
	nx, ny, nz, nt := p.Truth.Dims()
	slice := nx * ny
	return parallel(ctx, nt, func(n int) {
		truth, noisy, sigma := p.Truth.Volume(n), p.Noisy.Volume(n), p.Sigma.Voxels()
		for z := range nz {
			part := func(v []float32) []float32 { return v[z*slice : (z+1)*slice] }
			addNoise(part(noisy), part(truth), part(sigma), p.Options.Rician, stream(p.Options.Seed, forNoise, n, z))
		}
	})
}

// parallel calls work for 0 to n-1 on all processors until done or until ctx ends.
func parallel(ctx context.Context, n int, work func(i int)) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			work(i)
			return nil
		})
	}
	return g.Wait()
}
