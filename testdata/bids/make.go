// Command make writes the BIDS fixtures of the tests below a folder: go run testdata/bids/make.go OUT_DIR
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/dmri-denoise/dmri-denoise/internal/bids/bidstest"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run testdata/bids/make.go OUT_DIR")
		os.Exit(2)
	}
	for _, f := range bidstest.Fixtures() {
		kind := "derived"
		if f.Raw {
			kind = "raw"
		}
		if err := f.Make(filepath.Join(os.Args[1], kind, f.Name)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(kind, f.Name, f.Scans)
	}
}
