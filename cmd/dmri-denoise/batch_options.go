package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mattn/go-shellwords"
	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/internal/batch"
	"github.com/dmri-denoise/dmri-denoise/internal/bids"
)

// Engines of batch.
const (
	engineLocal = "local"
	engineSlurm = "slurm"
	enginePlan  = "plan"
)

// batchOptions is one validated command line of batch.
type batchOptions struct {
	bidsDir, outDir, workDir string // absolute
	level                    string
	filter                   bids.Filter
	derivative               bool
	settings                 []batch.Setting // flags of run that were given
	maps                     []string

	engine  string
	threads int   // in all, local engine
	perScan int   // for one scan
	jobs    int   // scans at once, 0 = as many as fit
	memory  int64 // in all, local engine
	cluster batch.SlurmOptions
	detach  bool

	force, dryRun, json bool
}

func batchFlags() []cli.Flag {
	const which, engine, slurm, machine = "which scans", "outputs and engine", "Slurm", "machine and messages"
	flags := []cli.Flag{
		&cli.StringSliceFlag{Name: "participant-label", Aliases: []string{"participant_label"}, Category: which, Usage: "only these subjects, `LABEL...`, with or without sub-"},
		&cli.StringSliceFlag{Name: "session-id", Aliases: []string{"session_id", "session-label", "session_label"}, Category: which, Usage: "only these sessions, `LABEL...`, with or without ses-"},
		&cli.StringFlag{Name: "bids-filter-file", Aliases: []string{"bids_filter_file"}, Category: which, Usage: "JSON `FILE` that says which entities, as for QSIPrep: {\"dwi\": {\"acquisition\": \"b\"}}"},
		&cli.BoolFlag{Name: "allow-derivative", Category: which, Usage: "accept a BIDS_DIR that is itself a derived data set"},
		&cli.BoolFlag{Name: "skip-bids-validation", Aliases: []string{"skip_bids_validation", "skip-bids-validator", "skip_bids_validator", "notrack"}, Category: which, Usage: "accepted and of no effect: nothing is validated beyond what is used, nothing is tracked"},

		&cli.StringFlag{Name: "maps", Category: engine, Usage: "more maps to write, a list such as `" + strings.Join(extraMaps(), ",") + "`"},
		&cli.StringFlag{Name: "engine", Category: engine, Value: engineLocal, Usage: "where to run: `local|slurm|plan`"},
		&cli.StringFlag{Name: "work-dir", Aliases: []string{"work_dir", "w"}, Category: engine, Usage: "private `DIR` of running scans, best on the disk of OUT_DIR (default OUT_DIR/.dmri-denoise-work)"},
		categorised(forceFlag(), engine),
		&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Category: engine, Usage: "list scans, what would be done with each and the memory, then stop"},

		&cli.IntFlag{Name: "nthreads", Aliases: []string{"threads", "n-cpus", "n_cpus", "nprocs"}, Category: machine, Usage: "threads in all, `N`; default as for run"},
		&cli.IntFlag{Name: "omp-nthreads", Aliases: []string{"omp_nthreads"}, Category: machine, Usage: "threads of one scan, `N` (default: local 1, or more if there are few scans; slurm 2)"},
		&cli.IntFlag{Name: "jobs", Aliases: []string{"j"}, Category: machine, Usage: "scans at once on this machine, `N` (default: as many as threads and memory allow)"},
		&cli.StringFlag{Name: "mem", Aliases: []string{"mem-mb", "mem_mb"}, Category: machine, Usage: "memory in all, `SIZE` (8G, 4000M; a bare number is MB); default what the machine has to give"},
		categorised(jsonFlag("what became of each scan"), machine), categorised(quietFlag(), machine), categorised(verboseFlag(), machine),

		&cli.StringFlag{Name: "slurm-opts", Category: slurm, Usage: "more options of sbatch, `OPTIONS` as one text"},
		&cli.IntFlag{Name: "slurm-throttle", Category: slurm, Usage: "at most `N` elements of an array at once"},
		&cli.IntFlag{Name: "slurm-time", Category: slurm, Usage: "time limit of a scan, `MINUTES` (default estimated, cautiously)"},
		&cli.StringFlag{Name: "slurm-mem", Category: slurm, Usage: "memory of a scan, `SIZE` (default estimated)"},
		&cli.IntFlag{Name: "array-size", Category: slurm, Usage: "at most `N` elements in an array (default: what the cluster allows)"},
		&cli.StringFlag{Name: "slurm-program", Category: slurm, Usage: "how the nodes start this program, `COMMAND`, such as 'apptainer run dmri-denoise.sif' (default: the path of this program)"},
		&cli.BoolFlag{Name: "detach", Category: slurm, Usage: "submit and return"},
	}
	return append(flags, scanFlags()...)
}

func batchOptionsFrom(c *cli.Context) (batchOptions, error) {
	o := batchOptions{engine: c.String("engine"), jobs: c.Int("jobs"), perScan: c.Int("omp-nthreads"), detach: c.Bool("detach"),
		derivative: c.Bool("allow-derivative"), force: c.Bool("force"), dryRun: c.Bool("dry-run"), json: c.Bool("json"), settings: scanSettings(c)}
	if err := o.takePlaces(c); err != nil {
		return o, err
	}
	if err := oneOf("engine", o.engine, engineLocal, engineSlurm, enginePlan); err != nil {
		return o, err
	}
	if err := o.takeFilter(c); err != nil {
		return o, err
	}
	if err := o.takeMaps(c.String("maps")); err != nil {
		return o, err
	}
	if err := o.takeMachine(c); err != nil {
		return o, err
	}
	return o, o.takeCluster(c)
}

