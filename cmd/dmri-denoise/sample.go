package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

const sampleDescription = `Draws new versions of a scan: joint samples of its clean signals, each as plausible given the measurement as the next, to augment data sets and to test tractography. Errors keep their covariance over the volumes of a voxel, and neighbouring voxels get errors as alike as --smooth says.

With --target-bval and --target-bvec each draw is taken to another gradient table by the q-space model of impute, learned from the denoised scan. With --noise every volume gets noise of that standard deviation, Rician if the scan is a magnitude. Draw k is the same for any number of draws.

Written: OUT.nii.gz for one draw, OUT_1.nii.gz, OUT_2.nii.gz … for more, each with .bval, .bvec and .json.

EXAMPLES
   dmri-denoise sample --like dwi.nii.gz drawn.nii.gz --samples 5
   dmri-denoise sample --like dwi.nii.gz drawn.nii.gz --noise 12 --seed 3
   dmri-denoise sample --like dwi.nii.gz drawn.nii.gz --target-bval new.bval --target-bvec new.bvec

REFERENCES
   Stein 1981, Estimation of the mean of a multivariate normal distribution, Ann Stat 9:1135 (error without truth)
`

type sampleOptions struct {
	run        runOptions
	samples    int
	noise      float64
	smooth     float64
	bval, bvec string
}

func newSampleCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name: "sample", Usage: "draw new versions of a scan", ArgsUsage: "OUT.nii.gz", Description: sampleDescription,
		Flags: append(drawFlags(),
			&cli.StringFlag{Name: "like", Category: "input", Usage: "scan that draws are taken of, `IN.nii.gz`"},
			&cli.StringFlag{Name: "target-bval", Category: "input", Usage: "b-values of the table to draw on, `FILE`; the scan's own if not given"},
			&cli.StringFlag{Name: "target-bvec", Category: "input", Usage: "directions of the table to draw on, `FILE`"},
			&cli.IntFlag{Name: "samples", Value: 1, Category: "outputs", Usage: "draws, `N` from 1 to 1000"},
			&cli.Float64Flag{Name: "noise", Category: "outputs", Usage: "standard deviation `S` of noise to add, in the unit of the scan; 0 means none"},
			&cli.Float64Flag{Name: "smooth", Value: 0.6, Category: "outputs", Usage: "standard deviation `V` in voxels of the window that makes errors of neighbours alike; 0 means independent"},
		),
		Action: func(c *cli.Context) error {
			o, err := sampleOptionsFrom(c)
			if err != nil {
				return err
			}
			return o.do(c.Context, u)
		},
	}
}

func sampleOptionsFrom(c *cli.Context) (sampleOptions, error) {
	o := sampleOptions{samples: c.Int("samples"), noise: c.Float64("noise"), smooth: c.Float64("smooth"), bval: c.String("target-bval"), bvec: c.String("target-bvec")}
	const example = "dmri-denoise sample --like dwi.nii.gz drawn.nii.gz"
	switch {
	case c.NArg() != 1:
		return o, usageHint(example, "sample takes one output, %d names given", c.NArg())
	case c.String("like") == "":
		return o, usageHint(example, "sample needs --like IN.nii.gz")
	case o.samples < 1 || o.samples > 1000:
		return o, usagef("--samples %d: must be from 1 to 1000", o.samples)
	case !(o.noise >= 0) || math.IsInf(o.noise, 0):
		return o, usagef("--noise %g: must not be negative", o.noise)
	case !(o.smooth >= 0 && o.smooth <= 5):
		return o, usagef("--smooth %g: must be from 0 to 5 voxels", o.smooth)
	case (o.bval == "") != (o.bvec == ""):
		return o, usageHint("give both", "--target-bval and --target-bvec belong together")
	}
	for _, f := range []string{o.bval, o.bvec} {
		if f == "" {
			continue
		}
		if err := checkInput(f); err != nil {
			return o, err
		}
	}
	var err error
	o.run, err = drawOptionsFrom(c, c.String("like"), c.Args().First())
	return o, err
}

// stem returns the name of draw k without its ending, and the ending.
func (o sampleOptions) stem(k int) (string, string) {
	stem, suffix := imageStem(o.run.output)
	if o.samples > 1 {
		stem = fmt.Sprintf("%s_%d", stem, k+1)
	}
	return stem, suffix
}

func (o sampleOptions) outputs() []string {
	var out []string
	for k := range o.samples {
		stem, suffix := o.stem(k)
		out = append(out, stem+".bval", stem+".bvec", stem+".json", stem+suffix)
	}
	return out
}

func (o sampleOptions) do(ctx context.Context, u *ui) error {
	var target *gradients.Table
	if o.bval != "" {
		var err error
		if target, err = gradients.Read(gradients.Files{BVal: o.bval, BVec: o.bvec}, gradients.Options{}); err != nil {
			return err
		}
	}
	files := newOutputs(o.run.force)
	defer files.discard()
	bar := newProgress(u)
	defer bar.finish()
	d, err := takeDraws(ctx, u, bar, o.run, o.outputs())
	if err != nil {
		return err
	}
	var transfer *transfer
	if target != nil {
		if transfer, err = o.learnTransfer(ctx, d, target); err != nil {
			return err
		}
	}
	for k := range o.samples {
		bar.report("draws", k, o.samples)
		if err := o.one(ctx, files, d, transfer, k); err != nil {
			return err
		}
	}
	if err := files.commit(); err != nil {
		return err
	}
	bar.finish()
	u.say("wrote %d draws of %s", o.samples, o.run.input)
	return nil
}

