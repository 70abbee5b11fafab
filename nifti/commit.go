package nifti

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// rename gives the finished files their names. Should a later one fail, those
// before it are removed again unless they replaced something.
func rename(ctx context.Context, temps []string, files []output, o WriteOptions) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i, f := range files {
		err := checkOverwrite(f.path, o)
		if err == nil {
			err = os.Rename(temps[i], f.path)
		}
		if err != nil {
			for _, earlier := range files[:i] {
				if !o.Force {
					os.Remove(earlier.path)
				}
			}
			return err
		}
	}
	syncDir(filepath.Dir(files[0].path))
	return nil
}

// createTemp makes a new file beside path. Unlike os.CreateTemp it leaves the
// permissions to the user's umask, since the file becomes the output.
func createTemp(path string) (*os.File, error) {
	dir, base := filepath.Split(path)
	if len(base) > 200 { // file names end at 255 bytes
		base = base[:200]
	}
	for try := 0; ; try++ {
		name := fmt.Sprintf("%s%s.tmp-%d-%d", dir, base, os.Getpid(), try)
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, os.ErrExist) && try < 1000 {
			continue
		}
		return file, err
	}
}

// syncDir puts the directory entry on disk where the system can do that.
// Failure is no error: the file is complete under its name either way.
func syncDir(path string) {
	dir, err := os.Open(path)
	if err != nil {
		return
	}
	dir.Sync()
	dir.Close()
}
