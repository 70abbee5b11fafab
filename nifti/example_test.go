package nifti_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// tempImage writes a small image for the examples and returns its path.
func tempImage() (path string, remove func()) {
	dir, err := os.MkdirTemp("", "nifti")
	if err != nil {
		log.Fatal(err)
	}
	im := nifti.New(4, 3, 2, 5, [3]float64{2, 2, 2.5})
	for i := range im.Voxels() {
		im.Voxels()[i] = float32(i)
	}
	path = filepath.Join(dir, "dwi.nii.gz")
	if err := im.Write(context.Background(), path, nifti.WriteOptions{}); err != nil {
		log.Fatal(err)
	}
	return path, func() { os.RemoveAll(dir) }
}

func ExampleReadImage() {
	path, remove := tempImage()
	defer remove()

	im, err := nifti.ReadImage(context.Background(), path, nifti.ReadOptions{MaxBytes: 1 << 30})
	if err != nil {
		log.Fatal(err)
	}
	nx, ny, nz, nt := im.Dims()
	_, orientation := im.Header.Affine()
	fmt.Println(nx, ny, nz, nt, im.Header.VoxelSize(), orientation)
	fmt.Println(im.Data.Shape(), im.Volume(1)[0])
	// Output:
	// 4 3 2 5 [2 2 2.5] sform
	// (5, 2, 3, 4) 24
}

func ExampleImage_Write() {
	path, remove := tempImage()
	defer remove()
	ctx := context.Background()

	im, err := nifti.ReadImage(ctx, path, nifti.ReadOptions{})
	if err != nil {
		log.Fatal(err)
	}
	mean := im.Like(1) // one volume on the same grid, the header carried over
	nt := im.Data.Shape()[0]
	for n := range nt {
		for i, v := range im.Volume(n) {
			mean.Voxels()[i] += v / float32(nt)
		}
	}
	err = mean.Write(ctx, path, nifti.WriteOptions{NeverOverwrite: []string{path}})
	fmt.Println(errors.Is(err, nifti.ErrSameFile))
	err = mean.Write(ctx, filepath.Join(filepath.Dir(path), "mean.nii.gz"), nifti.WriteOptions{})
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

func ExampleOpen() {
	path, remove := tempImage()
	defer remove()

	r, err := nifti.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	nx, ny, nz, _ := r.Header().Shape()
	volume := make([]float32, nx*ny*nz)
	for {
		err := r.ReadVolume(volume)
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(volume[0], " ")
	}
	// Output: 0 24 48 72 96
}
