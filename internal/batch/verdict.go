package batch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"

	"github.com/dmri-denoise/dmri-denoise/internal/bids"
)

// Verdict says what the outputs that are there already mean for a task.
type Verdict int

const (
	Missing Verdict = iota // nothing, or an unfinished attempt: run
	Current                // made from this input with these settings: nothing to do
	Stale                  // made from something else: only with force
)

// ErrStale reports outputs that would be overwritten without force.
var ErrStale = errors.New("output exists")

// provenance is what batch adds to a sidecar to recognise its own work.
type provenance struct {
	Inputs   map[string]string `json:"DenoiseInputs"`
	Settings string            `json:"DenoiseSettings"`
	Version  string            `json:"SoftwareVersion"`
}

// Examine compares the outputs of a task with what would be made. The error of a stale one says in what they differ.
func (e *Executor) Examine(ctx context.Context, t Task) (Verdict, error) {
	d, err := bids.NewDerivative(t.name())
	if err != nil {
		return Missing, nil // running it says what is wrong
	}
	image := filepath.Join(e.OutDir, filepath.FromSlash(d.Series(".nii.gz")))
	if !exists(image) {
		return Missing, nil
	}
	var made provenance
	stale := func(why string) (Verdict, error) { return Stale, fmt.Errorf("%w: %s %s", ErrStale, image, why) }
	err = readJSON(filepath.Join(e.OutDir, filepath.FromSlash(d.Series(".json"))), &made)
	switch {
	case err != nil || made.Settings == "":
		return stale("was not made by batch")
	case made.Version != e.Version:
		return stale(fmt.Sprintf("was made by version %s, this is %s", made.Version, e.Version))
	case made.Settings != settingsDigest(e.Version, t):
		return stale("was made with other settings")
	}
	same, err := e.sameInputs(ctx, t, made.Inputs)
	switch {
	case ctx.Err() != nil:
		return Missing, ctx.Err()
	case err != nil:
		return stale(fmt.Sprintf("is there, but its input cannot be read to compare: %v", err))
	case !same:
		return stale("was made from other input files: they have changed since")
	}
	return Current, nil
}

// sameInputs compares the inputs with the digests in a sidecar. Files of the size and time noted last are not read again.
func (e *Executor) sameInputs(ctx context.Context, t Task, made map[string]string) (bool, error) {
	noted := e.readState(t.ID()).Inputs
	if len(noted) > 0 && maps.Equal(digests(noted), made) && allUnchanged(t, noted) {
		metadata, err := metadataDigest(t)
		return metadata == made["metadata"], err
	}
	stamps, err := stampInputs(ctx, t)
	if err != nil {
		return false, err
	}
	return maps.Equal(digests(stamps), made), nil
}

func allUnchanged(t Task, noted []Stamp) bool {
	files := t.files()
	if len(noted) != len(files)+1 { // the last stamp is that of the metadata
		return false
	}
	for i, in := range files {
		if noted[i].Role != in.role || !noted[i].unchanged(in.path) {
			return false
		}
	}
	return true
}
