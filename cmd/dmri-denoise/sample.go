package main

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"math"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise/posterior"
	"github.com/dmri-denoise/dmri-denoise/denoise/synthesis"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
	"github.com/dmri-denoise/dmri-denoise/qc"
)

// sampleOptions are those of sample: single voxels from a learned prior, or with like new draws of a scan.
type sampleOptions struct {
	output, stripOut    string
	strip               image.Image // for stripOut
	tables              tableFlags
	like, train, mask   string
	clean               bool
	count, steps        int
	sigma               float64
	smooth              float64 // voxels; negative means as measured from the scan
	rician              bool
	seed                uint64
	threads             int
	force, json         bool
	table               *gradients.Table // requested; nil with like means the scan's own
	trainTable, ownLike *gradients.Table
}

const (
	mostVoxelsDrawn = 10_000_000
	sampleStripDPI  = 300
)

func newSampleCommand(u *ui) *cli.Command {
	const input, noise, output, machine = "input", "noise", "outputs", "machine and messages"
	flags := append(tableFlagSet(input),
		&cli.StringFlag{Name: "like", Category: input, Usage: "draw this scan again: `FILE`; its table lies beside it"},
		&cli.StringFlag{Name: "train", Category: input, Usage: "learn the prior of single voxels from this scan, `FILE`, its table beside it, instead of from simulated tissue"},
		&cli.BoolFlag{Name: "clean", Category: input, Usage: "the scan of --train is denoised already"},
		&cli.StringFlag{Name: "mask", Category: input, Usage: "use voxels of the scan above zero in `FILE`"},
		&cli.IntFlag{Name: "count", Category: output, Value: 1000, DefaultText: "1000 voxels, or 1 draw with --like", Usage: "voxels, or with --like draws, `N`"},
		&cli.StringFlag{Name: "strip-out", Category: output, Usage: "draw the reverse process of the first voxels, from noise to tissue, into `FILE.png`"},
		&cli.Float64Flag{Name: "smooth", Category: output, Value: -1, DefaultText: "measured from the scan", Usage: "with --like: make errors of neighbouring voxels alike by a Gaussian window of standard deviation `V` voxels; 0 means independent"},
		categorised(seedFlag("`SEED` of training and draws"), output), categorised(forceFlag(), output),
		&cli.Float64Flag{Name: "sigma", Category: noise, Usage: "add noise of standard deviation `S`, in the unit of the signals (simulated tissue: white matter is about 1000 at b = 0)"},
		&cli.BoolFlag{Name: "rician", Category: noise, Usage: "magnitude (Rician) noise instead of Gaussian noise"},
		&cli.IntFlag{Name: "train-steps", Category: machine, Usage: "steps `N` of training", DefaultText: "4000"},
		&cli.IntFlag{Name: "nthreads", Aliases: []string{"threads"}, Category: machine, Usage: "threads, `N` (default as for run)"},
		categorised(jsonFlag("a summary"), machine), categorised(quietFlag(), machine), categorised(verboseFlag(), machine),
	)
	return &cli.Command{
		Name:      "sample",
		Usage:     "generate diffusion signals that were never measured",
		ArgsUsage: "OUT.nii.gz",
		Description: `Generates signals, for testing and for augmenting data sets.

Without --like: voxels of tissue for any gradient table on, between or below the shells of what the prior was learned from. A denoising diffusion model over spherical harmonic coefficients, of all shells together, is trained (a minute or two) on simulated tissue or on the scan of --train, denoised first; the reverse process then draws every voxel from pure noise at t = T-1. Voxels are independent and turned at random; signals lie between 0 and the voxel's b = 0 signal. The output is a grid of --count voxels.

With --like: draws of a whole scan from the posterior of its clean signal, coherent over directions, on its own table, or on the table given from the q-space posterior. On its own table the errors of neighbouring voxels are as alike as those of the estimate are, measured from the scan, or as --smooth says. With several draws the files are OUT_sample-001.nii.gz and so on.

What is generated is noise-free unless --sigma is given. Tables and a .json that says how it was made lie beside the output.

EXAMPLES
   dmri-denoise sample voxels.nii.gz --bval my.bval --bvec my.bvec --count 5000
   dmri-denoise sample voxels.nii.gz --bval my.bval --bvec my.bvec --train dwi.nii.gz --rician --sigma 40
   dmri-denoise sample voxels.nii.gz --bval my.bval --bvec my.bvec --strip-out reverse.png
   dmri-denoise sample again.nii.gz --like dwi.nii.gz --count 4 --rician --sigma 25

REFERENCES
   Ho, Jain & Abbeel 2020, Denoising diffusion probabilistic models, NeurIPS
   Karras et al. 2022, Elucidating the design space of diffusion-based generative models, NeurIPS (preconditioning)
   Song et al. 2021, Score-based generative modeling through stochastic differential equations, ICLR (reverse process)
`,
		Flags: flags,
		Action: func(c *cli.Context) error {
			o, err := sampleOptionsFrom(c)
			if err != nil {
				return err
			}
			if o.like != "" {
				return o.runLike(c.Context, u)
			}
			return o.runVoxels(c.Context, u)
		},
	}
}

