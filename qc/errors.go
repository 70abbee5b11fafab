package qc

import "errors"

// The errors of this package, to be tested with errors.Is. The error returned
// says which argument was wrong and how. Errors of the operating system are
// wrapped as they are.
var (
	// ErrInput reports data or options that cannot be drawn or compared, such
	// as arrays of different lengths or an empty mask.
	ErrInput = errors.New("unusable input")
	// ErrExists reports an output file that exists already.
	ErrExists = errors.New("output file exists")
)
