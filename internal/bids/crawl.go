package bids

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Scan is one diffusion series with the files that belong to it. Paths begin with the data set's root.
type Scan struct {
	Name     Name
	Image    string
	BVal     string
	BVec     string
	Sidecars []string // .json files that apply, from the root down

	// Problem is why the scan cannot be used as it is: no gradient table, ambiguous metadata, content not downloaded, an
	// empty file. nil if nothing was found wrong; voxels are not read.
	Problem error
}

// ID is the scan's name without extension, unique in its data set.
func (s Scan) ID() string { return s.Name.Stem() }

// Crawl is what [Dataset.Scans] found.
type Crawl struct {
	Scans    []Scan   // sorted by image path
	Skipped  []string // dwi images left out, each with the reason
	Warnings []string // names in dwi folders that do not follow BIDS

	root    string
	ignored func(path string) bool // of a path below root, with slashes
}

// Scans lists the data set's diffusion series that the filter lets through. Only subject folders are entered; derivatives/,
// sourcedata/, code/ and hidden names are not. What the .bidsignore of a raw data set names is skipped.
func (d *Dataset) Scans(ctx context.Context, filter Filter) (*Crawl, error) {
	names, err := list(d.Root)
	if err != nil {
		return nil, err
	}
	subjects := folders(d.Root, names, "sub-")
	if len(subjects) == 0 {
		return nil, fmt.Errorf("%s: holds no sub-… folder: %w", d.Root, ErrDataset)
	}
	if err := filter.checkSubjects(subjects); err != nil {
		return nil, fmt.Errorf("%s: %w", d.Root, err)
	}
	ignored, err := d.ignored()
	if err != nil {
		return nil, err
	}
	c := &Crawl{root: d.Root, ignored: ignored}
	root := newLevel(d.Root, names)
	for _, subject := range subjects {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !filter.subject(strings.TrimPrefix(subject, "sub-")) {
			continue
		}
		if err := c.subject(root, filepath.Join(d.Root, subject), filter); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(c.Scans, func(a, b Scan) int { return strings.Compare(a.Image, b.Image) })
	return c, nil
}

// subject visits the dwi folder of a subject and those of its sessions.
func (c *Crawl) subject(root level, dir string, filter Filter) error {
	names, err := list(dir)
	if err != nil {
		return err
	}
	levels := []level{root, newLevel(dir, names)}
	if err := c.dwi(levels, dir, names, filter); err != nil {
		return err
	}
	for _, session := range folders(dir, names, "ses-") {
		if !filter.session(strings.TrimPrefix(session, "ses-")) {
			continue
		}
		below := filepath.Join(dir, session)
		inside, err := list(below)
		if err != nil {
			return err
		}
		if err := c.dwi(append(slices.Clone(levels), newLevel(below, inside)), below, inside, filter); err != nil {
			return err
		}
	}
	return nil
}

// dwi visits the dwi folder in dir, if there is one.
func (c *Crawl) dwi(levels []level, dir string, names []string, filter Filter) error {
	if !slices.Contains(names, "dwi") {
		return nil
	}
	dir = filepath.Join(dir, "dwi")
	files, err := list(dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || isFile(dir) {
			return nil
		}
		return err
	}
	levels = append(slices.Clone(levels), newLevel(dir, files))
	for _, file := range files {
		if !strings.HasSuffix(file, ".nii") && !strings.HasSuffix(file, ".nii.gz") {
			continue
		}
		c.image(levels, dir, file, files, filter)
	}
	return nil
}

// image takes one image of a dwi folder if it is a series that the filter lets through.
func (c *Crawl) image(levels []level, dir, file string, siblings []string, filter Filter) {
	path := filepath.Join(dir, file)
	name, err := ParseName(file)
	if c.isIgnored(path) {
		if err == nil && name.Suffix == "dwi" && filter.match(name) {
			c.Skipped = append(c.Skipped, fmt.Sprintf("%s: %s names it", path, IgnoreFile))
		}
		return
	}
	if err != nil {
		c.Warnings = append(c.Warnings, fmt.Sprintf("%s is passed over: %v", path, err))
		return
	}
	if name.Suffix != "dwi" || !filter.match(name) {
		return
	}
	switch part := name.Value("part"); {
	case part == "phase", part == "real", part == "imag":
		c.Skipped = append(c.Skipped, fmt.Sprintf("%s: part-%s is not a magnitude image", path, part))
		return
	case name.Value("desc") == DescLabel:
		c.Skipped = append(c.Skipped, fmt.Sprintf("%s: denoised already (desc-%s)", path, DescLabel))
		return
	}
	c.Scans = append(c.Scans, newScan(levels, path, name, siblings))
}

// newScan attaches to an image the files that apply to it.
func newScan(levels []level, path string, name Name, siblings []string) Scan {
	s := Scan{Name: name, Image: path}
	var errs [3]error
	s.BVal, errs[0] = nearest(levels, name, ".bval")
	s.BVec, errs[1] = nearest(levels, name, ".bvec")
	s.Sidecars, errs[2] = all(levels, name, ".json")
	for _, err := range errs {
		if s.Problem == nil && err != nil {
			s.Problem = err
		}
	}
	if s.Problem == nil {
		s.Problem = s.check(siblings)
	}
	return s
}

// check looks for what would stop the work on a scan, without reading voxels.
func (s Scan) check(siblings []string) error {
	if wanted := s.Name.Folder(); !strings.HasSuffix(filepath.ToSlash(s.Image), wanted+"/"+s.Name.String()) {
		return &FileError{Path: s.Image, Remedy: "move or rename it: the name says " + wanted, Err: errors.New("name and folder disagree on subject or session")}
	}
	if s.Name.Ext == ".nii" && slices.Contains(siblings, s.Name.String()+".gz") {
		return &FileError{Path: s.Image, Remedy: "remove one of the two", Err: errors.New("the same series is here as .nii.gz too")}
	}
	for _, table := range []struct{ file, what string }{{s.BVal, "b-values (.bval)"}, {s.BVec, "directions (.bvec)"}} {
		if table.file == "" {
			return &FileError{Path: s.Image, Remedy: "put one beside the image or, for many scans, higher up", Err: errors.New("no " + table.what + " apply to it, here or in any folder above")}
		}
	}
	for _, file := range append([]string{s.Image, s.BVal, s.BVec}, s.Sidecars...) {
		if err := CheckContent(file); err != nil {
			return err
		}
	}
	return nil
}

// list returns the names in a folder, hidden ones left out, sorted.
func list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// folders keeps the names with a prefix that are folders, through links as well.
func folders(dir string, names []string, prefix string) []string {
	var out []string
	for _, name := range names {
		if !strings.HasPrefix(name, prefix) || !isLabel(name[len(prefix):]) {
			continue
		}
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.IsDir() {
			out = append(out, name)
		}
	}
	return out
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}
