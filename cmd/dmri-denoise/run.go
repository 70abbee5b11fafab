package main

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/diffusion"
)

const runDescription = `Removes thermal noise from a 4-D diffusion scan. The b-values and directions are found beside the image (IN.bval, IN.bvec) or named by flags; without any the scan is denoised all the same, with a warning. The noise level is estimated from the scan itself, or taken from --noise-in. Every voxel's signals are read as a forward sample of a diffusion model at exactly its own noise level, and the output is the posterior mean of the reverse process under a prior learned from the scan; no training data is needed. A network trained on simulated tissue corrects that prior where the scan itself shows, without truth, that it helps.

Denoise first: before Gibbs unringing, distortion or motion correction, which all make the noise correlated.

Slices and volumes that the other directions contradict, and those that are zero-filled, constant or not numbers, are taken for lost and replaced by what the other directions predict; --impute off takes them as they are, --impute LIST names them. What was replaced is told, listed in the .json and drawn in the pictures. With --target-bval and --target-bvec the output is the scan on another gradient table.

Written, with OUT = IN_denoised.nii.gz unless given: the denoised image OUT (float32, header otherwise as in the input), OUT's .bval and .bvec (copies, byte for byte), OUT's .json (the input's .json if there is one, with all parameters added), the noise map OUT_noise.nii.gz, and in OUT_qc/ the page report.html, its figures/ and all figures of merit as metrics.json and metrics.tsv. The image appears last, so its presence means that all is complete; if anything fails nothing is left behind. The same input, flags and seed give the same bytes for any number of threads.

EXAMPLES
   dmri-denoise run dwi.nii.gz
   dmri-denoise run dwi.nii.gz clean.nii.gz --mask brain.nii.gz --nthreads 4
   dmri-denoise run dwi.nii.gz --noise-in 12.5 --no-qc
   dmri-denoise run dwi.nii.gz --impute 12,31:4-9                                     # volume 12 and slices 4-9 of volume 31 are bad
   dmri-denoise run dwi.nii.gz out.nii.gz --target-bval new.bval --target-bvec new.bvec --std-out std.nii.gz
   dmri-denoise run dwi.nii.gz --prior learned --model protocol.model
   dmri-denoise run dwi.nii.gz --dry-run
   dmri-denoise run -nthreads 4 -noise sigma.nii.gz -fslgrad dwi.bvec dwi.bval dwi.nii.gz out.nii.gz   # MRtrix spellings

REFERENCES
   Ho, Jain & Abbeel 2020, Denoising diffusion probabilistic models, NeurIPS (linear schedule, ancestral sampler)
   Nichol & Dhariwal 2021, Improved denoising diffusion probabilistic models, ICML (cosine schedule)
   Song, Meng & Ermon 2021, Denoising diffusion implicit models, ICLR (ddim sampler)
   Song et al. 2021, Score-based generative modeling through stochastic differential equations, ICLR (sde sampler)
   Lebrun, Buades & Morel 2013, A nonlocal Bayesian image denoising algorithm, SIAM J Imaging Sci 6:1665
   Stein 1981, Estimation of the mean of a multivariate normal distribution, Ann Stat 9:1135 (risk without truth)
   Gavish & Donoho 2017, Optimal shrinkage of singular values, IEEE Trans Inf Theory 63:2137
   Koay & Basser 2006, Analytically exact correction scheme for signal extraction from noisy magnitude MR signals, JMR 179:317
`

// runOptions is one validated command line of run.
type runOptions struct {
	input, output string
	tables        tableFlags
	mask          string
	noiseFile     string  // --noise-in as a file
	noiseNumber   float64 // --noise-in as a number, 0 = not given
	noiseOut      string
	residualOut   string
	guardOut      string
	prior         string
	model         string // file of the learned prior, "" = the one shipped
	schedule      diffusion.Schedule
	sampler       string
	samplerSteps  int
	rician        string
	nan           string
	qcDir         string // "" = no report
	timings       bool   // in the report and the metrics
	extent        [3]int // block size, zero = chosen by the method
	threads       int
	memory        int64
	seed          uint64
	impute        imputeFlags
	force         bool
	dryRun        bool
	json          bool
}

func newRunCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:        "run",
		Usage:       "denoise a diffusion scan",
		ArgsUsage:   "IN.nii.gz [OUT.nii.gz]",
		Description: runDescription,
		Flags:       runFlags(),
		Action:      func(c *cli.Context) error { return planAndRun(c, u, runOptionsFrom) },
	}
}

// planAndRun plans what the command line asks for and does it, or prints the plan.
func planAndRun(c *cli.Context, u *ui, optionsFrom func(*cli.Context) (runOptions, error)) error {
	o, err := optionsFrom(c)
	if err != nil {
		return err
	}
	plan, err := o.plan()
	if err != nil {
		return err
	}
	plan.warn(u)
	if o.dryRun {
		return plan.print(u, o.json)
	}
	return runScan(c.Context, u, o, plan)
}

func runFlags() []cli.Flag {
	const input, noise, prior, imputation, output, machine = "input", "noise", "prior", "imputation", "outputs", "machine and messages"
	flags := tableFlagSet(input)
	flags = append(flags, imputeFlagSet(imputation)...)
	return append(flags,
		&cli.StringFlag{Name: "mask", Category: input, Usage: "denoise voxels above zero in `FILE`; without it air is told from head by the intensities"},
		&cli.StringFlag{Name: "nan", Category: input, Value: "keep", Usage: "voxels that are not finite numbers: `keep|zero` in the output"},

		&cli.StringFlag{Name: "noise-in", Category: noise, Usage: "noise standard deviation, `FILE|NUMBER`; estimated from the scan if not given"},
		&cli.StringFlag{Name: "noise-out", Aliases: []string{"noise"}, Category: noise, Usage: "noise map, `FILE` (default OUT_noise.nii.gz)"},
		&cli.StringFlag{Name: "rician", Category: noise, Value: "auto", Usage: "remove the bias of magnitude images: `auto|on|off`; auto decides from the intensities"},

		&cli.StringFlag{Name: "prior", Category: prior, Value: "fast", Usage: "prior of the clean signals: `fast|auto|gaussian|soft|local|learned`; fast takes gaussian or soft, whichever has the lower error, estimated from the scan itself; auto corrects it by the learned prior where that has a lower one: about 9 % less error for three times the work"},
		modelFlag(prior),
		&cli.StringFlag{Name: "schedule", Category: prior, Value: "cosine", Usage: "noise schedule of the diffusion model, `cosine|linear`"},
		&cli.IntFlag{Name: "timesteps", Category: prior, Value: 1000, Usage: "timesteps `T` of the schedule"},
		&cli.StringFlag{Name: "sampler", Category: prior, Value: "mean", Usage: "what to write, `mean|ddim|ancestral|sde`: mean is the posterior mean and the estimate with the least error, ddim the deterministic path, the other two a random draw from the posterior"},
		&cli.IntFlag{Name: "sampler-steps", Category: prior, Usage: "steps `N` of the sampler: more are slower and exacter (default: sde 50, ancestral 200, ddim 100)"},
		&cli.StringFlag{Name: "extent", Category: prior, Usage: "block size, odd `X,Y,Z` voxels or one number for all three (default: chosen by the method)"},
		categorised(seedFlag("`SEED` of random draws"), prior),

		&cli.StringFlag{Name: "residual-out", Category: output, Usage: "input minus output, 4-D `FILE`; not written if not given"},
		&cli.StringFlag{Name: "guard-out", Category: output, Usage: "per voxel the number of values changed by more than noise explains, 3-D `FILE`; not written if not given"},
		&cli.StringFlag{Name: "qc-dir", Category: output, Usage: "folder `DIR` for the report, figures and metrics (default OUT_qc)"},
		&cli.BoolFlag{Name: "no-qc", Category: output, Usage: "no report, figures and metrics"},
		&cli.BoolFlag{Name: "timings", Category: output, Usage: "write time, threads and memory into report and metrics, which then differ from run to run"},
		categorised(forceFlag(), output),
		&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Category: output, Usage: "list inputs, outputs, shells and memory, then stop"},

		&cli.IntFlag{Name: "nthreads", Aliases: []string{"threads"}, Category: machine, Usage: "threads, `N`; default SLURM_CPUS_PER_TASK, NSLOTS, PBS_NCPUS or OMP_NUM_THREADS, else all CPUs allowed; 0 means one"},
		&cli.StringFlag{Name: "mem", Category: machine, Usage: "work within `SIZE` (8G, 4000M): a scan that needs more is worked on in a scratch file beside the output, with the same result; stop at once if that is not enough either"},
		categorised(jsonFlag("a summary"), machine), categorised(quietFlag(), machine), categorised(verboseFlag(), machine),
	)
}

