package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise"
)

const trainDescription = `Trains the learned prior on noisy scans of one protocol, without any truth, and writes a model that run --model takes. Training starts from the model that comes with the program, which knows simulated tissue only, from another model, or from nothing.

The loss is Stein's unbiased estimate of the squared error. A fifth of the voxels is held out; what is best there is kept, so training on scans that have nothing to teach returns the model it started from. The corrections that the network makes are weighed on the voxels held out. Both errors are printed: read them before using a model.

The model holds a second network, for directions that were not measured (run --target-bval, impute). It learns from directions that are held out, whose measurements are compared with what the others foretell: at the noise of the measurement by Stein's risk estimate, which is exact there, above it by the objective of Daras 2024, below it by consistency. --train-steps and --train-time are for each network.

The same scans, flags and seed give the same model, unless --train-time ends the training. A model file continues its training when it is given as --from.

EXAMPLES
   dmri-denoise train sub-*/dwi/*_dwi.nii.gz --out protocol.model
   dmri-denoise run sub-07_dwi.nii.gz --model protocol.model
   dmri-denoise train dwi.nii.gz --from protocol.model --train-steps 3000 --out better.model

REFERENCES
   Stein 1981, Estimation of the mean of a multivariate normal distribution, Ann Stat 9:1135
   Ramani, Blu & Unser 2008, Monte-Carlo SURE, IEEE Trans Image Process 17:1540
   Daras, Dimakis & Daskalakis 2024, Consistent diffusion meets Tweedie, ICML
   Loshchilov & Hutter 2019, Decoupled weight decay regularization, ICLR
`

type trainOptions struct {
	inputs  []string
	out     string
	from    string
	mask    string
	tables  tableFlags
	rician  string
	steps   int
	seconds int
	seed    uint64
	threads int
	force   bool
	json    bool
}

func newTrainCommand(u *ui) *cli.Command {
	const input, training, output, machine = "input", "training", "outputs", "machine and messages"
	flags := append(tableFlagSet(input),
		&cli.StringFlag{Name: "mask", Category: input, Usage: "train on voxels above zero in `FILE`; for one scan only"},
		&cli.StringFlag{Name: "rician", Category: input, Value: "auto", Usage: "magnitude images: `auto|on|off`; auto decides from the intensities"},
		&cli.StringFlag{Name: "from", Category: training, Value: "shipped", Usage: "start from `shipped|scratch|FILE`"},
		&cli.IntFlag{Name: "train-steps", Category: training, Value: 1000, Usage: "steps `N` of the optimiser at most"},
		&cli.IntFlag{Name: "train-time", Category: training, Usage: "begin no step after `SECONDS`; 0 is no limit, and needed for the same model every time"},
		categorised(seedFlag("`SEED` of samples, probes and batches"), training),
		&cli.StringFlag{Name: "out", Category: output, Usage: "model, `FILE` to write"},
		categorised(forceFlag(), output),
		&cli.IntFlag{Name: "nthreads", Aliases: []string{"threads"}, Category: machine, Usage: "threads, `N` (default as for run)"},
		categorised(jsonFlag("a summary"), machine), categorised(quietFlag(), machine), categorised(verboseFlag(), machine),
	)
	return &cli.Command{
		Name: "train", Usage: "train the learned prior on noisy scans of one protocol", ArgsUsage: "IN.nii.gz ...",
		Description: trainDescription, Flags: flags,
		Action: func(c *cli.Context) error {
			o, err := trainOptionsFrom(c)
			if err != nil {
				return err
			}
			return runTrain(c.Context, u, o)
		},
	}
}

func trainOptionsFrom(c *cli.Context) (trainOptions, error) {
	o := trainOptions{
		inputs: c.Args().Slice(), out: c.String("out"), from: c.String("from"), mask: c.String("mask"), tables: tableFlagsFrom(c), rician: c.String("rician"),
		steps: c.Int("train-steps"), seconds: c.Int("train-time"), seed: c.Uint64("seed"), force: c.Bool("force"), json: c.Bool("json"),
	}
	var err error
	if o.threads, err = threadCount(c.Int("nthreads"), c.IsSet("nthreads"), os.Getenv); err != nil {
		return o, err
	}
	return o, o.validate()
}

