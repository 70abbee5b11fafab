package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// outputs makes the files of one command appear together or not at all. Every file is first written into a hidden
// folder beside its final place; commit renames them in the order in which they were planned, so the one planned
// last (the image) is the sign that the others are complete. discard takes everything away again.
type outputs struct {
	force   bool
	planned []planned
	staging map[string]string // final folder → hidden folder in it
	owned   []*os.File        // marks of the hidden folders, open and so locked
	made    []string          // folders created for this command, outermost first
}

type planned struct{ final, staged string }

// stagingPrefix begins the names of hidden folders.
const stagingPrefix = ".dmri-denoise-"

// backupPrefix begins the names, in a hidden folder, of files that are being replaced.
const backupPrefix = ".old-"

func newOutputs(force bool) *outputs {
	return &outputs{force: force, staging: map[string]string{}}
}

// checkOutputs refuses, before any work, outputs that are inputs, that are named twice, or that exist already
// without force. Inputs are never overwritten, even with force.
func checkOutputs(files, inputs []string, force bool) error {
	for i, out := range files {
		for _, in := range inputs {
			if in != "" && sameFile(out, in) {
				return inputOverwritten(out, in)
			}
		}
		for _, other := range files[:i] {
			if sameFile(out, other) {
				return usagef("two outputs have the same name: %s", out)
			}
		}
		info, err := os.Lstat(out)
		switch {
		case err == nil && info.IsDir():
			return usagef("output %s is a folder", out)
		case err == nil && !force:
			return fmt.Errorf("output %s: %w", out, nifti.ErrExists)
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return notWritable("cannot write output "+out, err)
		}
	}
	return nil
}

func inputOverwritten(out, in string) error {
	return usageHint("write to another name; dmri-denoise never replaces its inputs", "output %s is also an input (%s)", out, in)
}

// plan adds a file and returns the path to write it to.
func (o *outputs) plan(final string) (string, error) {
	hidden, err := o.reserve(filepath.Dir(final))
	if err != nil {
		return "", err
	}
	staged := filepath.Join(hidden, filepath.Base(final))
	o.planned = append(o.planned, planned{final: final, staged: staged})
	return staged, nil
}

// reserve makes the hidden folder inside dir, and dir itself if need be. Called before the work, it finds out
// whether the outputs can be written at all.
func (o *outputs) reserve(dir string) (string, error) {
	dir = filepath.Clean(dir)
	if hidden, ok := o.staging[dir]; ok {
		return hidden, nil
	}
	if err := o.makeFolders(dir); err != nil {
		return "", err
	}
	hidden, err := os.MkdirTemp(dir, stagingPrefix)
	if err != nil {
		return "", notWritable("cannot write to folder "+dir, err)
	}
	if mark := own(hidden); mark != nil {
		o.owned = append(o.owned, mark)
	}
	removeLeftovers(dir)
	o.staging[dir] = hidden
	return hidden, nil
}

// notWritable names the folder that the user knows instead of the path in the system's error.
func notWritable(what string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	err = fmt.Errorf("%s: %w", what, err)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return withHint(err, "check its permissions, or write elsewhere")
	}
	return err
}

func (o *outputs) makeFolders(dir string) error {
	var missing []string
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); err == nil || !errors.Is(err, fs.ErrNotExist) || d == filepath.Dir(d) {
			break
		}
		missing = append(missing, d)
	}
	for i := len(missing) - 1; i >= 0; i-- {
		if err := os.Mkdir(missing[i], 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return notWritable("cannot make folder "+missing[i], err)
		}
		o.made = append(o.made, missing[i])
	}
	return nil
}

// write stores a small file.
func (o *outputs) write(final string, data []byte) error {
	staged, err := o.plan(final)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(staged, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// commit moves every file to its final place. If one cannot be moved, the earlier ones are put back as they were. Of two
// programs that do so at once, one is first with all its files.
func (o *outputs) commit() error {
	defer o.lock()()
	var done []func()
	for i, p := range o.planned {
		undo, err := o.publish(i, p)
		if err != nil {
			for k := len(done) - 1; k >= 0; k-- {
				done[k]()
			}
			return fmt.Errorf("output %s: %w", p.final, err)
		}
		done = append(done, undo)
	}
	o.removeStaging()
	o.planned, o.made = nil, nil
	return nil
}

// lock keeps others from committing into the same folders until the function returned is called. The system lifts the
// locks of a process that dies. Where a file system has none, files that exist are still never replaced without force.
func (o *outputs) lock() (unlock func()) {
	var dirs []string
	for dir := range o.staging {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs) // in one order, so that two programs do not wait for each other
	var held []*os.File
	for _, dir := range dirs {
		if f, err := os.Open(dir); err == nil {
			lockFile(f)
			held = append(held, f)
		}
	}
	return func() {
		for _, f := range held {
			f.Close()
		}
	}
}

// publish moves one file and returns how to take that back. A file that stands in its place is kept aside by a hard
// link until all are done; file systems without hard links go without that way back.
func (o *outputs) publish(i int, p planned) (func(), error) {
	undo := func() { os.Remove(p.final) }
	if _, err := os.Lstat(p.final); err == nil {
		if !o.force {
			return nil, nifti.ErrExists
		}
		backup := filepath.Join(filepath.Dir(p.staged), fmt.Sprintf("%s%d", backupPrefix, i))
		undo = func() {}
		if os.Link(p.final, backup) == nil {
			undo = func() { os.Rename(backup, p.final) }
		}
	} else if !o.force {
		// A link, unlike a rename, never replaces what another program put there meanwhile.
		if err := os.Link(p.staged, p.final); err == nil || errors.Is(err, fs.ErrExist) {
			if err != nil {
				return nil, nifti.ErrExists
			}
			return undo, os.Remove(p.staged)
		}
	}
	return undo, os.Rename(p.staged, p.final)
}

// discard removes what is not committed: hidden folders with their content and the folders made for them. It does
// nothing after a successful commit, so it can be deferred.
func (o *outputs) discard() {
	o.removeStaging()
	for i := len(o.made) - 1; i >= 0; i-- {
		os.Remove(o.made[i])
	}
	o.made = nil
}

func (o *outputs) removeStaging() {
	for dir, hidden := range o.staging {
		os.RemoveAll(hidden)
		delete(o.staging, dir)
	}
	for _, mark := range o.owned {
		mark.Close()
	}
	o.owned = nil
}
