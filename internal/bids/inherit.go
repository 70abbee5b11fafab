package bids

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// level is one folder on the way from the root to an image, with the metadata files in it.
type level struct {
	dir   string
	files []metadataFile
}

type metadataFile struct {
	name Name
	file string
}

// newLevel picks the metadata files of diffusion series from a folder's names.
func newLevel(dir string, names []string) level {
	l := level{dir: dir}
	for _, file := range names {
		n, err := ParseName(file)
		if err == nil && n.Suffix == "dwi" && (n.Ext == ".bval" || n.Ext == ".bvec" || n.Ext == ".json") {
			l.files = append(l.files, metadataFile{n, file})
		}
	}
	return l
}

// ErrAmbiguous reports two metadata files at one level that both apply to an image, which BIDS forbids.
var ErrAmbiguous = errors.New("more than one file applies at one level")

// applicable returns the file of an extension at this level that applies to an image, "" if none does.
func (l level) applicable(image Name, ext string) (string, error) {
	found := ""
	for _, m := range l.files {
		if m.name.Ext != ext || !m.name.appliesTo(image) {
			continue
		}
		if found != "" {
			return "", &FileError{Path: filepath.Join(l.dir, found), Remedy: "make one name more specific, or remove one of the two",
				Err: fmt.Errorf("%s beside it applies to %s too: %w", m.file, image, ErrAmbiguous)}
		}
		found = m.file
	}
	if found == "" {
		return "", nil
	}
	return filepath.Join(l.dir, found), nil
}

// nearest returns the applicable file closest to the image. levels run from the root down.
func nearest(levels []level, image Name, ext string) (string, error) {
	for i := len(levels) - 1; i >= 0; i-- {
		if file, err := levels[i].applicable(image, ext); file != "" || err != nil {
			return file, err
		}
	}
	return "", nil
}

// all returns the applicable files from the root down.
func all(levels []level, image Name, ext string) ([]string, error) {
	var files []string
	for _, l := range levels {
		file, err := l.applicable(image, ext)
		if err != nil {
			return nil, err
		}
		if file != "" {
			files = append(files, file)
		}
	}
	return files, nil
}

// Metadata merges JSON files, those later in the list winning: what the inheritance principle gives for a series.
func Metadata(files []string) (map[string]json.RawMessage, error) {
	merged := map[string]json.RawMessage{}
	for _, file := range files {
		if err := CheckContent(file); err != nil {
			return nil, err
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		fields := map[string]json.RawMessage{}
		if err := json.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &fields); err != nil {
			return nil, &FileError{Path: file, Err: fmt.Errorf("not a JSON object: %s", strings.TrimPrefix(err.Error(), "json: "))}
		}
		for key, value := range fields {
			merged[key] = value
		}
	}
	return merged, nil
}
