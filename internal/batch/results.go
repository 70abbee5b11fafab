package batch

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/internal/bids"
)

// result is one finished or failed scan as it is found on disk.
type result struct {
	Name     bids.Name // of the denoised series, or of the source if it failed
	Figures  []string  // paths below the output folder
	Sidecar  sidecar
	Failure  string // why there is no image, "" if there is one
	Remedy   string
	Warnings []string
}

// sidecar is what the pages show of the .json beside a denoised series.
type sidecar struct {
	Method     string         `json:"DenoiseMethod"`
	Version    string         `json:"SoftwareVersion"`
	Parameters map[string]any `json:"DenoiseParameters"`
	Summary    struct {
		Volumes        int     `json:"volumes"`
		VoxelsDenoised int     `json:"voxels_denoised"`
		Rician         bool    `json:"rician_corrected"`
		SignalSpread   float64 `json:"signal_sd_over_sigma"`
		Timestep       float64 `json:"timestep_matched"`
		Sigma          struct {
			Source string  `json:"source"`
			Median float64 `json:"median"`
			P25    float64 `json:"p25"`
			P75    float64 `json:"p75"`
		} `json:"sigma"`
		Shells   []shell  `json:"shells"`
		Warnings []string `json:"warnings"`
	} `json:"DenoiseSummary"`
	Residual struct {
		Mean           *float64   `json:"mean"`
		StdOverSigma   *float64   `json:"std_over_sigma"`
		Lag1           []*float64 `json:"lag1_autocorrelation_xyz"`
		Skew           *float64   `json:"skew"`
		ExcessKurtosis *float64   `json:"excess_kurtosis"`
	} `json:"DenoiseResidual"`
}

type shell struct {
	BValue      float64 `json:"b_value"`
	Volumes     int     `json:"volumes"`
	ResidualRMS float64 `json:"residual_rms_over_sigma"`
	Mean        float64 `json:"residual_mean_over_sigma"`
}

// subjects lists the labels of subjects that have a folder or a record of a failure.
func (h Header) subjects() ([]string, error) {
	entries, err := os.ReadDir(h.OutDir)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, e := range entries {
		if label, ok := strings.CutPrefix(e.Name(), "sub-"); ok && e.IsDir() {
			seen[label] = true
		}
	}
	states, err := os.ReadDir(filepath.Join(h.OutDir, logFolder, "state"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range states {
		if n, err := bids.ParseName(e.Name()); err == nil && n.Value("sub") != "" {
			seen[n.Value("sub")] = true
		}
	}
	var labels []string
	for label := range seen {
		labels = append(labels, label)
	}
	slices.Sort(labels)
	return labels, nil
}

// results reads what there is of a subject, sorted by name: denoised series, and scans whose last attempt failed.
func (h Header) results(subject string) ([]result, error) {
	root := filepath.Join(h.OutDir, "sub-"+subject)
	var found []result
	for _, pattern := range []string{"dwi", filepath.Join("ses-*", "dwi")} {
		images, err := filepath.Glob(filepath.Join(root, pattern, "*_desc-"+bids.DescLabel+"_dwi.nii.gz"))
		if err != nil {
			return nil, err
		}
		for _, image := range images {
			r, err := h.readResult(image)
			if err != nil {
				return nil, err
			}
			found = append(found, r)
		}
	}
	failed, err := h.failures(subject, found)
	if err != nil {
		return nil, err
	}
	found = append(found, failed...)
	slices.SortFunc(found, func(a, b result) int { return strings.Compare(a.Name.String(), b.Name.String()) })
	return found, nil
}

func (h Header) readResult(image string) (result, error) {
	r := result{}
	var err error
	if r.Name, err = bids.ParseName(filepath.Base(image)); err != nil {
		return r, err
	}
	if err := readJSON(strings.TrimSuffix(image, ".nii.gz")+".json", &r.Sidecar); err != nil {
		var syntax *json.UnmarshalTypeError
		if !errors.As(err, &syntax) {
			return r, err
		}
	}
	r.Warnings = r.Sidecar.Summary.Warnings
	// The figures of a series are those whose names differ from its own in desc only.
	folder := filepath.Join(h.OutDir, "sub-"+r.Name.Value("sub"), "figures")
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	for _, e := range entries {
		n, err := bids.ParseName(e.Name())
		if err == nil && n.Ext == ".png" && n.With("desc", bids.DescLabel).Stem() == r.Name.Stem() {
			r.Figures = append(r.Figures, filepath.Join(folder, e.Name()))
		}
	}
	return r, nil
}

// failures lists the scans of a subject whose last attempt failed and that have no image from before.
func (h Header) failures(subject string, found []result) ([]result, error) {
	files, err := filepath.Glob(filepath.Join(h.OutDir, logFolder, "state", "sub-"+subject+"_*.json"))
	if err != nil {
		return nil, err
	}
	var failed []result
	for _, file := range files {
		var s State
		if readJSON(file, &s) != nil || s.Status != Failed {
			continue
		}
		n, err := bids.ParseName(s.Task)
		if err != nil {
			continue
		}
		made := n.With("desc", bids.DescLabel).Stem()
		if !slices.ContainsFunc(found, func(r result) bool { return r.Name.Stem() == made }) {
			failed = append(failed, result{Name: n, Failure: s.Reason, Remedy: s.Remedy})
		}
	}
	return failed, nil
}
