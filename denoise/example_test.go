package denoise_test

import (
	"context"
	"fmt"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

// A simulated scan with σ = 50 is denoised; the noise level is found by itself.
func ExampleRun() {
	ctx := context.Background()
	scan, err := phantom.Make(ctx, phantom.Options{Protocol: "small", SNR: 20, Shape: [3]int{32, 32, 10}, Rician: true})
	if err != nil {
		panic(err)
	}
	result, err := denoise.Run(ctx, scan.Noisy, scan.Table, denoise.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Printf("σ about %.0f, %d shells, %s schedule\n", result.Summary.Sigma.Median/10, len(result.Summary.Shells), result.Summary.Schedule)
	// Output: σ about 5, 2 shells, cosine schedule
}
