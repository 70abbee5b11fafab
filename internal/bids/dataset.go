package bids

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// DescriptionFile is the file at the root of every BIDS data set.
const DescriptionFile = "dataset_description.json"

// ErrDataset is wrapped by the errors of [Open] and [Dataset.Scans] that concern the data set as a whole.
var ErrDataset = errors.New("not a usable BIDS data set")

// Description is what this program reads and writes of dataset_description.json.
type Description struct {
	Name           string            `json:"Name"`
	BIDSVersion    string            `json:"BIDSVersion"`
	DatasetType    string            `json:"DatasetType,omitempty"`
	License        string            `json:"License,omitempty"`
	DatasetDOI     string            `json:"DatasetDOI,omitempty"`
	GeneratedBy    []Generator       `json:"GeneratedBy,omitempty"`
	SourceDatasets []SourceDataset   `json:"SourceDatasets,omitempty"`
	DatasetLinks   map[string]string `json:"DatasetLinks,omitempty"`
}

// Generator is one program that made a derived data set.
type Generator struct {
	Name        string     `json:"Name"`
	Version     string     `json:"Version,omitempty"`
	Description string     `json:"Description,omitempty"`
	CodeURL     string     `json:"CodeURL,omitempty"`
	Container   *Container `json:"Container,omitempty"`
}

// Container names the image that a program ran in.
type Container struct {
	Type string `json:"Type,omitempty"`
	Tag  string `json:"Tag,omitempty"`
	URI  string `json:"URI,omitempty"`
}

// SourceDataset is a data set that another was derived from.
type SourceDataset struct {
	URL     string `json:"URL,omitempty"`
	DOI     string `json:"DOI,omitempty"`
	Version string `json:"Version,omitempty"`
}

// Dataset is a BIDS data set on disk.
type Dataset struct {
	Root        string
	Description Description
	Warnings    []string // what is unusual but does not stop the work
}

// OpenOptions say which data sets are accepted.
type OpenOptions struct {
	Derivatives bool // accept a data set that is itself derived
}

// Open reads the description of the data set at root.
func Open(root string, o OpenOptions) (*Dataset, error) {
	info, err := os.Stat(root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: no such folder: %w", root, ErrDataset)
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, fmt.Errorf("%s: is a file, and a data set is a folder: %w", root, ErrDataset)
	}
	d := &Dataset{Root: root}
	path := filepath.Join(root, DescriptionFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, linkErr := os.Lstat(path); linkErr == nil {
			return nil, placeholderError(path)
		}
		d.Warnings = append(d.Warnings, fmt.Sprintf("%s has no %s, which BIDS requires", root, DescriptionFile))
		return d, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &d.Description); err != nil {
		// Other programs write odd things into fields that are of no use here (a text for a list); only the type counts.
		var only struct{ DatasetType string }
		if json.Unmarshal(data, &only) != nil {
			return nil, fmt.Errorf("%s: not JSON (%w): %w", path, err, ErrDataset)
		}
		d.Description = Description{DatasetType: only.DatasetType}
		d.Warnings = append(d.Warnings, fmt.Sprintf("%s: %v", path, err))
	}
	return d, d.checkType(o)
}

func (d *Dataset) checkType(o OpenOptions) error {
	switch d.Description.DatasetType {
	case "derivative":
		if !o.Derivatives {
			return fmt.Errorf("%s: is a derived data set (DatasetType in %s), and denoising comes first, on raw data: %w", d.Root, DescriptionFile, ErrDerived)
		}
	case "study":
		return fmt.Errorf("%s: is a study (DatasetType in %s), whose raw data lie below rawbids/ or sourcedata/raw: %w", d.Root, DescriptionFile, ErrDataset)
	}
	return nil
}

// ErrDerived reports a derived data set where a raw one is needed.
var ErrDerived = fmt.Errorf("derived data: %w", ErrDataset)
