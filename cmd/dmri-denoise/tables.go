package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// tableFlags are the flags that name and read a gradient table, shared by run and info.
type tableFlags struct {
	bval, bvec, grad string
	b0Threshold      float64
	scaling          string
}

func tableFlagSet(category string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "bval", Category: category, Usage: "b-values, `FILE` in FSL form; found beside the image if not given"},
		&cli.StringFlag{Name: "bvec", Category: category, Usage: "gradient directions, `FILE` in FSL form; found beside the image if not given (MRtrix: -fslgrad BVECS BVALS)"},
		&cli.StringFlag{Name: "grad", Category: category, Usage: "MRtrix gradient table, `FILE` with four columns x y z b"},
		&cli.Float64Flag{Name: "b0-threshold", Category: category, Value: gradients.DefaultB0Threshold, Usage: "volumes with b of at most `B` s/mm² are b0"},
		&cli.StringFlag{Name: "bvalue-scaling", Category: category, Value: "auto", Usage: "multiply b by the squared length of its vector: `auto|yes|no`"},
	}
}

func tableFlagsFrom(c *cli.Context) tableFlags {
	return tableFlags{bval: c.String("bval"), bvec: c.String("bvec"), grad: c.String("grad"),
		b0Threshold: c.Float64("b0-threshold"), scaling: c.String("bvalue-scaling")}
}

// given tells whether the user named a table.
func (t tableFlags) given() bool { return t.bval != "" || t.bvec != "" || t.grad != "" }

// validate checks what needs no file.
func (t tableFlags) validate() error {
	if t.grad != "" && (t.bval != "" || t.bvec != "") {
		return usageHint("give one or the other", "--grad and --bval/--bvec exclude each other")
	}
	if !(t.b0Threshold >= 0) {
		return usagef("--b0-threshold %g: must not be negative", t.b0Threshold)
	}
	return oneOf("bvalue-scaling", t.scaling, "auto", "yes", "no")
}

// checkFiles makes sure that the files named are there.
func (t tableFlags) checkFiles() error {
	for _, file := range []string{t.bval, t.bvec, t.grad} {
		if file == "" {
			continue
		}
		if err := checkInput(file); err != nil {
			return err
		}
	}
	return nil
}

// find returns the table's files: those named, completed by those beside the image.
func (t tableFlags) find(image string) (gradients.Files, error) {
	if t.grad != "" {
		return gradients.Files{Grad: t.grad}, nil
	}
	if t.bval != "" && t.bvec != "" {
		return gradients.Files{BVal: t.bval, BVec: t.bvec}, nil
	}
	files, err := gradients.Find(image)
	if t.bval != "" {
		files.BVal, files.Grad = t.bval, ""
	}
	if t.bvec != "" {
		files.BVec, files.Grad = t.bvec, ""
	}
	if files.Grad != "" || files.BVal != "" && files.BVec != "" {
		return files, nil
	}
	if err == nil { // an MRtrix table lies beside the image, and one file of a pair was named
		err = fmt.Errorf("%s: only one of its two gradient files was found", image)
	}
	return files, &inputError{err: err, remedy: "name them with --bval FILE --bvec FILE, or --grad FILE for an MRtrix table"}
}

// absent tells whether no table is named and nothing of one lies beside the image.
func (t tableFlags) absent(image string) bool {
	if t.given() {
		return false
	}
	files, err := gradients.Find(image)
	return errors.Is(err, gradients.ErrNotFound) && files == gradients.Files{}
}

// read finds and reads the table.
func (t tableFlags) read(image string) (*gradients.Table, error) {
	files, err := t.find(image)
	if err != nil {
		return nil, err
	}
	scaling, err := gradients.ParseBValueScaling(t.scaling)
	if err != nil {
		return nil, err
	}
	return gradients.Read(files, gradients.Options{BValueScaling: scaling})
}