// takePlaces reads BIDS_DIR OUT_DIR LEVEL.
func (o *batchOptions) takePlaces(c *cli.Context) error {
	const example = programName + " batch BIDS_DIR OUT_DIR participant"
	if c.NArg() != 3 {
		hint := example
		if c.IsSet("participant-label") || c.IsSet("session-id") {
			hint += "; lists of labels take all words up to the next flag, so put them last, or write 01,02"
		}
		return usageHint(hint, "batch takes BIDS_DIR, OUT_DIR and a level, %d words given: %s", c.NArg(), strings.Join(c.Args().Slice(), " "))
	}
	o.level = c.Args().Get(2)
	if err := oneOf("level", o.level, levelParticipant, levelGroup); err != nil {
		return usageHint(example, "the third word is the level, participant or group, not %q", o.level)
	}
	for i, place := range []*string{&o.bidsDir, &o.outDir} {
		if c.Args().Get(i) == "" {
			return usageHint("is a shell variable not set?", "the name of a folder is empty")
		}
		var err error
		if *place, err = filepath.Abs(c.Args().Get(i)); err != nil {
			return err
		}
	}
	if sameFile(o.bidsDir, o.outDir) {
		return usageHint("give "+filepath.Join(o.bidsDir, "derivatives", programName), "BIDS_DIR and OUT_DIR are the same folder")
	}
	if info, err := os.Stat(o.outDir); err == nil && !info.IsDir() {
		return usagef("OUT_DIR %s is a file", o.outDir)
	}
	o.workDir = filepath.Join(o.outDir, ".dmri-denoise-work")
	if dir := c.String("work-dir"); dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		o.workDir = filepath.Join(abs, "dmri-denoise-work") // a folder of its own: what is in it may be removed
	}
	return nil
}

func (o *batchOptions) takeFilter(c *cli.Context) error {
	var err error
	if o.filter.Subjects, err = bids.Labels("sub", c.StringSlice("participant-label")); err != nil {
		return usagef("--participant-label %s", err)
	}
	if o.filter.Sessions, err = bids.Labels("ses", c.StringSlice("session-id")); err != nil {
		return usagef("--session-id %s", err)
	}
	if file := c.String("bids-filter-file"); file != "" {
		if err := checkInput(file); err != nil {
			return err
		}
		if o.filter.Entities, err = bids.ReadFilterFile(file); err != nil {
			return bidsError(err)
		}
	}
	return nil
}

func (o *batchOptions) takeMaps(text string) error {
	if text == "" {
		return nil
	}
	for _, name := range strings.Split(text, ",") {
		if err := oneOf("maps", name, extraMaps()...); err != nil {
			return err
		}
		o.maps = append(o.maps, name)
	}
	slices.Sort(o.maps)
	o.maps = slices.Compact(o.maps)
	return nil
}

func (o *batchOptions) takeMachine(c *cli.Context) error {
	for _, name := range []string{"jobs", "omp-nthreads", "slurm-throttle", "slurm-time", "array-size"} {
		if c.IsSet(name) && c.Int(name) < 1 {
			return usagef("--%s %d: must be at least 1", name, c.Int(name))
		}
	}
	if err := o.takeBudget(c); err != nil {
		return err
	}
	switch {
	case o.perScan > 0 && o.engine == engineLocal:
		o.perScan = min(o.perScan, o.threads)
		if o.jobs == 0 {
			o.jobs = max(o.threads/o.perScan, 1)
		}
	case o.perScan > 0:
	case o.engine == engineLocal:
		o.perScan = 1
	default:
		o.perScan = clusterThreads
	}
	return nil
}

// takeBudget reads what this machine may give in all: --nthreads and --mem.
func (o *batchOptions) takeBudget(c *cli.Context) error {
	var err error
	if o.threads, err = threadCount(c.Int("nthreads"), c.IsSet("nthreads"), os.Getenv); err != nil {
		return err
	}
	if o.memory, err = parseSize("mem", c.String("mem")); err != nil {
		return err
	}
	if o.memory == 0 {
		o.memory = availableMemory()
	}
	return nil
}

// clusterThreads is how many threads a scan gets on a cluster unless told otherwise: enough that it is not slow, few enough
// that it finds a place.
const clusterThreads = 2

func (o *batchOptions) takeCluster(c *cli.Context) error {
	o.cluster = batch.SlurmOptions{Throttle: c.Int("slurm-throttle"), Minutes: c.Int("slurm-time"), ArraySize: c.Int("array-size")}
	var err error
	if o.cluster.Memory, err = parseSize("slurm-mem", c.String("slurm-mem")); err != nil {
		return err
	}
	if o.cluster.Extra, err = splitWords("slurm-opts", c.String("slurm-opts")); err != nil {
		return err
	}
	if o.cluster.Program, err = splitWords("slurm-program", c.String("slurm-program")); err != nil {
		return err
	}
	if len(o.cluster.Program) == 0 {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("this program does not know its own path; give --slurm-program: %w", err)
		}
		o.cluster.Program = []string{self}
	}
	if o.engine == engineSlurm && strings.ContainsAny(o.outDir, "\r\n") {
		return usageHint("give OUT_DIR another name", "--engine slurm: the name %q has a line break, behind which a job script would go on with a command", o.outDir)
	}
	if o.detach && o.engine != engineSlurm {
		return usageHint("add --engine slurm", "--detach goes with --engine slurm")
	}
	return nil
}

// splitWords takes a text apart as a shell does.
func splitWords(flag, text string) ([]string, error) {
	words, err := shellwords.Parse(text)
	if err != nil {
		return nil, usagef("--%s %q: %s", flag, text, err)
	}
	return words, nil
}
