package main

import (
	"context"
	"fmt"
	"image"
	"math"

	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
	"github.com/dmri-denoise/dmri-denoise/qc"
)

func newQCCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:        "qc",
		Usage:       "quality control: report, metrics and pictures of any denoiser's result",
		Description: "Shows what a denoiser did to a scan, and how the diffusion model sees it.\n\nEXAMPLES\n   dmri-denoise qc report --before dwi.nii.gz --after clean.nii.gz --noise sigma.nii.gz\n   dmri-denoise qc strip dwi.nii.gz\n",
		Subcommands: []*cli.Command{newReportCommand(u), newMetricsCommand(u), newMontageCommand(u), newStripCommand(u)},
	}
}

const (
	defaultPanels = 11
	maxDPI        = 10000
)

var planeNames = map[string]qc.Plane{"axial": qc.Axial, "coronal": qc.Coronal, "sagittal": qc.Sagittal}

// automatic stands for a volume or slice that the program chooses.
const automatic = -1

type stripOptions struct {
	input, output string
	volume, slice int // automatic, or counted from 0
	plane         qc.Plane
	radiological  bool
	settings      qc.StripOptions
	dpi           int
	force         bool
}

func newStripCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "strip",
		Usage:     "draw a slice as the forward diffusion turns it into noise",
		ArgsUsage: "IN.nii.gz",
		Description: `Draws one slice as the diffusion model's forward process changes it: first the clean picture, labelled x₀, then x_t = √ᾱ_t·x₀ + √(1-ᾱ_t)·ε at evenly spaced timesteps t from 0 to T-1, left to right, with one noise draw ε for all panels so that only the level changes. Timesteps count from 0: the panel t = 0 already carries a trace of noise. The PNG is 300 pixels per inch unless --dpi says otherwise, and the same every time for the same seed.

EXAMPLES
   dmri-denoise qc strip dwi.nii.gz                                # dwi_noise_strip.png
   dmri-denoise qc strip dwi.nii.gz --schedule linear --timesteps 300 --panels 10
   dmri-denoise qc strip dwi.nii.gz --magnitude --volume 12 --slice 20 --out rician.png
   dmri-denoise qc strip dwi.nii.gz --matched                      # after dmri-denoise run dwi.nii.gz
   dmri-denoise qc strip dwi.nii.gz --reverse                      # dwi_reverse_strip.png

REFERENCES
   Ho, Jain & Abbeel 2020, Denoising diffusion probabilistic models, NeurIPS, eq. 4 (forward process, linear schedule)
   Nichol & Dhariwal 2021, Improved denoising diffusion probabilistic models, ICML, eq. 17 (cosine schedule)
`,
		Flags: append(matchedFlags(), reverseFlag(),
			&cli.StringFlag{Name: "out", Aliases: []string{"o"}, Usage: "picture, `FILE.png` (default IN_noise_strip.png, with --matched IN_noise_matched.png)"},
			&cli.IntFlag{Name: "volume", Value: automatic, DefaultText: "the first b0, else 0", Usage: "volume `N`, counted from 0"},
			&cli.StringFlag{Name: "plane", Value: "axial", Usage: "`axial|coronal|sagittal`"},
			&cli.IntFlag{Name: "slice", Value: automatic, DefaultText: "the largest near the middle of the head", Usage: "slice `N` of the plane, counted from 0"},
			&cli.IntFlag{Name: "panels", Value: defaultPanels, Usage: "noised panels, `N`"},
			&cli.IntFlag{Name: "rows", Value: 1, Usage: "rows `N` that the panels are laid in"},
			&cli.IntFlag{Name: "timesteps", Value: 1000, Usage: "timesteps `T` of the schedule"},
			&cli.StringFlag{Name: "schedule", Value: "cosine", Usage: "noise schedule: `cosine|linear`"},
			&cli.BoolFlag{Name: "magnitude", Usage: "magnitude (Rician) noise, as a scanner stores it: √((S+n₁)²+n₂²)"},
			&cli.StringFlag{Name: "annotate", Value: "none", Usage: "second line under each panel: `none|alphabar|snr`"},
			&cli.StringFlag{Name: "title", Usage: "`TEXT` above the panels"},
			&cli.BoolFlag{Name: "radiological", Usage: "show the patient's left on the right"},
			&cli.Float64Flag{Name: "scale", Usage: "screen pixels per voxel, `X` (default: panels about 300 pixels wide)"},
			&cli.IntFlag{Name: "dpi", Value: 300, Usage: "resolution `N` written into the file, pixels per inch"},
			seedFlag("`SEED` of the noise draw"),
			forceFlag(), quietFlag(), verboseFlag(),
		),
		Action: func(c *cli.Context) error {
			if c.Bool("matched") {
				o, err := matchedOptionsFrom(c)
				if err != nil {
					return err
				}
				return o.run(c.Context, u)
			}
			o, err := stripOptionsFrom(c)
			if err != nil {
				return err
			}
			if c.Bool("reverse") {
				return reverseStrip(c.Context, c, u, o)
			}
			return o.run(c.Context, u)
		},
	}
}

