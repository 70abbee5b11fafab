package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/qc"
)

type reportOptions struct {
	pairOptions
	dir, title   string
	radiological bool
	noViewer     bool
	dated        bool
	seed         uint64
	force        bool
}

func newReportCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "report",
		Usage:     "write one page that shows whether to trust a denoised scan",
		ArgsUsage: "--before IN.nii.gz --after OUT.nii.gz",
		Description: `Compares a scan before and after denoising, by this program or any other, and writes a folder with report.html (one file that loads nothing from the network and works without scripts), its pictures in figures/, and metrics.json, metrics.tsv and metrics_dictionary.json. run writes the same by default; its .json and noise map are found beside the image and tell what a comparison cannot: the prior, expected errors and replaced slices. docs/qc.md explains every figure and the bounds of the verdict.

EXAMPLES
   dmri-denoise qc report --before dwi.nii.gz --after dwi_denoised.nii.gz --force
   dwidenoise dwi.nii.gz clean.nii.gz -noise sigma.nii.gz
   dmri-denoise qc report --before dwi.nii.gz --after clean.nii.gz --noise sigma.nii.gz --mask brain.nii.gz
`,
		Flags: append(pairFlags(),
			&cli.StringFlag{Name: "qc-dir", Usage: "folder `DIR` to write (default AFTER_qc)"},
			&cli.StringFlag{Name: "title", Usage: "`TEXT` at the top (default: the name of the image)"},
			&cli.BoolFlag{Name: "radiological", Usage: "show the patient's left on the right"},
			&cli.BoolFlag{Name: "no-viewer", Usage: "leave the interactive viewer out: a smaller page"},
			&cli.BoolFlag{Name: "timings", Usage: "write the date into the report, which then differs every time"},
			seedFlag("`SEED` of simulated noise"), forceFlag(), quietFlag(), verboseFlag()),
		Action: func(c *cli.Context) error {
			o, err := reportOptionsFrom(c)
			if err != nil {
				return err
			}
			return o.run(c.Context, u)
		},
	}
}

func reportOptionsFrom(c *cli.Context) (reportOptions, error) {
	pair, err := pairOptionsFrom(c)
	o := reportOptions{pairOptions: pair, dir: c.String("qc-dir"), title: c.String("title"), radiological: c.Bool("radiological"),
		noViewer: c.Bool("no-viewer"), dated: c.Bool("timings"), seed: c.Uint64("seed"), force: c.Bool("force")}
	if err != nil {
		return o, err
	}
	if o.dir == "" {
		stem, _ := imageStem(o.after)
		o.dir = stem + "_qc"
	}
	if o.title == "" {
		o.title = o.name()
	}
	names := append(nameMetrics(filepath.Join(o.dir, "metrics")).all(), filepath.Join(o.dir, "report.html"))
	return o, checkOutputs(names, o.inputs(), o.force)
}

func (o reportOptions) run(ctx context.Context, u *ui) error {
	files := newOutputs(o.force)
	defer files.discard()
	if _, err := files.reserve(filepath.Join(o.dir, figuresFolder)); err != nil {
		return err
	}
	p, err := o.read(ctx, u)
	if err != nil {
		return err
	}
	in := qc.ReportInput{Title: o.title, Subtitle: subtitleOf(p.header), Outcome: p.outcome, Known: p.known, Warnings: p.warnings, Method: p.method,
		Seed: o.seed, Radiological: o.radiological, NoViewer: o.noViewer,
		Provenance: [][2]string{{"Report by", programName + " " + programVersion()}, {"Before", filepath.Base(o.before)}, {"After", filepath.Base(o.after)}}}
	if o.dated {
		in.Provenance = append(in.Provenance, [2]string{"Date", time.Now().UTC().Format("2006-01-02 15:04 UTC")})
	}
	report, err := qc.NewReport(ctx, in, o.threads)
	if err != nil {
		return explainQC(err)
	}
	_, page, err := writeReport(files, o.dir, report, o.name())
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := files.commit(); err != nil {
		return err
	}
	u.say("wrote %s: %s", page, report.Verdict.Kind)
	for _, r := range report.Verdict.Reasons {
		u.detail("%s: %s", r.Kind, r.Text)
	}
	return nil
}

// explainQC turns what qc says of its input into an error of the input.
func explainQC(err error) error {
	if errors.Is(err, qc.ErrInput) {
		return badInputHint("do the images belong together, and is every voxel of the mask a number?", "%w", err)
	}
	return err
}
