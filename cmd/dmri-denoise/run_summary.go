package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/qc"
)

// runParameters are the settings of a run that its result depends on; threads and file places are not among them.
type runParameters struct {
	Mask          string  `json:"Mask,omitempty"`
	NoiseIn       string  `json:"NoiseIn,omitempty"`
	Prior         string  `json:"Prior"`
	Model         string  `json:"Model,omitempty"`
	Schedule      string  `json:"Schedule"`
	Timesteps     int     `json:"Timesteps"`
	Sampler       string  `json:"Sampler"`
	SamplerSteps  int     `json:"SamplerSteps,omitempty"`
	Extent        []int   `json:"Extent,omitempty"`
	Rician        string  `json:"Rician"`
	NaN           string  `json:"NaN"`
	B0Threshold   float64 `json:"B0Threshold"`
	BValueScaling string  `json:"BValueScaling"`
	Seed          uint64  `json:"Seed"`

	imputeParameters
}

func (o runOptions) parameters() runParameters {
	p := runParameters{
		Prior: o.prior, Schedule: o.schedule.Name(), Timesteps: o.schedule.T(), Sampler: o.sampler,
		Rician: o.rician, NaN: o.nan, B0Threshold: o.tables.b0Threshold, BValueScaling: o.tables.scaling, Seed: o.seed,
		imputeParameters: o.impute.parameters(),
	}
	if o.sampler != "mean" {
		p.SamplerSteps = o.samplerSteps
	}
	if o.mask != "" {
		p.Mask = filepath.Base(o.mask)
	}
	if o.model != "" {
		p.Model = filepath.Base(o.model)
	}
	if o.extent != [3]int{} {
		p.Extent = o.extent[:]
	}
	switch {
	case o.noiseFile != "":
		p.NoiseIn = filepath.Base(o.noiseFile)
	case o.noiseNumber > 0:
		p.NoiseIn = strconv.FormatFloat(o.noiseNumber, 'g', -1, 64)
	}
	return p
}

// runSummary is what --json prints.
type runSummary struct {
	Version    string          `json:"version"`
	Input      string          `json:"input"`
	Outputs    runOutputs      `json:"outputs"`
	Parameters runParameters   `json:"parameters"`
	Summary    denoise.Summary `json:"summary"`
	Residual   *qc.Residual    `json:"residual,omitempty"`
	Warnings   []string        `json:"warnings"`
	Threads    int             `json:"threads"`
	Seconds    float64         `json:"seconds"`
	PeakMemory int64           `json:"peak_memory_bytes,omitempty"`
}

type runOutputs struct {
	Image    string   `json:"image"`
	BVal     string   `json:"bval"`
	BVec     string   `json:"bvec"`
	Sidecar  string   `json:"sidecar"`
	Noise    string   `json:"noise,omitempty"`
	Residual string   `json:"residual,omitempty"`
	Imputed  []string `json:"imputed,omitempty"`
	Pictures []string `json:"pictures,omitempty"`
	Report   string   `json:"report,omitempty"`
}

func (p *runPlan) summary(result *denoise.Result, w *resultWriter, pictures []string) runSummary {
	return runSummary{
		Version: programVersion(), Input: p.options.input,
		Outputs: runOutputs{Image: p.image, BVal: p.bval, BVec: p.bvec, Sidecar: p.sidecar, Noise: p.noise,
			Residual: p.residual, Imputed: p.options.impute.outputs(p.image), Pictures: pictures, Report: w.report},
		Parameters: p.options.parameters(), Summary: result.Summary, Residual: w.residual, Warnings: append([]string{}, p.warnings...),
		Threads: p.options.threads, Seconds: roundTo(time.Since(w.started).Seconds(), 2), PeakMemory: peakMemory(),
	}
}

