package qc_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/nifti"
	"github.com/dmri-denoise/dmri-denoise/qc"
)

// A strip of one slice, as `dmri-denoise qc strip` makes it.
func ExampleForwardStrip() {
	const n = 64
	slice := qc.Slice{Pixels: make([]float32, n*n), NX: n, NY: n}
	for i := range slice.Pixels {
		slice.Pixels[i] = float32(i % n)
	}
	cosine, err := diffusion.Cosine(100)
	if err != nil {
		fmt.Println(err)
		return
	}
	strip, timesteps, err := qc.ForwardStrip(slice, qc.StripOptions{Schedule: cosine, Panels: 10, Seed: 1, Scale: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	dir, err := os.MkdirTemp("", "strip")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := qc.WritePNG(context.Background(), filepath.Join(dir, "strip.png"), strip, qc.DefaultDPI, false); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(timesteps)
	// Output: [0 11 22 33 44 55 66 77 88 99]
}

// Before, after and residual of one volume, and where the picture's slices are
// taken from.
func ExampleMontage() {
	before := nifti.New(20, 24, 10, 1, [3]float64{2, 2, 3})
	after := before.Like(1)
	mask := make([]bool, len(before.Voxels()))
	for i := range mask {
		mask[i] = true
		after.Voxels()[i] = 100
		before.Voxels()[i] = 100 + float32(i%7-3)
	}
	grid := qc.GridOf(&before.Header)
	montage, err := qc.Montage(before.Volume(0), after.Volume(0), nil, mask, grid, qc.MontageOptions{BValue: 1000, Columns: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(montage.Bounds().Dx() > 900, qc.SpreadSlices(mask, grid, qc.Axial, 3))
	// Output: true [1 5 8]
}

// The error of an estimate that is 2 too high everywhere.
func ExampleCompare() {
	grid := qc.Grid{NX: 4, NY: 1, NZ: 1}
	truth := []float32{10, 20, 30, 40}
	estimate := []float32{12, 22, 32, 42}
	c, err := qc.Compare(context.Background(), truth, estimate, nil, grid, qc.CompareOptions{Sigma: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("RMSE %.1f (%.2f σ), bias %.1f, PSNR %.2f dB\n", c.All.RMSE, c.All.RMSEOverSigma, c.All.Bias, c.All.PSNR)
	// Output: RMSE 2.0 (0.50 σ), bias 2.0, PSNR 26.02 dB
}

// The residual of a denoiser that removed alternating values: neighbours along
// x are opposite.
func ExampleResidualStats() {
	grid := qc.Grid{NX: 6, NY: 1, NZ: 1}
	before := []float32{11, 9, 11, 9, 11, 9}
	after := []float32{10, 10, 10, 10, 10, 10}
	r, err := qc.ResidualStats(context.Background(), before, after, nil, nil, grid, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("mean %.1f, std %.1f, lag-1 along x %.1f\n", r.Mean, r.Std, r.Lag1[0])
	// Output: mean 0.0, std 1.0, lag-1 along x -1.0
}