func stripOptionsFrom(c *cli.Context) (stripOptions, error) {
	o := stripOptions{
		output: c.String("out"), volume: c.Int("volume"), slice: c.Int("slice"), dpi: c.Int("dpi"), force: c.Bool("force"),
		radiological: c.Bool("radiological"),
		settings: qc.StripOptions{Panels: c.Int("panels"), Rows: c.Int("rows"), Magnitude: c.Bool("magnitude"),
			Seed: c.Uint64("seed"), Scale: c.Float64("scale"), Title: c.String("title")},
	}
	if c.NArg() != 1 {
		return o, usageHint("dmri-denoise qc strip dwi.nii.gz", "qc strip takes one image, %d given", c.NArg())
	}
	o.input = c.Args().First()
	if o.output == "" {
		stem, _ := imageStem(o.input)
		o.output = stem + "_noise_strip.png"
	}
	if err := oneOf("annotate", c.String("annotate"), "none", "alphabar", "snr"); err != nil {
		return o, err
	}
	o.settings.Annotate = map[string]qc.Annotation{"none": qc.AnnotateNothing, "alphabar": qc.AnnotateAlphaBar, "snr": qc.AnnotateSNR}[c.String("annotate")]
	if err := oneOf("plane", c.String("plane"), "axial", "coronal", "sagittal"); err != nil {
		return o, err
	}
	o.plane = planeNames[c.String("plane")]
	var err error
	if o.settings.Schedule, err = scheduleFromFlags(c); err != nil {
		return o, err
	}
	return o, o.validate(c)
}

// scheduleFromFlags reads --schedule and --timesteps, which run and qc strip share.
func scheduleFromFlags(c *cli.Context) (diffusion.Schedule, error) {
	name, steps := c.String("schedule"), c.Int("timesteps")
	if err := oneOf("schedule", name, "cosine", "linear"); err != nil {
		return diffusion.Schedule{}, err
	}
	if steps < 10 || steps > 100000 {
		return diffusion.Schedule{}, usagef("--timesteps %d: must be from 10 to 100000", steps)
	}
	schedule, err := diffusion.ByName(name, steps)
	if err != nil {
		return schedule, usagef("--timesteps %d: %s", steps, err)
	}
	return schedule, nil
}

