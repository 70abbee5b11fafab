package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/internal/bids"
)

// publish moves what a job made to its place in the data set. The image that may be there goes first and the new one comes
// last, so at every moment an image's presence means that all beside it belongs to it.
func (e *Executor) publish(ctx context.Context, t Task, d bids.Derivative, job Job, inputs []Stamp) error {
	for _, s := range inputs {
		if s.Path != "" && !s.unchanged(s.Path) {
			return &bids.FileError{Path: s.Path, Err: errors.New("changed while it was read"), Remedy: "run the batch again when nothing writes to it"}
		}
	}
	if err := e.finishSidecar(t, job, inputs); err != nil {
		return err
	}
	if err := describeMaps(job); err != nil {
		return err
	}
	moves, err := collect(job, d)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	image := filepath.Join(e.OutDir, filepath.FromSlash(d.Series(".nii.gz")))
	if err := os.Remove(image); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := e.removeOld(t.name()); err != nil {
		return err
	}
	for _, from := range slices.Sorted(maps.Keys(moves)) {
		if from == job.Output {
			continue
		}
		if err := move(from, filepath.Join(e.OutDir, filepath.FromSlash(moves[from]))); err != nil {
			return err
		}
	}
	return move(job.Output, image)
}

// removeOld takes away the maps and figures that an earlier attempt made of a scan: other settings may give others.
func (e *Executor) removeOld(source bids.Name) error {
	source = source.With("desc", "")
	for _, folder := range []string{source.Folder(), "sub-" + source.Value("sub") + "/figures"} {
		dir := filepath.Join(e.OutDir, filepath.FromSlash(folder))
		files, err := namesIn(dir)
		if err != nil {
			return err
		}
		for _, file := range files {
			n, err := bids.ParseName(file)
			of := n.With("desc", "").With("stat", "").As("dwi", "")
			if err != nil || of.Stem() != source.Stem() || n.Suffix != "dwimap" && folder == source.Folder() {
				continue
			}
			if err := os.Remove(filepath.Join(dir, file)); err != nil {
				return err
			}
		}
	}
	return nil
}

// collect maps every file that a job made to its name in the data set. A file that nobody foresaw gets one too: an image
// becomes a map, anything else a figure, named by what stands behind the series' name.
func collect(job Job, d bids.Derivative) (map[string]string, error) {
	stem := strings.TrimSuffix(job.Output, ".nii.gz")
	known := map[string]string{}
	for _, ext := range []string{".nii.gz", ".bval", ".bvec", ".json"} {
		known[stem+ext] = d.Series(ext)
	}
	for stat, file := range job.maps() {
		known[file] = d.Map(stat, ".nii.gz")
		known[strings.TrimSuffix(file, ".nii.gz")+".json"] = d.Map(stat, ".json")
	}
	moves := map[string]string{}
	err := filepath.WalkDir(job.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, ok := known[path]
		if !ok {
			name = unforeseen(path, stem, d)
		}
		moves[path] = name
		return nil
	})
	if err == nil && !exists(job.Output) {
		err = fmt.Errorf("the run ended well but wrote no %s", filepath.Base(job.Output))
	}
	return moves, err
}

func unforeseen(path, stem string, d bids.Derivative) string {
	what := strings.TrimPrefix(strings.TrimPrefix(path, stem), "_")
	if what == path {
		what = filepath.Base(path)
	}
	for _, ext := range []string{".nii.gz", ".nii"} {
		if cut, ok := strings.CutSuffix(what, ext); ok {
			return d.Map(cut, ext)
		}
	}
	ext := filepath.Ext(what)
	return d.Figure(strings.TrimSuffix(what, ext), ext)
}

// maps gives the noise map and the maps asked for, by the name of what they show.
func (j Job) maps() map[string]string {
	out := maps.Clone(j.Maps)
	if out == nil {
		out = map[string]string{}
	}
	out["sigma"] = j.Noise
	return out
}

// finishSidecar completes the .json that the run wrote: the metadata that apply to the raw series by inheritance, where it
// came from, and what a later batch needs to recognise it.
func (e *Executor) finishSidecar(t Task, job Job, inputs []Stamp) error {
	path := strings.TrimSuffix(job.Output, ".nii.gz") + ".json"
	written := map[string]json.RawMessage{}
	if err := readJSON(path, &written); err != nil {
		return fmt.Errorf("the run's sidecar: %w", err)
	}
	fields, err := bids.Metadata(t.Sidecars)
	if err != nil {
		return err
	}
	inherited, stripped := fields["SkullStripped"]
	maps.Copy(fields, written)
	if stripped && string(written["SkullStripped"]) == "false" {
		fields["SkullStripped"] = inherited // the run did not see what the raw metadata say
	}
	source, err := filepath.Rel(e.BIDSDir, t.Image)
	if err != nil {
		source = t.Source
	}
	for name, value := range map[string]any{
		"Sources":         []string{"bids:raw:" + filepath.ToSlash(source)},
		"DenoiseInputs":   digests(inputs),
		"DenoiseSettings": settingsDigest(e.Version, t),
		"SoftwareVersion": e.Version,
	} {
		if fields[name], err = json.Marshal(value); err != nil {
			return err
		}
	}
	return writeJSON(path, fields)
}

// mapWords describe the maps whose meaning is known here.
var mapWords = map[string]string{
	"sigma":    "Noise standard deviation in each channel behind the magnitude",
	"residual": "Raw series minus denoised series",
	"std":      "Posterior standard deviation of the series",
	"imputed":  "Where measurements were replaced by what the other directions predict",
}

// describeMaps writes a sidecar beside every map of a job.
func describeMaps(job Job) error {
	for stat, file := range job.maps() {
		if !exists(file) {
			continue
		}
		description := mapWords[stat]
		if description == "" {
			description = "Map " + stat + " of the run"
		}
		err := writeJSON(strings.TrimSuffix(file, ".nii.gz")+".json", map[string]any{
			"Description": description, "Units": "arbitrary", "SkullStripped": false, "Sources": []string{"bids::" + filepath.Base(job.Output)},
		})
		if err != nil {
			return err
		}
	}
	return nil
}
