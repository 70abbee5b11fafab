package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// imputeFlags say what is to be estimated without having been measured, shared by run and impute.
type imputeFlags struct {
	text        string // of --impute or --drop: auto, off or a list
	mode        denoise.ImputeMode
	spans       []impute.Span
	target      tableFlags
	extrapolate bool
	samples     int
	stdOut      string
	maskOut     string
	only        bool // the impute command: leave measured values alone
}

// mostSamples keeps a slip of the finger from filling the disk.
const mostSamples = 1000

func imputeFlagSet(category string) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "impute", Category: category, Value: "auto", Usage: "lost slices and volumes: `auto|off|LIST`; a list such as 12,31:4-9 names volumes, and slices of volumes, counted from 0"},
	}, targetFlagSet(category)...)
}

// targetFlagSet are the flags that run and impute have in common.
func targetFlagSet(category string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "target-bval", Category: category, Usage: "estimate the scan on another gradient table: its b-values, `FILE` in FSL form"},
		&cli.StringFlag{Name: "target-bvec", Category: category, Usage: "its directions, `FILE` in FSL form, in the frame of the scan"},
		&cli.BoolFlag{Name: "extrapolate", Category: category, Usage: "allow target b-values outside the measured range"},
		&cli.IntFlag{Name: "samples", Category: category, Usage: "draws from the posterior of what is imputed, `K` of them, written to OUT_sample-001.nii.gz and so on"},
		&cli.StringFlag{Name: "std-out", Category: category, Usage: "posterior standard deviation of every imputed value, `FILE`; 0 where measured"},
		&cli.StringFlag{Name: "imputed-out", Category: category, Usage: "1 where a value of the scan was imputed and 0 where it was measured, 4-D `FILE`"},
	}
}

// imputeFlagsFrom reads the flags; text is the value of the flag named, which says what is lost.
func imputeFlagsFrom(c *cli.Context, text, flag string) (imputeFlags, error) {
	f := imputeFlags{
		text: text, extrapolate: c.Bool("extrapolate"), samples: c.Int("samples"), stdOut: c.String("std-out"), maskOut: c.String("imputed-out"),
		target: tableFlags{bval: c.String("target-bval"), bvec: c.String("target-bvec"), scaling: c.String("bvalue-scaling")},
	}
	switch text {
	case "auto":
		f.mode = denoise.ImputeAuto
	case "off", "":
		f.mode = denoise.ImputeOff
	default:
		f.mode = denoise.ImputeNamed
		var err error
		if f.spans, err = impute.ParseList(text); err != nil {
			return f, usageHint(fmt.Sprintf("volumes and slices are counted from 0: --%s 12,31:4-9", flag), "--%s: %s", flag, err)
		}
	}
	return f, nil
}

// validate checks what needs no file.
func (f imputeFlags) validate() error {
	if (f.target.bval == "") != (f.target.bvec == "") {
		return usagef("--target-bval and --target-bvec go together")
	}
	if f.extrapolate && f.target.bval == "" {
		return usagef("--extrapolate is about --target-bval")
	}
	if f.samples < 0 || f.samples > mostSamples {
		return usagef("--samples %d: must be from 0 to %d", f.samples, mostSamples)
	}
	return nil
}

func (f imputeFlags) checkFiles() error { return f.target.checkFiles() }

// files are the inputs that the flags name.
func (f imputeFlags) files() []string { return []string{f.target.bval, f.target.bvec} }

// outputs are the files that the flags ask for beside the image.
func (f imputeFlags) outputs(image string) []string {
	var out []string
	for _, name := range []string{f.stdOut, f.maskOut} {
		if name != "" {
			out = append(out, name)
		}
	}
	return append(out, f.sampleNames(image)...)
}

func (f imputeFlags) sampleNames(image string) []string {
	stem, suffix := imageStem(image)
	var out []string
	for k := range f.samples {
		out = append(out, fmt.Sprintf("%s_sample-%03d%s", stem, k+1, suffix))
	}
	return out
}

// memory estimates what imputation holds beside the denoiser: the series filled in and the prediction, and what is
// made for a target table. Lost slices are not known beforehand and are not counted where they are only looked for.
func (f imputeFlags) memory(voxels, volumes int, target *gradients.Table) int64 {
	series := 4 * int64(voxels) * int64(volumes)
	total := int64(0)
	if f.mode == denoise.ImputeNamed {
		total += 4 * series
		if f.stdOut != "" || f.samples > 0 {
			total += 2 * series // the pass that calibrates the spread
		}
	}
	made := int64(1 + f.samples)
	if f.stdOut != "" {
		made++
	}
	switch {
	case target != nil:
		total += made * 4 * int64(voxels) * int64(target.Len())
		if made > 1 {
			total += 3 * series // the passes that calibrate the spread
		}
	case made > 1:
		total += made * series
	}
	return total
}

// settings are the flags in the library's terms.
func (f imputeFlags) settings(target *gradients.Table) denoise.Imputing {
	return denoise.Imputing{Mode: f.mode, Lost: f.spans, Target: target, Extrapolate: f.extrapolate, Std: f.stdOut != "", Samples: f.samples}
}

// readTarget reads the target table.
func (p *runPlan) readTarget() error {
	t := p.options.impute.target
	if t.bval == "" {
		return nil
	}
	var err error
	if p.target, err = t.read(p.options.input); err != nil {
		return err
	}
	if p.target.Len() == 0 {
		return badInputHint("give at least one b-value", "%s: the target table is empty", t.bval)
	}
	p.warnings = append(p.warnings, p.target.Warnings...)
	return nil
}

// explainImpute says what can be done where something cannot be imputed.
func explainImpute(o runOptions, err error) error {
	remedy := "leave it out of the list, or take it out of the series"
	switch {
	case errors.Is(err, impute.ErrList):
		remedy = "volumes and slices are counted from 0; dmri-denoise info tells how many there are"
	case errors.Is(err, impute.ErrOutside) && o.impute.target.bval != "":
		return badInputHint("--extrapolate allows it where two shells give a decay to continue; expect larger errors",
			"%s: %w", o.impute.target.bval, err)
	case errors.Is(err, gradients.ErrFewDirections):
		remedy = "a scan with more directions is needed to predict others"
	}
	return badInputHint(remedy, "%s: %w", o.input, err)
}
