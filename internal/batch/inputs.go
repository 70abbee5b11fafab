package batch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/dmri-denoise/dmri-denoise/internal/bids"
)

// Stamp identifies an input file: by content, and by size and time to notice cheaply that it is still the same.
type Stamp struct {
	Role    string    `json:"role"`
	Path    string    `json:"path"`
	Size    int64     `json:"size"`
	ModTime time.Time `json:"mtime"`
	Digest  string    `json:"sha256"`
}

// unchanged tells whether the file looks as it did when it was stamped.
func (s Stamp) unchanged(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() == s.Size && info.ModTime().Equal(s.ModTime)
}

// stampInputs hashes the files of a task. Metadata count by their merged content.
func stampInputs(ctx context.Context, t Task) ([]Stamp, error) {
	var stamps []Stamp
	for _, in := range t.files() {
		info, err := os.Stat(in.path)
		if err != nil {
			return nil, err
		}
		digest, err := hashFile(ctx, in.path)
		if err != nil {
			return nil, err
		}
		stamps = append(stamps, Stamp{Role: in.role, Path: in.path, Size: info.Size(), ModTime: info.ModTime(), Digest: digest})
	}
	digest, err := metadataDigest(t)
	if err != nil {
		return nil, err
	}
	return append(stamps, Stamp{Role: "metadata", Digest: digest}), nil
}

func metadataDigest(t Task) (string, error) {
	merged, err := bids.Metadata(t.Sidecars)
	if err != nil {
		return "", err
	}
	return digestOf(merged)
}

// digests maps roles to digests: the form kept in the sidecar of the output, the same on every machine.
func digests(stamps []Stamp) map[string]string {
	out := map[string]string{}
	for _, s := range stamps {
		out[s.Role] = s.Digest
	}
	return out
}

func hashFile(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		_, err := io.CopyN(h, f, 64<<20)
		if err == io.EOF {
			return hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
	}
}

// digestOf hashes a value's JSON, whose maps are sorted by key.
func digestOf(value any) (string, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// settingsDigest is one text for the program's version and all settings that the outputs depend on. Files among them
// count by content, as inputs.
func settingsDigest(version string, t Task) string {
	settings := make([]Setting, len(t.Settings))
	for i, s := range t.Settings {
		if s.File {
			s.Value = ""
		}
		settings[i] = s
	}
	digest, err := digestOf(struct {
		Version  string
		Settings []Setting
		Maps     []string
	}{version, settings, t.Maps})
	if err != nil {
		panic("batch: settings that are no JSON: " + err.Error())
	}
	return digest
}
