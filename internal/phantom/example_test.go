package phantom_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

func Example() {
	ctx := context.Background()
	p, err := phantom.Make(ctx, phantom.Options{Protocol: "small", Shape: [3]int{16, 16, 6}, SNR: 10, Rician: true})
	if err != nil {
		log.Fatal(err)
	}
	nx, ny, nz, nt := p.Noisy.Dims()
	fmt.Printf("%d×%d×%d voxels, %d volumes, σ = %g\n", nx, ny, nz, nt, p.Sigma.Voxels()[0])
	for _, s := range p.Table.Shells(50).All {
		fmt.Printf("b = %.0f: %d volumes\n", s.B, len(s.Volumes))
	}

	dir, err := os.MkdirTemp("", "phantom")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := p.Write(ctx, dir, true); err != nil {
		log.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range files {
		fmt.Println(f.Name())
	}
	// Output:
	// 16×16×6 voxels, 33 volumes, σ = 100
	// b = 0: 3 volumes
	// b = 1000: 30 volumes
	// dwi.bval
	// dwi.bvec
	// dwi.nii.gz
	// mask.nii.gz
	// phantom.json
	// sigma.nii.gz
	// truth.nii.gz
}