func (s runSummary) report(u *ui, asJSON bool) error {
	sigma := s.Summary.Sigma
	u.say("noise standard deviation %.4g (%s; quartiles %.4g to %.4g)", sigma.Median, sigma.Source, sigma.P25, sigma.P75)
	for _, r := range s.Summary.Prior.Risks {
		u.detail("prior %s: expected error %.3f sigma (estimated in %d voxels)", r.Prior, r.RMSE, r.Voxels)
	}
	if l := s.Summary.Prior.Learned; l != nil {
		for _, shell := range l.Shells {
			u.detail("b %.0f: expected squared error %.4f ± %.4f (learned) against %.4f (%s) sigma²; learned used: %t",
				shell.BValue, shell.Learned, shell.StdErr, shell.Gaussian, l.Corrects, shell.Used)
		}
	}
	for _, shell := range s.Summary.Shells {
		u.detail("b %.0f: %d volumes, residual rms %.3f sigma, mean %+.4f sigma", shell.BValue, shell.Volumes, shell.ResidualRMS, shell.ResidualMean)
	}
	if r := s.Residual; r != nil {
		u.say("removed: variance %.2f sigma², correlation of neighbours in x, y, z %+.2f %+.2f %+.2f, with the edges of the mean b0 %+.2f",
			r.StdOverSigma*r.StdOverSigma, r.Lag1[0], r.Lag1[1], r.Lag1[2], r.Edges)
	}
	sayImputed(u, s.Summary.Imputation)
	u.say("wrote %s (%.1f s)%s%s", s.Outputs.Image, s.Seconds, noiseText(s.Outputs.Noise), reportText(s.Outputs.Report))
	if asJSON {
		return u.printJSON(s)
	}
	return nil
}

func noiseText(file string) string {
	if file == "" {
		return ""
	}
	return ", noise map " + file
}

func reportText(file string) string {
	if file == "" {
		return ""
	}
	return ", report " + file
}

// sidecarJSON makes the .json beside the output image: the fields of the input's own sidecar, then ours. It holds no
// time, no path and no number of threads, so the same work gives the same bytes.
func (p *runPlan) sidecarJSON(result *denoise.Result, residual *qc.Residual) ([]byte, []string, error) {
	fields := map[string]any{}
	var warnings []string
	if p.sidecarIn != "" {
		kept := map[string]json.RawMessage{}
		data, err := os.ReadFile(p.sidecarIn)
		if err == nil {
			err = json.Unmarshal(data, &kept)
		}
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("%s is not carried over: %v", p.sidecarIn, err))
		}
		for key, value := range kept {
			fields[key] = value
		}
	}
	for key, value := range map[string]any{
		"Description":       "Diffusion series with thermal noise removed by dmri-denoise",
		"DenoiseMethod":     "posterior mean of a diffusion model with a hierarchical Gaussian prior learned from the scan",
		"DenoiseParameters": p.options.parameters(),
		"DenoiseSummary":    result.Summary,
		"DenoiseResidual":   residual,
		"SoftwareName":      programName,
		"SoftwareVersion":   programVersion(),
		"RandomSeed":        p.options.seed,
		"Sources":           []string{filepath.Base(p.options.input)},
	} {
		fields[key] = value
	}
	// A mask sets what is outside to zero; without one, what the input's sidecar says stays true.
	if _, known := fields["SkullStripped"]; !known || p.options.mask != "" {
		fields["SkullStripped"] = p.options.mask != ""
	}
	model := "a diffusion model with a hierarchical Gaussian prior learned from the scan"
	if result.Summary.Prior.Chosen == denoise.PriorLearned.String() {
		model += ", corrected by a network"
	}
	fields["DenoiseMethod"] = "posterior mean of " + model
	if p.options.sampler != "mean" {
		fields["DenoiseMethod"] = "output of the " + p.options.sampler + " sampler of " + model
	}
	p.describeImputing(fields, result.Summary.Imputation)
	data, err := encodeJSON(fields)
	return data, warnings, err
}

// peakMemory returns the most resident memory the process has had, 0 where the system does not tell.
func peakMemory() int64 { return memoryStatus("VmHWM:") }

// mappedNow returns the address space in use, 0 where the system does not tell.
func mappedNow() int64 { return memoryStatus("VmSize:") }

// memoryStatus returns a line of the process's status in bytes.
func memoryStatus(name string) int64 {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err == nil {
				return kib << 10
			}
		}
	}
	return 0
}
