package batch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrBusy reports a scan that another process is working on.
var ErrBusy = errors.New("another process is working on it")

// lock keeps other processes away from a task, also on other machines where the file system supports it, until the
// returned function is called or the process ends.
func (e *Executor) lock(t Task) (func(), error) {
	f, err := e.openLock(t.ID())
	if err != nil {
		return nil, err
	}
	free, err := lockFile(f)
	switch {
	case err != nil && !errors.Is(err, errors.ErrUnsupported):
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	case err == nil && !free:
		f.Close()
		return nil, fmt.Errorf("%s: %w", t.ID(), ErrBusy)
	}
	return func() { f.Close() }, nil
}

// lockSubject waits for its turn on what the scans of a subject share, its page.
func (e *Executor) lockSubject(subject string) (func(), error) {
	f, err := e.openLock("sub-" + subject)
	if err != nil {
		return nil, err
	}
	if err := waitForLock(f); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}

func (e *Executor) openLock(name string) (*os.File, error) {
	dir := filepath.Join(e.OutDir, logFolder, "lock")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDWR, 0o666)
}
