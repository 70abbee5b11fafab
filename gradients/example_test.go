package gradients_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for name, text := range map[string]string{
		"dwi.bval": "0 1000 1000 2000 0 2000\n",
		"dwi.bvec": "0 1 0 0.6 0 0\n0 0 1 0.8 0 0.8\n0 0 0 0 0 0.6\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			log.Fatal(err)
		}
	}

	files, err := gradients.Find(filepath.Join(dir, "dwi.nii.gz"))
	if err != nil {
		log.Fatal(err)
	}
	table, err := gradients.Read(files, gradients.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := table.Check(6); err != nil {
		log.Fatal(err)
	}
	for _, s := range table.Shells(gradients.DefaultB0Threshold).All {
		fmt.Printf("b = %g: volumes %v\n", s.B, s.Volumes)
	}
	// Output:
	// b = 0: volumes [0 4]
	// b = 1000: volumes [1 2]
	// b = 2000: volumes [3 5]
}
