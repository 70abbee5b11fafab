package gradients

import (
	"fmt"
	"slices"
	"strings"
)

// DefaultB0Threshold is the b-value in s/mm² up to which, and including which, a volume counts as b = 0.
const DefaultB0Threshold = 50.0

// Frame says which axes the directions of a [Table] refer to.
type Frame int

// The frames of gradient directions.
const (
	// FSLFrame is the frame of bval/bvec files: the image's voxel axes, the first component negated when the affine's
	// determinant is positive.
	FSLFrame Frame = iota
	// ScannerFrame is the frame of MRtrix tables: scanner axes, x right, y anterior, z superior.
	ScannerFrame
)

// String returns "fsl" or "scanner".
func (f Frame) String() string {
	switch f {
	case FSLFrame:
		return "fsl"
	case ScannerFrame:
		return "scanner"
	}
	return fmt.Sprintf("Frame(%d)", int(f))
}

// Files names the files of a gradient table: Grad for a four-column MRtrix table, otherwise BVal and BVec. Grad wins where
// all are set.
type Files struct{ BVal, BVec, Grad string }

// String names the files for messages, b-values first.
func (f Files) String() string {
	switch {
	case f.Grad != "":
		return f.Grad
	case f.BVal == "" && f.BVec == "":
		return "the gradient table"
	}
	return f.BVal + " and " + f.BVec
}

// Table holds the b-value and the direction of every volume of a series, in the order of the volumes.
type Table struct {
	// BVals are b-values in s/mm², one for each volume, never negative or NaN in a table from [Read].
	BVals []float64
	// BVecs are unit vectors or zero, one for each volume, in the axes named by Frame. A volume is b = 0 by its b-value,
	// whatever its direction: scanners write unit vectors for b = 0 volumes, too.
	BVecs [][3]float64
	// Frame says what the components of BVecs refer to.
	Frame Frame
	// Files are where the table was read from; zero for a table made in memory.
	Files Files
	// Warnings are full sentences on what was unusual in the files and how it was read.
	Warnings []string

	// Text is the FSL pair as read, which Export writes again: a pipe cannot be read twice, and a file may have changed in
	// between. It is empty for other tables; clear it to have Export write BVals and BVecs after changing them.
	Text Text
}

// Text holds the bytes of an FSL pair.
type Text struct{ BVal, BVec []byte }

// Len returns the number of volumes the table describes.
func (t *Table) Len() int { return len(t.BVals) }

// Check compares the table with the number of volumes of the image it belongs to. The error, an [ErrCount], names the
// files and both counts, and says what commonly makes them differ.
func (t *Table) Check(volumes int) error {
	n := len(t.BVals)
	if len(t.BVecs) != n {
		return faultf(ErrCount, "%v: %d b-values but %d directions", t.Files, n, len(t.BVecs))
	}
	if n == volumes {
		return nil
	}
	hint := "check that the table belongs to this image, and remove from both the volumes dropped from one"
	switch {
	case volumes == n+1:
		hint = fmt.Sprintf("the image has one volume more than the table, often an ADC or trace map that the scanner or the "+
			"converter added, mostly as the last volume (%d, counting from 0): look at it and remove it from the image, or "+
			"give it an entry in the table", volumes-1)
	case volumes == 1:
		hint = "the image is a single volume: give the 4-D series that the table belongs to"
	case volumes == n-1:
		hint = "the table has one entry more than the image, often for an ADC or trace map removed from the image: remove " +
			"its entry from the table"
	}
	return faultf(ErrCount, "%v: %d gradients but the image has %d volumes; %s", t.Files, n, volumes, hint)
}

// clone returns a deep copy.
func (t *Table) clone() *Table {
	c := *t
	c.BVals = slices.Clone(t.BVals)
	c.BVecs = slices.Clone(t.BVecs)
	c.Warnings = slices.Clone(t.Warnings)
	return &c
}

// warn appends a sentence to the table's warnings.
func (t *Table) warn(format string, args ...any) {
	t.Warnings = append(t.Warnings, fmt.Sprintf(format, args...))
}

// volumeList writes "volume 3" or "volumes 1, 2, 3, … (25 in all)".
func volumeList(volumes []int) string {
	const most = 8
	var b strings.Builder
	b.WriteString("volume")
	if len(volumes) > 1 {
		b.WriteString("s")
	}
	for i, v := range volumes {
		if i == most {
			fmt.Fprintf(&b, ", … (%d in all)", len(volumes))
			break
		}
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, " %d", v)
	}
	return b.String()
}
