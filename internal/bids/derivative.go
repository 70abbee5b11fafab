package bids

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode"
)

const (
	// DescLabel is the desc entity of denoised series.
	DescLabel = "denoised"
	// Version is the version of BIDS that derived data sets follow.
	Version = "1.10.0"

	maxFileName = 255 // bytes, the limit of every common file system
)

// Derivative names what is derived from one scan. Paths are below the root of the derived data set, with slashes.
type Derivative struct{ source Name }

// NewDerivative returns the names for a source series, or an error if they would be too long.
func NewDerivative(source Name) (Derivative, error) {
	d := Derivative{source}
	if longest := path.Base(d.Map("residual", ".json")); len(longest) > maxFileName-20 {
		return d, fmt.Errorf("%s: names derived from it would be longer than %d bytes: %w", source, maxFileName, ErrName)
	}
	return d, nil
}

// Series is the denoised series and its companions: ext is .nii.gz, .bval, .bvec or .json.
func (d Derivative) Series(ext string) string {
	return d.source.Folder() + "/" + d.source.With("desc", DescLabel).As("dwi", ext).String()
}

// Map is a map of the scan, such as stat-sigma. stat is made a label.
func (d Derivative) Map(stat, ext string) string {
	return d.source.Folder() + "/" + d.source.With("desc", "").With("stat", Label(stat)).As("dwimap", ext).String()
}

// Figure is a picture for people, below the subject's figures folder. what is made a label.
func (d Derivative) Figure(what, ext string) string {
	return "sub-" + d.source.Value("sub") + "/figures/" + d.source.With("desc", Label(what)).As("dwi", ext).String()
}

// Label turns words such as noise_map into a label, noiseMap.
func Label(words string) string {
	var b strings.Builder
	upper := false
	for _, c := range words {
		switch {
		case c < unicode.MaxASCII && (unicode.IsLetter(c) || unicode.IsDigit(c)):
			if upper && b.Len() > 0 {
				c = unicode.ToUpper(c)
			}
			b.WriteRune(c)
			upper = false
		default:
			upper = true
		}
	}
	if b.Len() == 0 {
		return "x"
	}
	return b.String()
}

// CheckDerivativeName holds a path below a derived data set to the naming rules: folders that agree with the name, entities
// in order, a known suffix, and the extensions that go with it.
func CheckDerivativeName(file string) error {
	name, err := ParseName(path.Base(file))
	if err != nil {
		return err
	}
	last := -1
	for _, e := range name.Entities {
		r := rank(e.Key)
		if r < last {
			return fmt.Errorf("%s: entity %s is out of order: %w", file, e.Key, ErrName)
		}
		last = r
	}
	folder, allowed := name.Folder(), ".nii.gz .nii .bval .bvec .json"
	switch {
	case strings.Contains(file, "/figures/"):
		folder, allowed = "sub-"+name.Value("sub")+"/figures", ".png .svg .html .tsv .json .txt"
	case name.Suffix == "dwimap":
		allowed = ".nii.gz .nii .json"
	case name.Suffix != "dwi" || name.Value("desc") == "":
		return fmt.Errorf("%s: neither a series with desc nor a dwimap: %w", file, ErrName)
	}
	if path.Dir(file) != folder {
		return fmt.Errorf("%s: belongs into %s: %w", file, folder, ErrName)
	}
	for _, ext := range strings.Fields(allowed) {
		if name.Ext == ext {
			return nil
		}
	}
	return fmt.Errorf("%s: extension %q does not go with the suffix %s: %w", file, name.Ext, name.Suffix, ErrName)
}

// IgnoreFile hides from validators what BIDS has no names for yet.
const IgnoreFile = ".bidsignore"

// IgnoreText is the content of [IgnoreFile] in a derived data set.
const IgnoreText = "*.html\nlogs/\nfigures/\n*_dwimap.*\ngroup_*\n"

// DescriptionsTable explains the desc labels of a derived data set.
const DescriptionsTable = "desc_id\tdescription\n" + DescLabel + "\tdiffusion series with thermal noise removed, on the grid of the raw series\n"

// Derived describes a data set derived from d that will stand at root.
func (d *Dataset) Derived(root string, by Generator) Description {
	name := d.Description.Name
	if name == "" {
		name = filepath.Base(absolute(d.Root))
	}
	out := Description{
		Name: by.Name + ": " + name, BIDSVersion: Version, DatasetType: "derivative", License: d.Description.License,
		GeneratedBy:  []Generator{by},
		DatasetLinks: map[string]string{"raw": link(root, d.Root)},
	}
	if doi := d.Description.DatasetDOI; doi != "" {
		out.SourceDatasets = []SourceDataset{{DOI: doi}}
	}
	return out
}

// link gives the way from one folder to another: relative, so that both can move together, else a file URI.
func link(from, to string) string {
	from, to = absolute(from), absolute(to)
	if rel, err := filepath.Rel(from, to); err == nil {
		return filepath.ToSlash(rel)
	}
	return "file://" + filepath.ToSlash(to)
}

func absolute(p string) string {
	if abs, err := filepath.Abs(p); err == nil {
		return abs
	}
	return p
}

// ErrForeign reports an output folder that holds another program's data set.
var ErrForeign = errors.New("is another data set")

// CheckOutput refuses a folder as the root of data derived by the named program if something else lives there. A folder
// that does not exist, is empty or holds this program's data set is fine.
func CheckOutput(root, generator string) error {
	data, err := os.ReadFile(filepath.Join(root, DescriptionFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var d Description
	if err := json.Unmarshal(data, &d); err == nil && len(d.GeneratedBy) > 0 && d.GeneratedBy[0].Name == generator {
		return nil
	}
	return &FileError{Path: root, Remedy: "give a folder of its own, such as BIDS_DIR/derivatives/" + generator,
		Err: fmt.Errorf("%w: its %s does not name %s first under GeneratedBy", ErrForeign, DescriptionFile, generator)}
}
