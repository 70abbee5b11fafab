package bids

import (
	"errors"
	"io/fs"
	"path/filepath"

	gitignore "github.com/sabhiram/go-gitignore"
)

// ignored returns what the data set's .bidsignore names, by gitignore's rules
// for paths below the root. A derived data set is taken whole: there the file
// is written to keep the validator of raw data quiet about images that are
// meant to be used.
func (d *Dataset) ignored() (func(path string) bool, error) {
	none := func(string) bool { return false }
	if d.Description.DatasetType == "derivative" {
		return none, nil
	}
	rules, err := gitignore.CompileIgnoreFile(filepath.Join(d.Root, IgnoreFile))
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return nil, err
	}
	return rules.MatchesPath, nil
}

// isIgnored reports whether the data set's .bidsignore names a file or a folder
// that it is in.
func (c *Crawl) isIgnored(path string) bool {
	below, err := filepath.Rel(c.root, path)
	return err == nil && c.ignored(filepath.ToSlash(below))
}
