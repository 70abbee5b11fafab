package bids

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrName is wrapped by the errors of [ParseName].
var ErrName = errors.New("not a BIDS name")

// Entity is one key-value pair of a file name, such as sub-01. Values are text: run-01 and run-1 are two runs.
type Entity struct{ Key, Value string }

// Name is a file name taken apart: entities in order, a suffix such as dwi, an extension such as .nii.gz.
type Name struct {
	Entities []Entity
	Suffix   string
	Ext      string
}

// entityOrder is the order of entities in file names: that of the BIDS schema, then model, stat and param, which drafts
// for diffusion derivatives use, then desc, which comes last.
var entityOrder = []string{"sub", "tpl", "ses", "cohort", "sample", "task", "tracksys", "acq", "nuc", "voi", "ce", "trc", "stain", "rec",
	"dir", "run", "mod", "echo", "flip", "inv", "mt", "part", "proc", "hemi", "space", "split", "recording", "chunk", "seg", "res",
	"den", "label", "model", "param", "stat", "desc"}

// ParseName takes a file name (no folder) apart. Metadata files may lack all entities (dwi.bval).
func ParseName(file string) (Name, error) {
	base, ext := splitExt(file)
	parts := strings.Split(base, "_")
	n := Name{Suffix: parts[len(parts)-1], Ext: ext}
	if !isLabel(n.Suffix) {
		return Name{}, fmt.Errorf("%q: the suffix %q is not made of letters and digits: %w", file, n.Suffix, ErrName)
	}
	for _, part := range parts[:len(parts)-1] {
		key, value, ok := strings.Cut(part, "-")
		if !ok || !isLabel(key) || !isLabel(value) {
			return Name{}, fmt.Errorf("%q: %q is not key-value with letters and digits: %w", file, part, ErrName)
		}
		if n.Value(key) != "" {
			return Name{}, fmt.Errorf("%q: %q stands twice: %w", file, key, ErrName)
		}
		n.Entities = append(n.Entities, Entity{key, value})
	}
	return n, nil
}

// splitExt cuts a name at its first dot.
func splitExt(file string) (base, ext string) {
	if i := strings.IndexByte(file, '.'); i >= 0 {
		return file[:i], file[i:]
	}
	return file, ""
}

// isLabel tells whether text is a BIDS label: letters, digits and plus signs, at least one.
func isLabel(text string) bool {
	for _, c := range []byte(text) {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '+':
		default:
			return false
		}
	}
	return text != ""
}

// Value returns the value of an entity, "" if the name lacks it.
func (n Name) Value(key string) string {
	for _, e := range n.Entities {
		if e.Key == key {
			return e.Value
		}
	}
	return ""
}

// With returns the name with an entity set, at its place in the order, or removed for an empty value.
func (n Name) With(key, value string) Name {
	var entities []Entity
	for _, e := range n.Entities {
		if e.Key != key {
			entities = append(entities, e)
		}
	}
	if value != "" {
		at := len(entities)
		for at > 0 && rank(entities[at-1].Key) > rank(key) {
			at--
		}
		entities = slices.Insert(entities, at, Entity{key, value})
	}
	n.Entities = entities
	return n
}

// rank is an entity's place in the order; unknown ones stand before desc.
func rank(key string) int {
	if i := slices.Index(entityOrder, key); i >= 0 {
		return i
	}
	return len(entityOrder) - 2
}

// As returns the name with another suffix and extension.
func (n Name) As(suffix, ext string) Name {
	n.Suffix, n.Ext = suffix, ext
	return n
}

// Stem is the name without its extension.
func (n Name) Stem() string {
	var b strings.Builder
	for _, e := range n.Entities {
		b.WriteString(e.Key + "-" + e.Value + "_")
	}
	return b.String() + n.Suffix
}

// String puts the name together again.
func (n Name) String() string { return n.Stem() + n.Ext }

// Folder is where a raw dwi file of this name belongs: sub-01/ses-a/dwi, with slashes.
func (n Name) Folder() string {
	folder := "sub-" + n.Value("sub")
	if ses := n.Value("ses"); ses != "" {
		folder += "/ses-" + ses
	}
	return folder + "/dwi"
}

// appliesTo tells whether a metadata file of this name applies to an image by its name: the same suffix, and every
// entity, name and value, also in the image's.
func (n Name) appliesTo(image Name) bool {
	if n.Suffix != image.Suffix {
		return false
	}
	for _, e := range n.Entities {
		if image.Value(e.Key) != e.Value {
			return false
		}
	}
	return true
}
