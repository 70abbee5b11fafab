package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
	"github.com/dmri-denoise/dmri-denoise/qc"
)

type compareOptions struct {
	truth, estimate string
	mask, bval      string
	b0Threshold     float64
	sigma           float64
	threads         int
	json            bool
}

func newCompareCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "compare",
		Usage:     "measure an image against the truth",
		ArgsUsage: "TRUTH EST",
		Description: `Prints the error of EST against TRUTH over the mask, for all volumes and for each shell: root mean square error (RMSE), the same relative to the truth (NRMSE), peak signal-to-noise ratio with the largest truth in the mask as peak (PSNR), structural similarity of axial slices (SSIM, 11×11 Gaussian window, σ 1.5), and bias, the mean of EST - TRUTH. With --sigma RMSE and bias are also given in units of the noise.

EXAMPLES
   dmri-denoise compare truth.nii.gz denoised.nii.gz --mask mask.nii.gz --bval dwi.bval
   dmri-denoise compare truth.nii.gz denoised.nii.gz --sigma 50 --json | jq .all.rmse_over_sigma

REFERENCES
   Wang et al. 2004, Image quality assessment: from error visibility to structural similarity, IEEE TIP 13:600 (SSIM)
`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "mask", Usage: "compare voxels above zero in `FILE`; all voxels if not given"},
			&cli.StringFlag{Name: "bval", Usage: "b-values, `FILE` in FSL form; figures for each shell are added"},
			&cli.Float64Flag{Name: "b0-threshold", Value: gradients.DefaultB0Threshold, Usage: "volumes with b of at most `B` s/mm² are b0"},
			&cli.Float64Flag{Name: "sigma", Usage: "noise standard deviation `S` of the noisy image"},
			&cli.IntFlag{Name: "nthreads", Aliases: []string{"threads"}, Usage: "threads, `N` (default as for run)"},
			jsonFlag("the figures"), quietFlag(), verboseFlag(),
		},
		Action: func(c *cli.Context) error {
			o, err := compareOptionsFrom(c)
			if err != nil {
				return err
			}
			return o.run(c.Context, u)
		},
	}
}

func compareOptionsFrom(c *cli.Context) (compareOptions, error) {
	o := compareOptions{mask: c.String("mask"), bval: c.String("bval"), b0Threshold: c.Float64("b0-threshold"),
		sigma: c.Float64("sigma"), json: c.Bool("json")}
	if c.NArg() != 2 {
		return o, usageHint("dmri-denoise compare truth.nii.gz denoised.nii.gz", "compare takes two images, %d given", c.NArg())
	}
	o.truth, o.estimate = c.Args().Get(0), c.Args().Get(1)
	var err error
	if o.threads, err = threadCount(c.Int("nthreads"), c.IsSet("nthreads"), os.Getenv); err != nil {
		return o, err
	}
	return o, o.validate()
}

func (o compareOptions) validate() error {
	if !(o.b0Threshold >= 0) {
		return usagef("--b0-threshold %g: must not be negative", o.b0Threshold)
	}
	if !(o.sigma >= 0) || math.IsInf(o.sigma, 0) {
		return usagef("--sigma %g: must not be negative", o.sigma)
	}
	for _, file := range []string{o.truth, o.estimate, o.mask, o.bval} {
		if file == "" {
			continue
		}
		if err := checkInput(file); err != nil {
			return err
		}
	}
	return o.checkGrids()
}

// checkGrids refuses images of different size from their headers alone.
func (o compareOptions) checkGrids() error {
	truth, err := nifti.ReadHeader(o.truth)
	if err != nil {
		return err
	}
	nx, ny, nz, nt := truth.Shape()
	for _, file := range []string{o.estimate, o.mask} {
		if file == "" {
			continue
		}
		header, err := nifti.ReadHeader(file)
		if err != nil {
			return err
		}
		mx, my, mz, mt := header.Shape()
		if mx != nx || my != ny || mz != nz || file == o.estimate && mt != nt || file == o.mask && mt != 1 {
			return badInputHint("", "%s is %dx%dx%d with %d volumes, %s is %dx%dx%d with %d volumes", o.truth, nx, ny, nz, nt, file, mx, my, mz, mt)
		}
	}
	return nil
}

func (o compareOptions) run(ctx context.Context, u *ui) error {
	truth, err := readWithin(ctx, o.truth, arraysShown)
	if err != nil {
		return err
	}
	estimate, err := readWithin(ctx, o.estimate, arraysShown)
	if err != nil {
		return err
	}
	settings := qc.CompareOptions{Sigma: o.sigma, Threads: o.threads}
	if o.bval != "" {
		_, _, _, nt := truth.Dims()
		if settings.Shells, err = o.shells(nt); err != nil {
			return err
		}
	}
	var mask []bool
	if o.mask != "" {
		if mask, err = loadMask(ctx, o.mask); err != nil {
			return err
		}
	}
	comparison, err := qc.Compare(ctx, truth.Voxels(), estimate.Voxels(), mask, qc.GridOf(&truth.Header), settings)
	if err != nil {
		return badInput(err)
	}
	if o.json {
		return u.printJSON(comparison)
	}
	u.print("%s", comparisonText(comparison, o.sigma > 0))
	return nil
}

// shells groups the volumes by b-value; directions play no part here.
func (o compareOptions) shells(volumes int) ([]gradients.Shell, error) {
	data, err := os.ReadFile(o.bval)
	if err != nil {
		return nil, badInput(err)
	}
	bvals, err := gradients.ParseBVals(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.bval, err)
	}
	table := &gradients.Table{BVals: bvals, BVecs: make([][3]float64, len(bvals)), Files: gradients.Files{BVal: o.bval}}
	if len(bvals) != volumes {
		return nil, badInputHint("", "%s has %d b-values, %s has %d volumes", o.bval, len(bvals), o.truth, volumes)
	}
	return table.Shells(o.b0Threshold).All, nil
}

func comparisonText(c qc.Comparison, inSigma bool) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	header := "shell\tvolumes\tRMSE\tNRMSE\tPSNR dB\tSSIM\tbias\t"
	if inSigma {
		header += "RMSE/σ\tbias/σ\t"
	}
	fmt.Fprintln(w, header)
	row := func(name string, volumes int, f qc.Figures) {
		fmt.Fprintf(w, "%s\t%d\t%.4g\t%.5f\t%.2f\t%.4f\t%+.4g\t", name, volumes, f.RMSE, f.NRMSE, f.PSNR, f.SSIM, f.Bias)
		if inSigma {
			fmt.Fprintf(w, "%.4f\t%+.4f\t", f.RMSEOverSigma, f.BiasOverSigma)
		}
		fmt.Fprintln(w)
	}
	for _, s := range c.Shells {
		row(fmt.Sprintf("b %.0f", s.B), s.Volumes, s.Figures)
	}
	row("all", c.Volumes, c.All)
	w.Flush()
	fmt.Fprintf(&b, "%d voxels compared in each volume\n", c.Voxels)
	return b.String()
}