func (o stripOptions) validate(c *cli.Context) error {
	steps := o.settings.Schedule.T()
	switch s := o.settings; {
	case s.Panels < 2 || s.Panels > steps:
		return usagef("--panels %d: must be from 2 to the number of timesteps, %d", s.Panels, steps)
	case s.Rows < 1 || s.Rows > s.Panels+1:
		return usagef("--rows %d: must be from 1 to the number of panels, %d", s.Rows, s.Panels+1)
	case s.Scale < 0 || s.Scale > 100 || math.IsNaN(s.Scale):
		return usagef("--scale %g: must be from 0 to 100", s.Scale)
	case o.dpi < 1 || o.dpi > maxDPI:
		return usagef("--dpi %d: must be from 1 to %d", o.dpi, maxDPI)
	case c.IsSet("volume") && o.volume < 0:
		return usagef("--volume %d: volumes are counted from 0", o.volume)
	case c.IsSet("slice") && o.slice < 0:
		return usagef("--slice %d: slices are counted from 0", o.slice)
	}
	if err := checkInput(o.input); err != nil {
		return err
	}
	return checkOutputs([]string{o.output}, []string{o.input}, o.force)
}

func (o stripOptions) run(ctx context.Context, u *ui) error {
	header, volume, n, err := o.readVolume(ctx)
	if err != nil {
		return err
	}
	grid := qc.GridOf(header)
	k := o.slice
	if k == automatic {
		k = qc.MiddleSlice(qc.Foreground(volume), grid, o.plane)
	}
	if count := sliceCount(grid, o.plane); k >= count {
		return usagef("--slice %d: %s has %d %s slices, counted from 0", k, o.input, count, o.plane)
	}
	picture, steps, err := qc.ForwardStrip(qc.CutSlice(volume, grid, o.plane, k, o.radiological), o.settings)
	if err != nil {
		return badInput(fmt.Errorf("%s: volume %d, slice %d: %w", o.input, n, k, err))
	}
	if err := writePicture(ctx, o.output, picture, o.dpi, o.force); err != nil {
		return err
	}
	u.say("wrote %s: volume %d, %s slice %d, t = %s", o.output, n, o.plane, k, joinInts(steps))
	return nil
}

// writePicture writes one picture, whole or not at all.
func writePicture(ctx context.Context, path string, picture image.Image, dpi int, force bool) error {
	files := newOutputs(force)
	defer files.discard()
	staged, err := files.plan(path)
	if err != nil {
		return err
	}
	if err := qc.WritePNG(ctx, staged, picture, dpi, false); err != nil {
		return err
	}
	return files.commit()
}

// sliceCount returns the number of slices of a plane: an empty mask makes SpreadSlices offer all of them.
func sliceCount(grid qc.Grid, plane qc.Plane) int {
	return len(qc.SpreadSlices(make([]bool, grid.Voxels()), grid, plane, max(grid.NX, grid.NY, grid.NZ)))
}

// readVolume reads one volume, without holding the others.
func (o stripOptions) readVolume(ctx context.Context) (*nifti.Header, []float32, int, error) {
	reader, err := nifti.Open(o.input)
	if err != nil {
		return nil, nil, 0, err
	}
	defer reader.Close()
	header := reader.Header()
	nx, ny, nz, nt := header.Shape()
	n := o.volume
	if n == automatic {
		n = firstB0(o.input, nt)
	}
	if n >= nt {
		return nil, nil, 0, usagef("--volume %d: %s has %d volumes, counted from 0", n, o.input, nt)
	}
	volume := make([]float32, nx*ny*nz)
	for range n + 1 {
		if err := ctx.Err(); err != nil {
			return nil, nil, 0, err
		}
		if err := reader.ReadVolume(volume); err != nil {
			return nil, nil, 0, err
		}
	}
	return header, volume, n, nil
}

// firstB0 returns the first b0 volume according to the table beside an image, 0 if there is no usable table.
func firstB0(image string, volumes int) int {
	files, err := gradients.Find(image)
	if err != nil {
		return 0
	}
	table, err := gradients.Read(files, gradients.Options{})
	if err != nil || table.Check(volumes) != nil {
		return 0
	}
	for i, b := range table.BVals {
		if b <= gradients.DefaultB0Threshold {
			return i
		}
	}
	return 0
}

func joinInts(numbers []int) string {
	text := ""
	for i, n := range numbers {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprint(n)
	}
	return text
}
