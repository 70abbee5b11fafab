package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

type phantomOptions struct {
	dir        string
	protocol   string
	shape      [3]int
	voxelSize  float64
	snr        float64
	sigmaRatio float64
	rician     bool
	seed       uint64
	force      bool
}

func newPhantomCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "phantom",
		Usage:     "simulate a diffusion scan whose truth is known",
		ArgsUsage: "OUT_DIR",
		Description: `Writes a simulated scan into OUT_DIR: dwi.nii.gz with noise, dwi.bval, dwi.bvec, truth.nii.gz without noise, mask.nii.gz, sigma.nii.gz (the noise standard deviation) and phantom.json (all settings). The head has white matter with up to three crossing fibres a voxel, grey matter and fluid with partial volume, T2 contrast and a receive bias. The same settings and seed give the same files.

Protocols: clinical (6 b0 + 64 at b 1000), small (3 + 30 at 1000), multishell (10 + 20 at 700, 30 at 1000, 45 at 2000, 60 at 3000), hcp (18 + 90 each at 1000, 2000, 3000). A name that ends in .bval (with its .bvec beside it) or .b (MRtrix) takes the gradient table from that file.

EXAMPLES
   dmri-denoise phantom demo --protocol clinical --snr 15 --rician --seed 1
   dmri-denoise phantom tiny --protocol small --shape 24,24,8
   dmri-denoise phantom mine --protocol scan.bval --sigma-ratio 2

REFERENCES
   Gudbjartsson & Patz 1995, The Rician distribution of noisy MRI data, MRM 34:910 (--rician)
   Panagiotaki et al. 2012, Compartment models of the diffusion MR signal, NeuroImage 59:2241 (stick and zeppelin)
`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "protocol", Value: "clinical", Usage: "`NAME|FILE` of the gradient table: clinical, small, multishell, hcp, or a .bval or .b file"},
			&cli.StringFlag{Name: "shape", Value: "64,64,24", Usage: "matrix, `X,Y,Z` voxels"},
			&cli.Float64Flag{Name: "voxel-size", Value: 2, Usage: "voxel edge, `MM`"},
			&cli.Float64Flag{Name: "snr", Value: 20, Usage: "`SNR` of white matter at b = 0"},
			&cli.BoolFlag{Name: "rician", Usage: "magnitude (Rician) noise instead of Gaussian noise"},
			&cli.Float64Flag{Name: "sigma-ratio", Value: 1, Usage: "noise in the centre of the head divided by noise at its rim, `R` (1: the same everywhere)"},
			seedFlag("`SEED` of anatomy, directions and noise"),
			forceFlag(), quietFlag(), verboseFlag(),
		},
		Action: func(c *cli.Context) error {
			o, err := phantomOptionsFrom(c)
			if err != nil {
				return err
			}
			return o.run(c.Context, u)
		},
	}
}

func phantomOptionsFrom(c *cli.Context) (phantomOptions, error) {
	o := phantomOptions{
		protocol: c.String("protocol"), voxelSize: c.Float64("voxel-size"), snr: c.Float64("snr"),
		sigmaRatio: c.Float64("sigma-ratio"), rician: c.Bool("rician"), seed: c.Uint64("seed"), force: c.Bool("force"),
	}
	if c.NArg() != 1 {
		return o, usageHint("dmri-denoise phantom demo", "phantom takes one output folder, %d given", c.NArg())
	}
	o.dir = c.Args().First()
	var err error
	if o.shape, err = parseTriple("shape", c.String("shape"), 4, math.MaxInt16); err != nil {
		return o, err
	}
	return o, o.validate()
}

