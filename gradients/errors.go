package gradients

import (
	"errors"
	"fmt"
)

// The kinds of failure, for errors.Is. The errors returned carry a message of their own that names the file, the place in
// it and the remedy.
var (
	// ErrSyntax: the text of a table has something other than numbers.
	ErrSyntax = errors.New("gradients: not a table of numbers")
	// ErrShape: the numbers are not laid out as b-values, directions or a four-column table.
	ErrShape = errors.New("gradients: wrong table layout")
	// ErrValue: a number that no gradient table can have: a negative b-value, or NaN for only one of b-value and direction.
	ErrValue = errors.New("gradients: impossible value")
	// ErrCount: the numbers of b-values, directions and image volumes differ.
	ErrCount = errors.New("gradients: counts differ")
	// ErrSwapped: the b-value file holds directions and the direction file holds b-values.
	ErrSwapped = errors.New("gradients: b-value and direction files are swapped")
	// ErrNotFound: no gradient table was found beside the image, or a named one does not exist.
	ErrNotFound = errors.New("gradients: no gradient table found")
	// ErrExists: an output file exists and overwriting was not asked for.
	ErrExists = errors.New("gradients: output file exists")
	// ErrSameFile: an output file is one of the inputs, or both outputs are one file.
	ErrSameFile = errors.New("gradients: output is an input")
	// ErrFewDirections: too few directions to tell how signals change over q-space.
	ErrFewDirections = errors.New("gradients: too few directions")
	// ErrFrame: the table is in the wrong frame for what was asked.
	ErrFrame = errors.New("gradients: wrong frame")
)

// fault is an error of one of the kinds above whose message stands alone.
type fault struct {
	kind error
	text string
}

func (f *fault) Error() string { return "gradients: " + f.text }
func (f *fault) Unwrap() error { return f.kind }

func faultf(kind error, format string, args ...any) error {
	return &fault{kind, fmt.Sprintf(format, args...)}
}