// validate checks what needs no file, then that the input files are there.
func (o *trainOptions) validate() error {
	const example = "dmri-denoise train dwi.nii.gz --out protocol.model"
	switch {
	case len(o.inputs) == 0:
		return usageHint(example, "train needs at least one scan")
	case o.out == "":
		return usageHint(example, "train needs --out FILE for the model")
	case len(o.inputs) > 1 && (o.mask != "" || o.tables.given()):
		return usageHint("train on one scan at a time with --from, or leave tables beside the images", "--mask and gradient files are for one scan, %d are given", len(o.inputs))
	case o.steps < 1 || o.steps > 1_000_000:
		return usagef("--train-steps %d: must be from 1 to 1000000", o.steps)
	case o.seconds < 0:
		return usagef("--train-time %d: must not be negative", o.seconds)
	}
	if err := oneOf("rician", o.rician, "auto", "on", "off"); err != nil {
		return err
	}
	if err := o.tables.validate(); err != nil {
		return err
	}
	for _, file := range append([]string{o.mask, o.fromFile()}, o.inputs...) {
		if file == "" {
			continue
		}
		if err := checkInput(file); err != nil {
			return err
		}
	}
	return o.tables.checkFiles()
}

// fromFile is the model file that training starts from, "" if none.
func (o *trainOptions) fromFile() string {
	if o.from == "shipped" || o.from == "scratch" {
		return ""
	}
	return o.from
}

// runTrain reads, trains and writes.
func runTrain(ctx context.Context, u *ui, o trainOptions) error {
	inputs := append([]string{o.mask, o.fromFile(), o.tables.bval, o.tables.bvec, o.tables.grad}, o.inputs...)
	if err := checkOutputs([]string{o.out}, inputs, o.force); err != nil {
		return err
	}
	files := newOutputs(o.force)
	defer files.discard()
	if _, err := files.reserve(filepath.Dir(o.out)); err != nil {
		return err
	}
	limitThreads(o.threads)
	bar := newProgress(u)
	defer bar.finish()
	settings := denoise.TrainOptions{
		Scratch: o.from == "scratch", Steps: o.steps, Time: time.Duration(o.seconds) * time.Second, B0Threshold: o.tables.b0Threshold,
		Rician: ricianModes[o.rician], Seed: o.seed, Threads: o.threads,
		Progress: func(stage denoise.Stage, done, total int) { bar.report(string(stage), done, total) },
	}
	if name := o.fromFile(); name != "" {
		var err error
		if settings.From, err = readModel(name); err != nil {
			return err
		}
	}
	started := time.Now()
	models, report, err := denoise.Train(ctx, len(o.inputs), o.load, settings)
	if err != nil {
		return explainTrain(err)
	}
	var b bytes.Buffer
	if err := models.Write(&b); err != nil {
		return err
	}
	if err := files.write(o.out, b.Bytes()); err != nil {
		return err
	}
	if err := files.commit(); err != nil {
		return err
	}
	bar.finish()
	u.say("squared error on %d samples held out, estimated, in sigma²: gaussian %.4f, before training %.4f, after %.4f",
		report.HeldOut, report.Gaussian, report.Before, report.After)
	if report.After >= report.Before {
		u.say("training found nothing better than what it started from")
	}
	if r := report.Unseen; r != nil {
		u.say("directions not measured: error on %d samples held out, over what the gaussian prediction expects: gaussian %.4f, before training %.4f, after %.4f",
			r.HeldOut, r.Gaussian, r.Before, r.After)
	} else {
		u.say("directions not measured: the scans can spare none to learn from, so the model has no network for them")
	}
	u.say("wrote %s (%.1f s)", o.out, time.Since(started).Seconds())
	if o.json {
		return u.printJSON(struct {
			Version string `json:"version"`
			Model   string `json:"model"`
			*denoise.TrainReport
			Seconds float64 `json:"seconds"`
		}{programVersion(), o.out, report, roundTo(time.Since(started).Seconds(), 2)})
	}
	return nil
}

// load reads the i-th scan with its table.
func (o *trainOptions) load(ctx context.Context, i int) (*denoise.TrainScan, error) {
	name := o.inputs[i]
	table, err := o.tables.read(name)
	if err != nil {
		return nil, err
	}
	image, err := readWithin(ctx, name, arraysTrained)
	if err != nil {
		return nil, err
	}
	s := &denoise.TrainScan{Name: filepath.Base(name), Image: image, Table: table}
	if o.mask != "" {
		if s.Mask, err = loadMask(ctx, o.mask); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// explainTrain names the remedy.
func explainTrain(err error) error {
	switch {
	case errors.Is(err, denoise.ErrModelMismatch), errors.Is(err, denoise.ErrMismatch), errors.Is(err, denoise.ErrEmptyMask):
		return badInput(err)
	case errors.Is(err, denoise.ErrSingleVolume):
		return badInputHint("use --prior gaussian for such scans", "%w", err)
	}
	return err
}

// readModel reads a model file.
func readModel(name string) (*denoise.Models, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, badInput(err)
	}
	defer f.Close()
	m, err := denoise.ReadModels(f)
	if err != nil {
		return nil, badInputHint("give a model that train of this version wrote", "%s: %w", name, err)
	}
	return m, nil
}