func (o phantomOptions) validate() error {
	for _, v := range []struct {
		flag  string
		value float64
	}{{"snr", o.snr}, {"voxel-size", o.voxelSize}, {"sigma-ratio", o.sigmaRatio}} {
		if !(v.value > 0) || math.IsInf(v.value, 0) {
			return usagef("--%s %g: must be above zero", v.flag, v.value)
		}
	}
	if o.tableFile() {
		if err := checkInput(o.protocol); err != nil {
			return err
		}
	} else if err := oneOf("protocol", o.protocol, phantom.ProtocolNames()...); err != nil {
		return err
	}
	if info, err := os.Stat(o.dir); err == nil && !info.IsDir() {
		return usagef("output %s is a file, not a folder", o.dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return checkOutputs(o.outputs(), []string{o.tableInput()}, o.force)
}

// tableFile tells whether the protocol names a gradient table instead of a built-in protocol.
func (o phantomOptions) tableFile() bool {
	return !slices.Contains(phantom.ProtocolNames(), o.protocol) && strings.ContainsAny(o.protocol, "./")
}

func (o phantomOptions) tableInput() string {
	if o.tableFile() {
		return o.protocol
	}
	return ""
}

// outputs lists the files of a phantom, the noisy scan last.
func (o phantomOptions) outputs() []string {
	var files []string
	for _, name := range []string{"dwi.bval", "dwi.bvec", "truth.nii.gz", "mask.nii.gz", "sigma.nii.gz", "phantom.json", "dwi.nii.gz"} {
		files = append(files, filepath.Join(o.dir, name))
	}
	return files
}

func (o phantomOptions) run(ctx context.Context, u *ui) error {
	settings := phantom.Options{
		Protocol: o.protocol, Shape: o.shape, SNR: o.snr, Rician: o.rician, SigmaRatio: o.sigmaRatio, Seed: o.seed,
		VoxelSize: [3]float64{o.voxelSize, o.voxelSize, o.voxelSize},
	}
	if o.tableFile() {
		table, err := readTableFile(o.protocol)
		if err != nil {
			return err
		}
		settings.Protocol, settings.Table = "", table
	}
	if err := o.checkMemory(settings.Table); err != nil {
		return err
	}
	files := newOutputs(o.force)
	defer files.discard()
	hidden, err := files.reserve(o.dir)
	if err != nil {
		return err
	}
	p, err := phantom.Make(ctx, settings)
	if err != nil {
		return err
	}
	if err := p.Write(ctx, hidden, false); err != nil {
		return err
	}
	for _, name := range o.outputs() {
		if _, err := files.plan(name); err != nil {
			return err
		}
	}
	if err := files.commit(); err != nil {
		return err
	}
	u.say("wrote a phantom of %dx%dx%d voxels and %d volumes to %s", o.shape[0], o.shape[1], o.shape[2], p.Table.Len(), o.dir)
	return nil
}

// checkMemory refuses a phantom that does not fit into memory: truth and noisy scan, and maps. table is nil for a
// built-in protocol.
func (o phantomOptions) checkMemory(table *gradients.Table) error {
	volumes := phantom.ProtocolVolumes(o.protocol)
	if table != nil {
		volumes = table.Len()
	}
	const fixed, maps = 32 << 20, 4
	// 32767 voxels along each axis would need 32000 volumes to reach the largest int64.
	needed := int64(o.shape[0])*int64(o.shape[1])*int64(o.shape[2])*4*int64(2*volumes+maps) + fixed
	available := availableMemory()
	if available == 0 {
		available = 1 << 40 // not known; no machine for this has more
	}
	if needed <= available {
		return nil
	}
	return withHint(fmt.Errorf("%w: a phantom of %dx%dx%d voxels and %d volumes needs about %s", errOutOfMemory,
		o.shape[0], o.shape[1], o.shape[2], volumes, formatBytes(needed)), "make --shape smaller, or run on a larger machine")
}

// readTableFile reads X.bval with X.bvec, or a four-column MRtrix table.
func readTableFile(path string) (*gradients.Table, error) {
	files := gradients.Files{Grad: path}
	for _, suffix := range []string{".bval", ".bvals"} {
		if stem, ok := strings.CutSuffix(path, suffix); ok {
			files = gradients.Files{BVal: path, BVec: stem + strings.Replace(suffix, "val", "vec", 1)}
		}
	}
	return gradients.Read(files, gradients.Options{})
}
