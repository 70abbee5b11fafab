package main

import (
	"context"
	"fmt"
	"image"
	"math"

	"github.com/dmri-denoise/dmri-denoise/denoise/synthesis"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/qc"
)

// The strip of sample shows the first voxels, each as its signal around a plane.
const (
	stripColumns, stripRows = 4, 6
	stripAngles             = 64 // half a turn; the other half is the same
	stripMoments            = 8
	stripTimesteps          = 1000
	stripB                  = 2000.0 // s/mm²: the shell nearest to it is shown
)

// voxelStrip collects the reverse process of the first voxels.
type voxelStrip struct {
	table  *gradients.Table // one b = 0, then directions around a plane on one shell
	ts     []float64
	frames []qc.GlyphFrame
	voxels int
	b      float64
	err    error
}

// watch takes one moment.
func (s *voxelStrip) watch(ctx context.Context, threads int) func(t float64, xt, clean *synthesis.Voxels) {
	return func(t float64, xt, clean *synthesis.Voxels) {
		if s.err != nil {
			return
		}
		if s.table == nil {
			s.b, s.voxels = xt.ShellNear(stripB), min(stripColumns*stripRows, xt.Len())
			s.table = planar(s.b)
		}
		f := qc.GlyphFrame{T: t}
		for _, part := range []struct {
			to *func(i int, angle float64) float64
			v  *synthesis.Voxels
		}{{&f.State, xt}, {&f.Clean, clean}} {
			rows, err := part.v.First(s.voxels).Signals(ctx, s.table, 0, threads)
			if err != nil {
				s.err = err
				return
			}
			*part.to = s.radius(rows)
		}
		s.ts, s.frames = append(s.ts, t), append(s.frames, f)
	}
}

// radius is S/S₀ of a voxel at an angle, between the two nearest directions.
func (s *voxelStrip) radius(rows []float32) func(i int, angle float64) float64 {
	d := s.table.Len()
	return func(i int, angle float64) float64 {
		if i >= s.voxels {
			return 0
		}
		row := rows[i*d : (i+1)*d]
		at := math.Mod(angle/math.Pi+2, 1) * stripAngles
		k := int(at)
		f := at - float64(k)
		x := (1-f)*float64(row[1+k%stripAngles]) + f*float64(row[1+(k+1)%stripAngles])
		return x / float64(row[0])
	}
}

// planar is a table of one b = 0 and directions around the x-z plane.
func planar(b float64) *gradients.Table {
	t := &gradients.Table{BVals: []float64{0}, BVecs: [][3]float64{{}}}
	for k := range stripAngles {
		sin, cos := math.Sincos(math.Pi * float64(k) / stripAngles)
		t.BVals, t.BVecs = append(t.BVals, b), append(t.BVecs, [3]float64{sin, 0, cos})
	}
	return t
}

// draw makes the picture.
func (s *voxelStrip) draw() (image.Image, error) {
	if s.err != nil {
		return nil, s.err
	}
	last, noisy := len(s.frames)-1, 0
	for noisy < last && s.ts[noisy] >= 0 {
		noisy++
	}
	var shown []qc.GlyphFrame
	for _, i := range qc.Moments(s.ts[:noisy], stripTimesteps, stripMoments) {
		shown = append(shown, s.frames[i])
	}
	img, err := qc.GlyphStrip(stripColumns, stripRows, append(shown, s.frames[last]), qc.ReverseOptions{
		Scale: 1, What: fmt.Sprintf("%d generated voxels, drawn as S/S₀ at b\u00a0=\u00a0%.0f in the directions of a plane,", s.voxels, s.b)})
	if err != nil {
		return nil, explainQC(err)
	}
	return img, nil
}