// transfer takes signals to another table.
type transfer struct {
	table   *gradients.Table
	targets *impute.Targets
	given   *impute.QConditional
}

// learnTransfer learns the q-space model from the denoised foreground.
func (o sampleOptions) learnTransfer(ctx context.Context, d *drawn, table *gradients.Table) (*transfer, error) {
	affine, _ := d.scan.image.Header.Affine()
	own, target := d.table.ToFSL(affine), table.ToFSL(affine)
	drawer := d.posterior.NewDrawer()
	row := make([]float32, own.Len())
	var rows []float32
	for r, v := range d.posterior.Grid.Voxel {
		if d.result.Foreground[v] {
			drawer.Mean(row, r)
			for _, x := range row {
				rows = append(rows, x/d.result.Sigma.Volume(0)[v])
			}
		}
	}
	wrong := func(err error) error {
		return badInputHint("give a table within the scan's b-values", "%s: %w", o.bval, err)
	}
	model, err := impute.NewQModel(ctx, rows, own, impute.QOptions{B0Threshold: o.run.tables.b0Threshold, Threads: o.run.threads})
	if err != nil {
		return nil, wrong(err)
	}
	targets, err := impute.NewTargets(model, target, false)
	if err != nil {
		return nil, wrong(err)
	}
	given, err := model.Given(own, targets.Points)
	if err != nil {
		return nil, wrong(err)
	}
	return &transfer{target, targets, given}, nil
}

// one makes and stages draw k.
func (o sampleOptions) one(ctx context.Context, files *outputs, d *drawn, t *transfer, k int) error {
	table := d.table
	if t != nil {
		table = t.table
	}
	im := d.scan.image.Like(table.Len())
	fields := d.posterior.Fields(k, o.smooth)
	sigma := d.result.Sigma.Volume(0)
	grid := d.posterior.Grid
	err := signals.EachRange(ctx, grid.Len(), 256, o.run.threads, func(_, from, to int) error {
		drawer, row, out := d.posterior.NewDrawer(), make([]float32, d.table.Len()), make([]float32, table.Len())
		var voxel *impute.QVoxel
		var points, made []float64
		if t != nil {
			voxel, points, made = t.given.NewVoxel(), make([]float64, t.targets.Points.Len()), make([]float64, table.Len())
		}
		for r := from; r < to; r++ {
			drawer.DrawFrom(row, r, k, fields)
			v := grid.Voxel[r]
			copy(out, row)
			if t != nil {
				for i := range row {
					row[i] /= sigma[v]
				}
				voxel.Read(row)
				voxel.Mean(points)
				t.targets.Combine(made, points)
				for i, x := range made {
					if d.result.Summary.RicianCorrected {
						x = max(x, 0)
					}
					out[i] = float32(x) * sigma[v]
				}
			}
			o.addNoise(out, v, k, d.result.Summary.RicianCorrected)
			for i, x := range out {
				im.Volume(i)[v] = x
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return o.stage(ctx, files, d, table, im, k)
}

// addNoise adds Gaussian noise, or makes the magnitude of the signal with noise
// in both channels.
func (o sampleOptions) addNoise(out []float32, voxel int32, k int, magnitude bool) {
	if o.noise == 0 {
		return
	}
	const noiseStream = 0x5851f42d4c957f2d
	rng := rand.New(rand.NewPCG(o.run.seed^noiseStream, uint64(voxel)<<16|uint64(k)))
	for i, x := range out {
		a := float64(x) + o.noise*rng.NormFloat64()
		if magnitude {
			a = math.Hypot(a, o.noise*rng.NormFloat64())
		}
		out[i] = float32(a)
	}
}

func (o sampleOptions) stage(ctx context.Context, files *outputs, d *drawn, table *gradients.Table, im *nifti.Image, k int) error {
	stem, suffix := o.stem(k)
	bval, err := files.plan(stem + ".bval")
	if err != nil {
		return err
	}
	bvec, err := files.plan(stem + ".bvec")
	if err != nil {
		return err
	}
	affine, _ := im.Header.Affine()
	if err := table.Export(bval, bvec, affine, false); err != nil {
		return err
	}
	data, err := encodeJSON(map[string]any{
		"Description": "draw from the posterior of a diffusion series; not a measurement", "Draw": k + 1, "RandomSeed": o.run.seed, "NoiseAdded": o.noise,
		"ErrorSmoothing": o.smooth, "Sources": []string{filepath.Base(o.run.input)}, "SoftwareName": programName, "SoftwareVersion": programVersion(),
		"DenoiseSummary": d.result.Summary,
	})
	if err != nil {
		return err
	}
	if err := files.write(stem+".json", data); err != nil {
		return err
	}
	staged, err := files.plan(stem + suffix)
	if err != nil {
		return err
	}
	return im.Write(ctx, staged, nifti.WriteOptions{Threads: o.run.threads})
}
