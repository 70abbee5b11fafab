// Package bidstest makes small data sets with the file trees of five public BIDS examples, for tests: the places and forms
// of their gradient tables and metadata, with tiny images of our own instead of theirs.
package bidstest

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// Fixture is one data set that can be made.
type Fixture struct {
	Name  string
	Scans int  // diffusion series in it
	Raw   bool // else a derived data set

	make func(b *builder)
}

// Fixtures lists the data sets, in the order of their number of scans.
func Fixtures() []Fixture {
	return []Fixture{
		{Name: "ds114", Scans: 20, Raw: true, make: makeDS114},
		{Name: "genetics_ukbb", Scans: 14, Raw: true, make: makeUKBB},
		{Name: "ds000117", Scans: 11, Raw: true, make: makeDS000117},
		{Name: "eeg_rest_fmri", Scans: 6, Raw: true, make: makeEEG},
		{Name: "dwi_deriv", Scans: 1, make: makeDerivative},
	}
}

// Make writes a fixture into dir, which is made.
func (f Fixture) Make(dir string) error {
	b := &builder{dir: dir, images: map[int][]byte{}}
	f.make(b)
	return b.err
}

// makeDS114: ten subjects, two sessions, one table at the root whose lines end in blanks.
func makeDS114(b *builder) {
	b.description("ds114", "")
	b.table("dwi", 71, "  \n")
	b.text("dwi.json", `{"EchoTime": 0.0842, "RepetitionTime": 16.5}`+"\n")
	for subject := 1; subject <= 10; subject++ {
		for _, session := range []string{"retest", "test"} {
			stem := fmt.Sprintf("sub-%02d/ses-%s/%%s/sub-%02d_ses-%s_", subject, session, subject, session)
			b.image(fmt.Sprintf(stem, "anat")+"T1w.nii.gz", 1)
			b.image(fmt.Sprintf(stem, "dwi")+"dwi.nii.gz", 71)
		}
	}
}

// makeUKBB: fourteen subjects without sessions, table and metadata at the root.
func makeUKBB(b *builder) {
	b.description("genetics_ukbb", "")
	b.table("dwi", 65, "\n")
	b.text("dwi.json", `{"Manufacturer": "Siemens", "EchoTime": 0.092, "PhaseEncodingDirection": "j-"}`+"\n")
	for subject := 1; subject <= 14; subject++ {
		stem := fmt.Sprintf("sub-%02d/%%s/sub-%02d_", subject, subject)
		b.image(fmt.Sprintf(stem, "anat")+"T1w.nii.gz", 1)
		b.image(fmt.Sprintf(stem, "dwi")+"dwi.nii.gz", 65)
	}
}

// makeDS000117: sixteen subjects of whom eleven have diffusion data, in a session of their own, with Windows line ends.
func makeDS000117(b *builder) {
	b.description("ds000117", "")
	b.text(".bidsignore", "**/*.fif\nsub-*/ses-meg/beh/*\nextra_*\n")
	for subject := 1; subject <= 16; subject++ {
		stem := fmt.Sprintf("sub-%02d/ses-mri/%%s/sub-%02d_ses-mri_", subject, subject)
		b.image(fmt.Sprintf(stem, "anat")+"acq-mprage_T1w.nii.gz", 1)
		if subject > 11 {
			continue
		}
		dwi := fmt.Sprintf(stem, "dwi") + "dwi"
		b.table(dwi, 65, "\r\n")
		b.image(dwi+".nii.gz", 65)
	}
}

// makeEEG: three subjects with two acquisitions each; metadata of each acquisition at the root.
func makeEEG(b *builder) {
	b.description("eeg_rest_fmri", "")
	b.text("acq-NODDI10DIR_dwi.json", `{"EchoTime": 0.11, "MultibandAccelerationFactor": 1}`+"\n")
	b.text("acq-NODDI33DIR_dwi.json", `{"EchoTime": 0.115}`+"\n")
	for _, subject := range []string{"32", "35", "36"} {
		for _, acq := range []struct {
			label   string
			volumes int
		}{{"NODDI10DIR", 33}, {"NODDI33DIR", 66}} {
			stem := "sub-" + subject + "/dwi/sub-" + subject + "_acq-" + acq.label + "_dwi"
			b.table(stem, acq.volumes, "\n")
			b.image(stem+".nii.gz", acq.volumes)
		}
	}
}

