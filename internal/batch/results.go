package batch

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
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
	Report   string    // the scan's own page, "" if there is none
	Metrics  []metric  // its figures, in their order
	meanings map[string]meaning
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

// subjects lists the labels of subjects that have a folder of outputs or of records.
func (h Header) subjects() ([]string, error) {
	seen := map[string]bool{}
	for _, dir := range []string{h.OutDir, h.stateFolder()} {
		names, err := namesIn(dir)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if label, ok := strings.CutPrefix(name, "sub-"); ok && !strings.Contains(label, ".") {
				seen[label] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen)), nil
}

// namesIn lists a folder, sorted; a missing one is empty.
func namesIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

// results reads what there is of a subject, sorted by name: denoised series, and scans whose last attempt failed.
func (h Header) results(subject string) ([]result, error) {
	root := filepath.Join(h.OutDir, "sub-"+subject)
	var found []result
	names, err := namesIn(root)
	if err != nil {
		return nil, err
	}
	for _, name := range append([]string{"."}, names...) {
		if name != "." && !strings.HasPrefix(name, "ses-") {
			continue
		}
		series, err := h.seriesIn(filepath.Join(root, name, "dwi"))
		if err != nil {
			return nil, err
		}
		found = append(found, series...)
	}
	failed, err := h.failures(subject, found)
	if err != nil {
		return nil, err
	}
	found = append(found, failed...)
	slices.SortFunc(found, func(a, b result) int { return strings.Compare(a.Name.String(), b.Name.String()) })
	return found, nil
}

// seriesIn reads the denoised series of a folder.
func (h Header) seriesIn(dir string) ([]result, error) {
	files, err := namesIn(dir)
	if err != nil {
		return nil, err
	}
	var found []result
	for _, file := range files {
		if !strings.HasSuffix(file, "_desc-"+bids.DescLabel+"_dwi.nii.gz") {
			continue
		}
		r, err := h.readResult(filepath.Join(dir, file))
		if err != nil {
			return nil, err
		}
		found = append(found, r)
	}
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
	files, err := namesIn(folder)
	if err != nil {
		return r, err
	}
	for _, file := range files {
		n, err := bids.ParseName(file)
		if err != nil || n.With("desc", bids.DescLabel).Stem() != r.Name.Stem() {
			continue
		}
		path := filepath.Join(folder, file)
		switch desc := n.Value("desc"); {
		case n.Ext == ".png":
			r.Figures = append(r.Figures, path)
		case n.Ext == ".html" && desc == "report":
			r.Report = path
		case n.Ext == ".json" && desc == "metrics":
			if r.Metrics, err = readMetrics(path); err != nil {
				return r, err
			}
		case n.Ext == ".json" && desc == "metricsDictionary":
			if err := readJSON(path, &r.meanings); err != nil {
				return r, err
			}
		}
	}
	return r, nil
}

// failures lists the scans of a subject whose last attempt failed and that have no image from before.
func (h Header) failures(subject string, found []result) ([]result, error) {
	folder := filepath.Join(h.stateFolder(), "sub-"+subject)
	files, err := namesIn(folder)
	if err != nil {
		return nil, err
	}
	var failed []result
	for _, file := range files {
		var s State
		if readJSON(filepath.Join(folder, file), &s) != nil || s.Status != Failed {
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
