package bids

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Filter chooses scans. The zero Filter lets everything through.
type Filter struct {
	Subjects []string // labels without sub-; empty = all
	Sessions []string // labels without ses-; empty = all
	// Entities maps keys such as acq to the values let through; "" in the list stands for a name without the entity.
	Entities map[string][]string
}

func (f Filter) subject(label string) bool {
	return len(f.Subjects) == 0 || slices.Contains(f.Subjects, label)
}

func (f Filter) session(label string) bool {
	return len(f.Sessions) == 0 || slices.Contains(f.Sessions, label)
}

func (f Filter) match(n Name) bool {
	if len(f.Sessions) > 0 && !f.session(n.Value("ses")) {
		return false
	}
	for key, values := range f.Entities {
		if !slices.Contains(values, n.Value(key)) {
			return false
		}
	}
	return true
}

// checkSubjects refuses labels that the data set does not have: a slip of the finger would otherwise leave a subject out
// in silence.
func (f Filter) checkSubjects(folders []string) error {
	for _, label := range f.Subjects {
		if !slices.Contains(folders, "sub-"+label) {
			return fmt.Errorf("no subject %q (no folder sub-%s): %w", label, label, ErrDataset)
		}
	}
	return nil
}

// Labels cleans labels as users write them: sub-01 and 01 mean the same.
func Labels(prefix string, words []string) ([]string, error) {
	var out []string
	for _, word := range words {
		label := strings.TrimPrefix(word, prefix+"-")
		if !isLabel(label) {
			return nil, fmt.Errorf("%q: a label is made of letters and digits: %w", word, ErrName)
		}
		if !slices.Contains(out, label) {
			out = append(out, label)
		}
	}
	return out, nil
}

// longNames are PyBIDS' names of entities, as BIDS filter files have them.
var longNames = map[string]string{"subject": "sub", "session": "ses", "acquisition": "acq", "reconstruction": "rec", "direction": "dir", "run": "run", "part": "part", "chunk": "chunk"}

// ReadFilterFile reads the "dwi" entry of a BIDS filter file, the JSON form that QSIPrep and other BIDS apps take:
// {"dwi": {"session": "01", "acquisition": ["a", "b"], "direction": null}}. null stands for a name without the entity.
func ReadFilterFile(path string) (map[string][]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file map[string]map[string]json.RawMessage
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, &FileError{Path: path, Err: fmt.Errorf("not a BIDS filter: %w", err), Remedy: `it looks like {"dwi": {"session": "01"}}`}
	}
	entities := map[string][]string{}
	for key, raw := range file["dwi"] {
		short := key
		if s, ok := longNames[key]; ok {
			short = s
		} else if !slices.Contains(entityOrder, key) {
			if key == "suffix" || key == "extension" || key == "datatype" {
				continue // dwi, .nii[.gz] and dwi are all that is looked at anyway
			}
			return nil, &FileError{Path: path, Err: fmt.Errorf("unknown entity %q", key), Remedy: "session, acquisition, reconstruction, direction, run, part and chunk can be given"}
		}
		values, err := filterValues(raw)
		if err != nil {
			return nil, &FileError{Path: path, Err: fmt.Errorf("entity %q: %w", key, err)}
		}
		entities[short] = values
	}
	return entities, nil
}

// filterValues reads one value or a list of values: text, whole numbers or null.
func filterValues(raw json.RawMessage) ([]string, error) {
	list := []json.RawMessage{raw}
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, err
		}
	}
	var values []string
	for _, item := range list {
		var text *string
		var number json.Number
		switch {
		case json.Unmarshal(item, &text) == nil && text == nil:
			values = append(values, "")
		case text != nil:
			values = append(values, *text)
		case json.Unmarshal(item, &number) == nil:
			values = append(values, number.String())
		default:
			return nil, fmt.Errorf("%s is neither text, a number nor null", item)
		}
	}
	return values, nil
}