// categorised puts a shared flag under a heading of the help page.
func categorised(f cli.Flag, category string) cli.Flag {
	switch f := f.(type) {
	case *cli.BoolFlag:
		f.Category = category
	case *cli.Uint64Flag:
		f.Category = category
	}
	return f
}

func runOptionsFrom(c *cli.Context) (runOptions, error) {
	o := runOptions{
		tables: tableFlagsFrom(c), mask: c.String("mask"), nan: c.String("nan"),
		noiseOut: c.String("noise-out"), residualOut: c.String("residual-out"), guardOut: c.String("guard-out"),
		prior: c.String("prior"), model: c.String("model"), sampler: c.String("sampler"), samplerSteps: c.Int("sampler-steps"),
		rician: c.String("rician"), seed: c.Uint64("seed"),
		qcDir: c.String("qc-dir"), timings: c.Bool("timings"), force: c.Bool("force"), dryRun: c.Bool("dry-run"), json: c.Bool("json"),
	}
	o.considerModel(c)
	if err := o.takeNames(c); err != nil {
		return o, err
	}
	if err := o.takeNoise(c.String("noise-in")); err != nil {
		return o, err
	}
	var err error
	if o.threads, err = threadCount(c.Int("nthreads"), c.IsSet("nthreads"), os.Getenv); err != nil {
		return o, err
	}
	if o.memory, err = parseSize("mem", c.String("mem")); err != nil {
		return o, err
	}
	if o.extent, err = parseExtent(c.String("extent")); err != nil {
		return o, err
	}
	if o.schedule, err = scheduleFromFlags(c); err != nil {
		return o, err
	}
	if o.impute, err = imputeFlagsFrom(c, c.String("impute"), "impute"); err != nil {
		return o, err
	}
	return o, o.validate()
}

// takeNames reads the positionals and fills in the names that follow from them.
func (o *runOptions) takeNames(c *cli.Context) error {
	const example = "dmri-denoise run dwi.nii.gz denoised.nii.gz"
	switch c.NArg() {
	case 0:
		return usageHint(example, "run needs an input image")
	case 1, 2:
		o.input = c.Args().First()
	default:
		return usageHint(example, "run takes one input and one output, %d names given: %s", c.NArg(), strings.Join(c.Args().Slice(), " "))
	}
	if o.output = c.Args().Get(1); c.NArg() == 1 {
		o.output = defaultOutput(o.input)
	}
	if o.input == "" || o.output == "" {
		return usageHint("is a shell variable not set?", "the name of the input or of the output is empty")
	}
	stem, _ := imageStem(o.output)
	if o.noiseOut == "" {
		o.noiseOut = stem + "_noise.nii.gz"
	}
	switch {
	case c.Bool("no-qc") && o.qcDir != "" && c.IsSet("qc-dir") && c.IsSet("no-qc"):
		return usagef("--no-qc and --qc-dir exclude each other")
	case c.Bool("no-qc"):
		o.qcDir = ""
	case o.qcDir == "":
		o.qcDir = stem + "_qc"
	}
	return nil
}

// defaultOutput is IN_denoised beside the input, compressed as the input is.
func defaultOutput(input string) string {
	stem, suffix := imageStem(input)
	if strings.ToLower(suffix) != ".nii" {
		suffix = ".nii.gz"
	}
	return stem + "_denoised" + suffix
}

