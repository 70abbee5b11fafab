package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/qc"
)

type metricsOptions struct {
	pairOptions
	out   string
	tsv   bool
	force bool
}

func newMetricsCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "metrics",
		Usage:     "print the quality figures of a denoised scan",
		ArgsUsage: "--before IN.nii.gz --after OUT.nii.gz",
		Description: `Prints the figures of the report as JSON, one object of numbers and nulls: noise, SNR and CNR by shell, neighbouring DWI correlation before and after, what was removed and whether it is white, timesteps, expected errors. With --tsv it prints a header and a row for a table; with --out it writes PREFIX.json, PREFIX.tsv and PREFIX_dictionary.json, which explains every column.

EXAMPLES
   dmri-denoise qc metrics --before dwi.nii.gz --after dwi_denoised.nii.gz | jq .ndc_after
   dmri-denoise qc metrics --before dwi.nii.gz --after clean.nii.gz --noise 12 --out sub-01_metrics

REFERENCES
   Yeh et al. 2019, Differential tractography as a track-based biomarker for neuronal injury, NeuroImage 202:116131 (neighbouring DWI correlation)
`,
		Flags: append(pairFlags(),
			&cli.StringFlag{Name: "out", Aliases: []string{"o"}, Usage: "write the files that begin with `PREFIX` instead of printing"},
			&cli.BoolFlag{Name: "tsv", Usage: "print a table of one row instead of JSON"},
			forceFlag(), quietFlag(), verboseFlag()),
		Action: func(c *cli.Context) error {
			pair, err := pairOptionsFrom(c)
			o := metricsOptions{pairOptions: pair, out: c.String("out"), tsv: c.Bool("tsv"), force: c.Bool("force")}
			if err != nil {
				return err
			}
			if o.out != "" {
				if o.tsv {
					return usagef("--tsv and --out exclude each other: --out writes both forms")
				}
				if err := checkOutputs(nameMetrics(o.out).all(), o.inputs(), o.force); err != nil {
					return err
				}
			}
			return o.run(c.Context, u)
		},
	}
}

func (o metricsOptions) run(ctx context.Context, u *ui) error {
	p, err := o.read(ctx, u)
	if err != nil {
		return err
	}
	m, err := qc.Measure(ctx, p.outcome, p.known, o.threads)
	if err != nil {
		return explainQC(err)
	}
	switch {
	case o.tsv:
		u.print("%s", m.Metrics.TSV(o.name()))
		return nil
	case o.out == "":
		return u.printJSON(m.Metrics)
	}
	files := newOutputs(o.force)
	defer files.discard()
	names := nameMetrics(o.out)
	if err := names.write(files, m.Metrics, o.name()); err != nil {
		return err
	}
	if err := files.commit(); err != nil {
		return err
	}
	u.say("wrote %s, %s and %s", names.values, names.row, names.dictionary)
	return nil
}
