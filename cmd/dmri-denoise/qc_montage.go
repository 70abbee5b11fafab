package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/qc"
)

type montageOptions struct {
	pairOptions
	out     string
	volumes []int // nil means one of each shell
	all     bool  // all shells, not the lowest and the highest alone
	planes  []qc.Plane
	columns int
	drawing qc.MontageOptions
	dpi     int
	force   bool
}

func newMontageCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "montage",
		Usage:     "draw a scan before and after denoising, what was removed, and the noise map",
		ArgsUsage: "--before IN.nii.gz --after OUT.nii.gz",
		Description: `Draws slices in three planes, in true proportions, with the patient's directions at the edges ("?" where the file does not tell them): before and after in one gray window taken from the input, what was removed in colours from -3σ to +3σ, and the noise map. One picture for the first volume of the lowest and of the highest shell; --shells all for every shell, --volumes for any volumes. Slices lie inside the box of the mask, or of the head without one. PNG of 300 pixels per inch unless --dpi says otherwise.

EXAMPLES
   dmri-denoise qc montage --before dwi.nii.gz --after dwi_denoised.nii.gz                # dwi_denoised_montage_b0.png, ..._b3000.png
   dmri-denoise qc montage --before dwi.nii.gz --after clean.nii.gz --noise sigma.nii.gz --planes axial --columns 5 --volumes 0,12 --out fig
`,
		Flags: append(pairFlags(),
			&cli.StringFlag{Name: "out", Aliases: []string{"o"}, Usage: "pictures PREFIX_b0.png and so on, `PREFIX` (default AFTER_montage)"},
			&cli.StringFlag{Name: "volumes", Usage: "volumes `LIST` such as 0,12, counted from 0, in place of one of each shell"},
			&cli.StringFlag{Name: "shells", Value: "ends", Usage: "`ends|all`: lowest and highest shell, or every shell"},
			&cli.StringFlag{Name: "planes", Value: "axial,coronal,sagittal", Usage: "`LIST` of axial, coronal, sagittal"},
			&cli.IntFlag{Name: "columns", DefaultText: "2, or 5 of one plane", Usage: "slices `N` of each plane"},
			&cli.StringFlag{Name: "units", Usage: "units of the signal, `TEXT` (default a.u.)"},
			&cli.StringFlag{Name: "title", Usage: "`TEXT` above the pictures (default: volume and b-value)"},
			&cli.BoolFlag{Name: "radiological", Usage: "show the patient's left on the right"},
			&cli.Float64Flag{Name: "scale", Usage: "screen pixels per voxel of the first plane, `X` (default: slices about 300 pixels wide)"},
			&cli.IntFlag{Name: "dpi", Value: qc.DefaultDPI, Usage: "resolution `N` written into the file, pixels per inch"},
			forceFlag(), quietFlag(), verboseFlag()),
		Action: func(c *cli.Context) error {
			o, err := montageOptionsFrom(c)
			if err != nil {
				return err
			}
			return o.run(c.Context, u)
		},
	}
}

func montageOptionsFrom(c *cli.Context) (montageOptions, error) {
	pair, err := pairOptionsFrom(c)
	o := montageOptions{pairOptions: pair, out: c.String("out"), all: c.String("shells") == "all", columns: c.Int("columns"), dpi: c.Int("dpi"), force: c.Bool("force"),
		drawing: qc.MontageOptions{Title: c.String("title"), Units: c.String("units"), Radiological: c.Bool("radiological"), Scale: c.Float64("scale")}}
	if err != nil {
		return o, err
	}
	if err := oneOf("shells", c.String("shells"), "ends", "all"); err != nil {
		return o, err
	}
	if o.out == "" {
		stem, _ := imageStem(o.after)
		o.out = stem + "_montage"
	}
	for _, name := range strings.Split(c.String("planes"), ",") {
		if err := oneOf("planes", name, "axial", "coronal", "sagittal"); err != nil {
			return o, err
		}
		o.planes = append(o.planes, planeNames[name])
	}
	if text := c.String("volumes"); text != "" {
		for _, word := range strings.Split(text, ",") {
			n, err := strconv.Atoi(strings.TrimSpace(word))
			if err != nil || n < 0 {
				return o, usagef("--volumes %q: %q is no volume, counted from 0", text, word)
			}
			o.volumes = append(o.volumes, n)
		}
	}
	switch {
	case o.columns < 0 || o.columns > 100:
		return o, usagef("--columns %d: must be from 1 to 100", o.columns)
	case o.drawing.Scale < 0 || o.drawing.Scale > 100 || math.IsNaN(o.drawing.Scale):
		return o, usagef("--scale %g: must be from 0 to 100", o.drawing.Scale)
	case o.dpi < 1 || o.dpi > maxDPI:
		return o, usagef("--dpi %d: must be from 1 to %d", o.dpi, maxDPI)
	}
	return o, nil
}

// pictured is a volume to draw and the end of its file's name.
type pictured struct {
	volume int
	label  string
}

func (o montageOptions) pictured(p *pair) ([]pictured, error) {
	_, _, _, nt := p.header.Shape()
	var list []pictured
	for _, n := range o.volumes {
		if n >= nt {
			return nil, usagef("--volumes %d: %s has %d volumes, counted from 0", n, o.before, nt)
		}
		list = append(list, pictured{n, fmt.Sprintf("v%d", n)})
	}
	if len(list) > 0 {
		return list, nil
	}
	shells := p.outcome.Shells.All
	if len(shells) == 0 {
		return []pictured{{0, "v0"}}, nil
	}
	if !o.all && len(shells) > 2 {
		shells = []gradients.Shell{shells[0], shells[len(shells)-1]}
	}
	for _, s := range shells {
		list = append(list, pictured{s.Volumes[0], qc.ShellLabel(s)})
	}
	return list, nil
}

func (o montageOptions) run(ctx context.Context, u *ui) error {
	p, err := o.read(ctx, u)
	if err != nil {
		return err
	}
	list, err := o.pictured(p)
	if err != nil {
		return err
	}
	var names []string
	for _, v := range list {
		names = append(names, o.out+"_"+v.label+".png")
	}
	if err := checkOutputs(names, o.inputs(), o.force); err != nil {
		return err
	}
	files := newOutputs(o.force)
	defer files.discard()
	n := p.outcome.Grid.Voxels()
	for i, v := range list {
		d := o.drawing
		d.Volume, d.BValue, d.Noise = v.volume, bvalue(p.outcome.Table, v.volume), p.outcome.Sigma != nil
		d.Planes, d.Columns = o.planes, o.columns
		if len(o.planes) == 1 {
			d.Plane, d.Planes = o.planes[0], nil
		}
		img, err := qc.Montage(p.outcome.Before[v.volume*n:(v.volume+1)*n], p.outcome.After[v.volume*n:(v.volume+1)*n], p.outcome.Sigma, p.outcome.Mask, p.outcome.Grid, d)
		if err != nil {
			return explainQC(err)
		}
		staged, err := files.plan(names[i])
		if err != nil {
			return err
		}
		if err := qc.WritePNG(ctx, staged, img, o.dpi, false); err != nil {
			return err
		}
	}
	if err := files.commit(); err != nil {
		return err
	}
	u.say("wrote %s", strings.Join(names, ", "))
	return nil
}
