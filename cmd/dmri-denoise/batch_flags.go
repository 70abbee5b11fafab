package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/internal/batch"
	"github.com/dmri-denoise/dmri-denoise/internal/bids"
)

// batch takes the flags of run as they are declared there, so a new one is known here too. Left out are those that batch
// answers itself (which files, how many threads, what to print) and those that name one output: they become --maps.

// batchAnswers are flags of run that batch sets for each scan, or has in a form of its own.
var batchAnswers = []string{"bval", "bvec", "grad", "qc-dir", "force", "dry-run", "nthreads", "mem", "json", "quiet", "verbose"}

// outSuffix ends the names of flags that name one output image.
const outSuffix = "-out"

// scanFlags are the flags of run that apply to every scan of a batch.
func scanFlags() []cli.Flag {
	return slices.DeleteFunc(runFlags(), func(f cli.Flag) bool {
		name := f.Names()[0]
		return slices.Contains(batchAnswers, name) || strings.HasSuffix(name, outSuffix)
	})
}

// extraMaps are the maps that run can write beside the noise map, which batch always writes: residual for --residual-out.
func extraMaps() []string {
	var names []string
	for _, f := range runFlags() {
		if name, ok := strings.CutSuffix(f.Names()[0], outSuffix); ok && name != "noise" {
			names = append(names, name)
		}
	}
	return names
}

// scanSettings collects the flags of run that were given, by the command line or the environment, in the order of their
// declaration.
func scanSettings(c *cli.Context) []batch.Setting {
	var settings []batch.Setting
	for _, f := range scanFlags() {
		if name := f.Names()[0]; c.IsSet(name) {
			settings = append(settings, batch.Setting{Name: name, Value: fmt.Sprint(c.Value(name))})
		}
	}
	return settings
}

// settingsFor fills in what a scan's name says, and finds out which values are files.
func settingsFor(settings []batch.Setting, s bids.Scan) []batch.Setting {
	places := strings.NewReplacer("{sub}", s.Name.Value("sub"), "{ses}", s.Name.Value("ses"), "{stem}", strings.TrimSuffix(s.ID(), "_dwi"), "{dir}", filepath.Dir(s.Image))
	out := slices.Clone(settings)
	for i := range out {
		out[i].Value = places.Replace(out[i].Value)
		info, err := os.Stat(out[i].Value)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if abs, err := filepath.Abs(out[i].Value); err == nil { // jobs of a cluster may start elsewhere
			out[i].Value, out[i].File = abs, true
		}
	}
	return out
}

// settingWords gives settings back as words of the command line of run.
func settingWords(settings []batch.Setting) []string {
	var words []string
	for _, s := range settings {
		words = append(words, "--"+s.Name+"="+s.Value)
	}
	return words
}