func sampleOptionsFrom(c *cli.Context) (sampleOptions, error) {
	o := sampleOptions{
		tables: tableFlagsFrom(c), like: c.String("like"), train: c.String("train"), mask: c.String("mask"), clean: c.Bool("clean"),
		count: c.Int("count"), steps: c.Int("train-steps"), sigma: c.Float64("sigma"), rician: c.Bool("rician"), smooth: c.Float64("smooth"), stripOut: c.String("strip-out"),
		seed: c.Uint64("seed"), force: c.Bool("force"), json: c.Bool("json"),
	}
	if c.NArg() != 1 {
		return o, usageHint("dmri-denoise sample voxels.nii.gz --bval my.bval --bvec my.bvec", "sample takes one output image, %d names given", c.NArg())
	}
	o.output = c.Args().First()
	if err := checkImageName("output", o.output); err != nil {
		return o, err
	}
	if o.like != "" && !c.IsSet("count") {
		o.count = 1
	}
	var err error
	if o.threads, err = threadCount(c.Int("nthreads"), c.IsSet("nthreads"), os.Getenv); err != nil {
		return o, err
	}
	if err := o.validate(c); err != nil {
		return o, err
	}
	return o, o.readTables()
}

// validate checks what needs no content of files.
func (o *sampleOptions) validate(c *cli.Context) error {
	most := mostVoxelsDrawn
	if o.like != "" {
		most = mostSamples
	}
	switch {
	case o.count < 1 || o.count > most:
		return usagef("--count %d: must be from 1 to %d", o.count, most)
	case o.steps < 0 || o.steps > 1_000_000:
		return usagef("--train-steps %d: must be from 1 to 1000000", o.steps)
	case !(o.sigma >= 0) || math.IsInf(o.sigma, 0):
		return usagef("--sigma %g: must not be negative", o.sigma)
	case c.IsSet("smooth") && !(o.smooth >= 0 && o.smooth <= 5):
		return usagef("--smooth %g: must be from 0 to 5 voxels; without --smooth it is measured from the scan", o.smooth)
	case c.IsSet("smooth") && o.like == "":
		return usagef("--smooth is about --like: single voxels have no neighbours")
	case c.IsSet("smooth") && o.tables.given():
		return usagef("--smooth is about draws on the scan's own table: on another table voxels are drawn independently of each other")
	case o.rician && o.sigma == 0:
		return usageHint("give the noise level with --sigma", "--rician adds no noise without --sigma")
	case o.like != "" && o.train != "":
		return usagef("--like and --train exclude each other: draws of a scan need no training")
	case o.stripOut != "" && !strings.HasSuffix(strings.ToLower(o.stripOut), ".png"):
		return usagef("--strip-out %s: the name must end in .png", o.stripOut)
	case o.stripOut != "" && o.like != "":
		return usageHint("dmri-denoise qc strip "+o.like+" --reverse", "--strip-out draws the reverse process of single voxels, not of a scan")
	case o.like != "" && o.steps != 0:
		return usagef("--train-steps is about single voxels, not about --like")
	case o.clean && o.train == "":
		return usagef("--clean is about the scan of --train")
	case o.mask != "" && o.like == "" && o.train == "":
		return usagef("--mask is about the scan of --train or --like")
	case o.like == "" && o.tables.grad == "" && (o.tables.bval == "" || o.tables.bvec == ""):
		return usageHint("--bval FILE --bvec FILE, or --grad FILE", "sample needs the gradient table that signals are wanted for")
	}
	if err := o.tables.validate(); err != nil {
		return err
	}
	if err := o.tables.checkFiles(); err != nil {
		return err
	}
	for _, file := range []string{o.like, o.train, o.mask} {
		if file == "" {
			continue
		}
		if err := checkInput(file); err != nil {
			return err
		}
	}
	if o.like == "" {
		if _, ok := voxelGrid(o.count); !ok {
			return usageHint(fmt.Sprintf("--count %d", (o.count+99)/100*100), "--count %d: that many voxels form no grid that an image can have", o.count)
		}
	}
	return checkOutputs(append(o.besides(), o.images()...), []string{o.like, o.train, o.mask, o.tables.bval, o.tables.bvec, o.tables.grad}, o.force)
}