// makeDerivative: one subject of a derived data set with tensor maps beside the series, uncompressed.
func makeDerivative(b *builder) {
	b.description("dwi_deriv", "derivative")
	stem := "sub-01/dwi/sub-01_"
	b.table(stem+"dwi", 38, "\n")
	b.text(stem+"dwi.json", `{"SkullStripped": false, "EchoTime": 0.09}`+"\n")
	b.image(stem+"dwi.nii", 38)
	for _, suffix := range []string{"ADC", "FA", "S0map", "colFA", "expADC", "trace"} {
		b.image(stem+suffix+".nii", 1)
		b.text(stem+suffix+".json", `{"SkullStripped": false}`+"\n")
	}
}

// builder writes files below a folder and keeps the first error.
type builder struct {
	dir    string
	images map[int][]byte // content by number of volumes, compressed
	err    error
}

func (b *builder) text(name, content string) { b.write(name, []byte(content)) }

func (b *builder) write(name string, content []byte) {
	if b.err != nil {
		return
	}
	path := filepath.Join(b.dir, filepath.FromSlash(name))
	if b.err = os.MkdirAll(filepath.Dir(path), 0o777); b.err == nil {
		b.err = os.WriteFile(path, content, 0o666)
	}
}

func (b *builder) description(name, datasetType string) {
	extra := ""
	if datasetType != "" {
		extra = `, "DatasetType": "` + datasetType + `", "GeneratedBy": [{"Name": "test"}]`
	}
	b.text("dataset_description.json", `{"Name": "`+name+` (file tree only)", "BIDSVersion": "1.8.0", "License": "CC0", "Authors": ["dmri-denoise tests"]`+extra+"}\n")
	b.text("README", "Made by testdata/bids/make.go: the file tree of the BIDS example "+name+" with tiny images of our own.\n")
}

// table writes a gradient table: b0 every sixteenth volume, else b 1000 on a spiral of directions. end closes each line.
func (b *builder) table(stem string, volumes int, end string) {
	var bval, x, y, z []string
	for i := range volumes {
		if i%16 == 0 {
			bval, x, y, z = append(bval, "0"), append(x, "0"), append(y, "0"), append(z, "0")
			continue
		}
		height := 1 - float64(i)/float64(volumes)
		radius, angle := math.Sqrt(1-height*height), 2.399963*float64(i)
		bval = append(bval, "1000")
		x = append(x, fmt.Sprintf("%.6f", radius*math.Cos(angle)))
		y = append(y, fmt.Sprintf("%.6f", radius*math.Sin(angle)))
		z = append(z, fmt.Sprintf("%.6f", height))
	}
	b.text(stem+".bval", strings.Join(bval, " ")+end)
	b.text(stem+".bvec", strings.Join(x, " ")+end+strings.Join(y, " ")+end+strings.Join(z, " ")+end)
}

// image writes an image of 4x4x3 voxels, 16x16x8 if it is a single volume: validators doubt files of a few bytes.
func (b *builder) image(name string, volumes int) {
	key := volumes
	if strings.HasSuffix(name, ".nii") {
		key = -volumes
	}
	if b.err == nil && b.images[key] == nil {
		b.images[key], b.err = encodeImage(volumes, key < 0)
	}
	b.write(name, b.images[key])
}

func encodeImage(volumes int, plain bool) ([]byte, error) {
	dir, err := os.MkdirTemp("", "bidstest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "x.nii.gz")
	if plain {
		path = filepath.Join(dir, "x.nii")
	}
	shape := [3]int{4, 4, 3}
	if volumes == 1 {
		shape = [3]int{16, 16, 8}
	}
	im := nifti.New(shape[0], shape[1], shape[2], volumes, [3]float64{2, 2, 2})
	state := uint32(1)
	for i := range im.Voxels() {
		state = state*1664525 + 1013904223 // Numerical Recipes' generator: the same bytes with every Go version
		im.Voxels()[i] = 500 + float32(state>>20)/40
	}
	if err := im.Write(context.Background(), path, nifti.WriteOptions{}); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}
