package main

import (
	"os"

	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
)

const imputeDescription = `Estimates what a scan did not measure, and leaves what it measured alone.

With --drop, the named volumes and slices are replaced by what all other directions predict; every other value is as in the input. "auto" finds them as run does. Slices that are zero-filled, constant or not numbers count as lost too. With --target-bval and --target-bvec, the output is the scan on another gradient table: any number of directions on the shells of the scan, b-values between them, and beyond them with --extrapolate.

What is lost is never read: not for the noise level, not for the covariance, not for the prediction. Estimates start from the denoised scan. They are noise-free, unlike the measurements beside them; --samples draws from their posterior, --std-out gives its standard deviation, calibrated on measurements held out for that purpose. The .json beside the output lists every replaced slice with its reason.

A q-space model needs 7 directions on one shell, or 40 volumes of a q-space grid; with less, slices can still be replaced from the other slices of their volume, whole volumes and new tables cannot.

EXAMPLES
   dmri-denoise impute dwi.nii.gz repaired.nii.gz --drop 12,31:4-9
   dmri-denoise impute dwi.nii.gz repaired.nii.gz --drop auto --std-out std.nii.gz --imputed-out made_up.nii.gz
   dmri-denoise impute dwi.nii.gz new.nii.gz --target-bval new.bval --target-bvec new.bvec --samples 10

REFERENCES
   Andersson & Sotiropoulos 2015, Non-parametric representation and prediction of single- and multi-shell diffusion-weighted MRI data using Gaussian processes, NeuroImage 122:166 (the peer measured against)
   Song et al. 2021, Score-based generative modeling through stochastic differential equations, ICLR (reverse process)
`

func newImputeCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:        "impute",
		Usage:       "replace lost slices and volumes, or estimate new directions",
		ArgsUsage:   "IN.nii.gz OUT.nii.gz",
		Description: imputeDescription,
		Flags:       imputeCommandFlags(),
		Action:      func(c *cli.Context) error { return planAndRun(c, u, imputeOptionsFrom) },
	}
}

func imputeCommandFlags() []cli.Flag {
	const input, imputation, output, machine = "input", "imputation", "outputs", "machine and messages"
	flags := append(tableFlagSet(input),
		&cli.StringFlag{Name: "mask", Category: input, Usage: "estimate voxels above zero in `FILE`, others become 0; without it air is told from head by the intensities"},
		&cli.StringFlag{Name: "noise-in", Category: input, Usage: "noise standard deviation, `FILE|NUMBER`; estimated from the scan if not given"},
		&cli.StringFlag{Name: "rician", Category: input, Usage: "remove the bias of magnitude images from what is estimated: `auto|on|off`; off with --drop, whose values must fit those beside them, auto with --target-bval"},
		&cli.StringFlag{Name: "drop", Category: imputation, Usage: "what is lost: `LIST|auto`; 12,31:4-9 is volume 12 and slices 4 to 9 of volume 31, counted from 0"},
	)
	flags = append(flags, targetFlagSet(imputation)...)
	flags = append(flags,
		&cli.StringFlag{Name: "prior", Category: imputation, Value: "fast", Usage: "prior of the clean signals: `fast|auto|gaussian|soft|local|learned`, as for run; auto and learned foretell new directions by a network trained on the scan, where that has less error on directions held out: 2 to 16 % less for several times the work"},
		modelFlag(imputation),
	)
	return append(flags,
		&cli.StringFlag{Name: "qc-dir", Category: output, Usage: "folder `DIR` for the report, figures and metrics (default OUT_qc)"},
		&cli.BoolFlag{Name: "no-qc", Category: output, Usage: "no report, figures and metrics"},
		categorised(forceFlag(), output),
		&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Category: output, Usage: "list inputs, outputs, shells and memory, then stop"},
		categorised(seedFlag("`SEED` of random draws"), output),
		&cli.IntFlag{Name: "nthreads", Aliases: []string{"threads"}, Category: machine, Usage: "threads, `N` (default as for run)"},
		&cli.StringFlag{Name: "mem", Category: machine, Usage: "stay within `SIZE` (8G, 4000M), as for run"},
		categorised(jsonFlag("a summary"), machine), categorised(quietFlag(), machine), categorised(verboseFlag(), machine),
	)
}

// imputeOptionsFrom reads the command line of impute as a run that keeps measured values.
func imputeOptionsFrom(c *cli.Context) (runOptions, error) {
	o := runOptions{
		tables: tableFlagsFrom(c), mask: c.String("mask"), nan: "keep",
		prior: c.String("prior"), model: c.String("model"), sampler: "mean", rician: c.String("rician"), seed: c.Uint64("seed"),
		qcDir: c.String("qc-dir"), force: c.Bool("force"), dryRun: c.Bool("dry-run"), json: c.Bool("json"),
	}
	o.considerModel(c)
	if c.NArg() != 2 {
		return o, usageHint("dmri-denoise impute dwi.nii.gz repaired.nii.gz --drop 12,31:4-9", "impute takes an input and an output, %d names given", c.NArg())
	}
	var err error
	if o.impute, err = imputeFlagsFrom(c, c.String("drop"), "drop"); err != nil {
		return o, err
	}
	if o.impute.mode == denoise.ImputeOff && o.impute.target.bval == "" {
		return o, usageHint("--drop LIST, --drop auto, or --target-bval F --target-bvec F", "impute: nothing is named that should be estimated")
	}
	o.impute.only = true
	if o.rician == "" {
		if o.rician = "off"; o.impute.target.bval != "" {
			o.rician = "auto"
		}
	}
	if err := o.takeNames(c); err != nil {
		return o, err
	}
	o.noiseOut = ""
	if err := o.takeNoise(c.String("noise-in")); err != nil {
		return o, err
	}
	if o.threads, err = threadCount(c.Int("nthreads"), c.IsSet("nthreads"), os.Getenv); err != nil {
		return o, err
	}
	if o.memory, err = parseSize("mem", c.String("mem")); err != nil {
		return o, err
	}
	if o.schedule, err = diffusion.Cosine(defaultTimesteps); err != nil {
		return o, err
	}
	return o, o.validate()
}

const defaultTimesteps = 1000