// readTables reads the table asked for and that of the scan.
func (o *sampleOptions) readTables() error {
	var err error
	beside := tableFlags{b0Threshold: o.tables.b0Threshold, scaling: o.tables.scaling}
	if o.tables.given() {
		if o.table, err = o.tables.read(o.like); err != nil {
			return err
		}
		if o.table.Len() == 0 {
			return badInputHint("give at least one b-value", "%v: the table is empty", o.table.Files)
		}
	}
	switch {
	case o.train != "":
		o.trainTable, err = beside.read(o.train)
	case o.like != "":
		o.ownLike, err = beside.read(o.like)
	}
	return err
}

// images lists the images to write, besides the files that lie beside them.
func (o *sampleOptions) images() []string {
	if o.count == 1 || o.like == "" {
		return []string{o.output}
	}
	return imputeFlags{samples: o.count}.sampleNames(o.output)
}

func (o *sampleOptions) besides() []string {
	stem, _ := imageStem(o.output)
	names := []string{stem + ".bval", stem + ".bvec", stem + ".json"}
	if o.stripOut != "" {
		names = append(names, o.stripOut)
	}
	return names
}

// voxelGrid returns the two sides nearest to each other whose product is n.
func voxelGrid(n int) ([2]int, bool) {
	side := int(math.Sqrt(float64(n)))
	for n%side != 0 {
		side--
	}
	return [2]int{n / side, side}, n/side <= math.MaxInt16
}

// sampleRecord is the .json beside the output, and --json.
type sampleRecord struct {
	Program  string                `json:"program"`
	Version  string                `json:"version"`
	Kind     string                `json:"kind"`
	Source   string                `json:"source"`
	Count    int                   `json:"count"`
	Seed     uint64                `json:"seed"`
	Sigma    float64               `json:"sigma"`
	Rician   bool                  `json:"rician"`
	Images   []string              `json:"images"`
	Smooth   *posterior.Smoothness `json:"smoothness,omitempty"`
	Training *synthesis.Report     `json:"training,omitempty"`
	Notes    []string              `json:"notes,omitempty"`
}

func (o *sampleOptions) record(kind, source string) sampleRecord {
	return sampleRecord{Program: programName, Version: programVersion(), Kind: kind, Source: source, Count: o.count, Seed: o.seed, Sigma: o.sigma, Rician: o.rician, Images: o.images()}
}

// write stages tables, record and images and gives them their names together; next makes the images one after another.
func (o *sampleOptions) write(ctx context.Context, u *ui, table *gradients.Table, r sampleRecord, next func(k int) (*nifti.Image, error)) error {
	files := newOutputs(o.force)
	defer files.discard()
	names := o.besides()
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	for k, name := range o.images() {
		im, err := next(k)
		if err != nil {
			return err
		}
		if o.sigma > 0 {
			synthesis.AddNoise(im.Voxels(), o.sigma, o.rician, o.seed, uint64(k))
		}
		if k == 0 {
			bval, err := files.plan(names[0])
			if err != nil {
				return err
			}
			bvec, err := files.plan(names[1])
			if err != nil {
				return err
			}
			affine, _ := im.Header.Affine()
			if err := table.Export(bval, bvec, affine, false); err != nil {
				return err
			}
			if err := files.write(names[2], append(text, '\n')); err != nil {
				return err
			}
		}
		if k == 0 && o.strip != nil {
			picture, err := files.plan(o.stripOut)
			if err != nil {
				return err
			}
			if err := qc.WritePNG(ctx, picture, o.strip, sampleStripDPI, false); err != nil {
				return err
			}
		}
		staged, err := files.plan(name)
		if err != nil {
			return err
		}
		if err := im.Write(ctx, staged, nifti.WriteOptions{Threads: o.threads}); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	if err := files.commit(); err != nil {
		return err
	}
	if o.json {
		return u.printJSON(r)
	}
	u.say("wrote %s", joinNames(o.images()))
	return nil
}

func joinNames(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return fmt.Sprintf("%s to %s", names[0], names[len(names)-1])
}