func (o *runOptions) takeNoise(text string) error {
	var err error
	o.noiseFile, o.noiseNumber, err = noiseOf("noise-in", text)
	return err
}

// noiseOf reads a noise level given by a flag: a number, or else the name of a file.
func noiseOf(flag, text string) (file string, number float64, err error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text, 0, nil
	}
	if !(n > 0) || math.IsInf(n, 0) {
		return "", 0, usagef("--%s %s: the noise standard deviation must be above zero", flag, text)
	}
	return "", n, nil
}

// validate checks what needs no file, then that the input files are there.
func (o *runOptions) validate() error {
	for _, choice := range []struct {
		flag, value string
		allowed     []string
	}{
		{"prior", o.prior, []string{"fast", "auto", "gaussian", "soft", "local", "learned"}},
		{"sampler", o.sampler, []string{"mean", "ddim", "ancestral", "sde"}},
		{"rician", o.rician, []string{"auto", "on", "off"}},
		{"nan", o.nan, []string{"keep", "zero"}},
	} {
		if err := oneOf(choice.flag, choice.value, choice.allowed...); err != nil {
			return err
		}
	}
	if err := o.tables.validate(); err != nil {
		return err
	}
	if err := o.impute.validate(); err != nil {
		return err
	}
	if o.samplerSteps < 0 || o.samplerSteps > maxSamplerSteps {
		return usagef("--sampler-steps %d: must be from 1 to %d", o.samplerSteps, maxSamplerSteps)
	}
	for _, image := range []struct{ flag, name string }{{"output", o.output}, {"--noise-out", o.noiseOut}, {"--residual-out", o.residualOut}, {"--guard-out", o.guardOut},
		{"--std-out", o.impute.stdOut}, {"--imputed-out", o.impute.maskOut}} {
		if image.name == "" {
			continue
		}
		if err := checkImageName(image.flag, image.name); err != nil {
			return err
		}
	}
	if o.model != "" && o.prior != "auto" && o.prior != "learned" {
		return usageHint("leave out --prior, or --model", "--model %s: --prior %s does not use a model", o.model, o.prior)
	}
	if sameFile(o.output, o.input) {
		return inputOverwritten(o.output, o.input)
	}
	for _, file := range []string{o.input, o.mask, o.noiseFile, o.model} {
		if file == "" {
			continue
		}
		if err := checkInput(file); err != nil {
			return err
		}
	}
	if err := o.impute.checkFiles(); err != nil {
		return err
	}
	return o.tables.checkFiles()
}

// runScan does the work of one scan: read, denoise, write everything aside, then publish it all.
func runScan(ctx context.Context, u *ui, o runOptions, plan *runPlan) error {
	started := time.Now()
	files := newOutputs(o.force)
	defer files.discard()
	for _, name := range plan.outputs() {
		if _, err := files.reserve(filepath.Dir(name)); err != nil {
			return err
		}
	}
	if err := plan.checkSpace(); err != nil {
		return err
	}
	limitMachine(o.threads, plan)
	scratchDir, err := files.reserve(filepath.Dir(plan.image))
	if err != nil {
		return err
	}
	s, err := loadScan(ctx, u, o, plan, scratchDir)
	defer s.close()
	if err != nil {
		return err
	}
	result, err := denoiseScan(ctx, u, o, plan, s)
	if err != nil {
		return err
	}
	writer := &resultWriter{ui: u, plan: plan, files: files, started: started}
	pictures, err := writer.write(ctx, s, result)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := files.commit(); err != nil {
		return err
	}
	return plan.summary(result, writer, pictures).report(u, o.json)
}

func modelFlag(category string) cli.Flag {
	return &cli.StringFlag{Name: "model", Category: category, Usage: "learned prior from `FILE`, which train made of scans of the same protocol, instead of the one that comes with the program"}
}

// considerModel makes a model that is given one that is considered.
func (o *runOptions) considerModel(c *cli.Context) {
	if o.model != "" && !c.IsSet("prior") {
		o.prior = "auto"
	}
}
