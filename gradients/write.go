package gradients

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// Export puts the table beside an output image as an FSL pair: byte for byte as [Read] found it if it came from such a pair,
// whatever became of the files since, otherwise converted with the image's affine and written by [WriteFSL]. Existing files
// are refused unless force is set ([ErrExists]); an output that is one of the files read is always refused ([ErrSameFile]).
func (t *Table) Export(bval, bvec string, affine [4][4]float64, force bool) error {
	f := t.Files
	if err := distinct([]string{f.BVal, f.BVec, f.Grad}, bval, bvec); err != nil {
		return err
	}
	if t.Text.BVal != nil {
		return writePair(bval, t.Text.BVal, bvec, t.Text.BVec, force)
	}
	return WriteFSL(t.ToFSL(affine), bval, bvec, force)
}

// Copy copies an FSL pair byte for byte. Both copies are complete before either takes its name, so a failure leaves neither
// behind half written. It refuses existing outputs unless force is set ([ErrExists]), outputs that are inputs
// ([ErrSameFile]), and four-column tables ([ErrFrame]), which have to be converted: use [Table.Export].
func (f Files) Copy(bval, bvec string, force bool) error {
	if f.Grad != "" {
		return faultf(ErrFrame, "%s is a four-column table and cannot be copied as a pair; it has to be converted with the image's affine", f.Grad)
	}
	if err := distinct([]string{f.BVal, f.BVec}, bval, bvec); err != nil {
		return err
	}
	b, err := readTable(f.BVal)
	if err != nil {
		return err
	}
	v, err := readTable(f.BVec)
	if err != nil {
		return err
	}
	return writePair(bval, b, bvec, v, force)
}

// WriteFSL writes a table as an FSL pair: b-values in one row, directions in three rows x, y, z, numbers with as many
// digits as they need to be read back exactly. The table must be in the FSL frame ([ErrFrame]); see [Table.ToFSL]. Existing
// files are refused unless force is set ([ErrExists]).
func WriteFSL(t *Table, bval, bvec string, force bool) error {
	if t.Frame != FSLFrame {
		return faultf(ErrFrame, "%v: the table is in the %v frame; convert it with ToFSL before writing an FSL pair", t.Files, t.Frame)
	}
	if len(t.BVals) != len(t.BVecs) {
		return t.Check(len(t.BVals))
	}
	if err := distinct(nil, bval, bvec); err != nil {
		return err
	}
	b, v := formatFSL(t)
	return writePair(bval, b, bvec, v, force)
}

// formatFSL returns the texts of an FSL pair.
func formatFSL(t *Table) (bval, bvec []byte) {
	var b, v bytes.Buffer
	for i, value := range t.BVals {
		writeNumber(&b, i, value)
	}
	b.WriteByte('\n')
	for axis := range 3 {
		for i, vector := range t.BVecs {
			writeNumber(&v, i, vector[axis])
		}
		v.WriteByte('\n')
	}
	return b.Bytes(), v.Bytes()
}

func writeNumber(b *bytes.Buffer, i int, v float64) {
	if i > 0 {
		b.WriteByte(' ')
	}
	b.WriteString(strconv.FormatFloat(v+0, 'g', -1, 64))
}

// distinct refuses outputs that are one of the inputs, by name or by what the file system says, or each other.
func distinct(inputs []string, outputs ...string) error {
	for i, out := range outputs {
		if out == "" {
			return faultf(ErrNotFound, "an output file of the gradient table has no name")
		}
		for _, in := range inputs {
			if in != "" && sameFile(in, out) {
				return faultf(ErrSameFile, "the output %s is the input %s; choose another name", out, in)
			}
		}
		for _, other := range outputs[:i] {
			if sameFile(other, out) {
				return faultf(ErrSameFile, "b-values and directions cannot both go to %s", out)
			}
		}
	}
	return nil
}

func sameFile(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// writePair writes two files under temporary names and renames them when both are complete.
func writePair(bval string, b []byte, bvec string, v []byte, force bool) (err error) {
	if !force {
		for _, path := range []string{bval, bvec} {
			if _, err := os.Lstat(path); err == nil {
				return faultf(ErrExists, "%s exists; choose another name or force overwriting", path)
			} else if !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("gradients: %w", err)
			}
		}
	}
	var temps []string
	defer func() {
		if err != nil {
			for _, temp := range temps {
				os.Remove(temp)
			}
		}
	}()
	for i, path := range []string{bval, bvec} {
		temp, err := writeTemp(path, [][]byte{b, v}[i])
		if err != nil {
			return fmt.Errorf("gradients: write %s: %w", path, err)
		}
		temps = append(temps, temp)
	}
	for i, path := range []string{bval, bvec} {
		if err := os.Rename(temps[i], path); err != nil {
			return fmt.Errorf("gradients: %w", err)
		}
	}
	return nil
}

// writeTemp writes data beside path under a name of its own and returns that name; on failure nothing is left.
func writeTemp(path string, data []byte) (name string, err error) {
	var file *os.File
	for i := 0; ; i++ {
		name = fmt.Sprintf("%s.tmp-%d-%d", path, os.Getpid(), i)
		// os.CreateTemp would make the file readable by its owner alone; this keeps to the user's umask.
		file, err = os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) || i > 100 {
			return "", err
		}
	}
	defer func() {
		if err != nil {
			os.Remove(name)
		}
	}()
	if _, err = io.Copy(file, bytes.NewReader(data)); err != nil {
		file.Close()
		return "", err
	}
	if err = file.Sync(); err != nil {
		file.Close()
		return "", err
	}
	return name, file.Close()
}
