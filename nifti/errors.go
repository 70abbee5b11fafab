package nifti

import "errors"

// The errors of this package, to be tested with errors.Is. The error returned
// names the file and what was found in it. Errors of the operating system (no
// such file, permission, disk full) are wrapped as they are.
var (
	// ErrNotNIfTI reports a file that is no NIfTI image: another format, an
	// Analyze 7.5 header, a web page, or a stand-in left by git-annex or Git LFS.
	ErrNotNIfTI = errors.New("not a NIfTI image")
	// ErrUnsupported reports a valid image of a kind that is not read, such as
	// complex or RGB voxels, or a file name that cannot be written.
	ErrUnsupported = errors.New("unsupported")
	// ErrInvalidHeader reports a header that contradicts the format.
	ErrInvalidHeader = errors.New("invalid header")
	// ErrTruncated reports a file shorter than its header promises.
	ErrTruncated = errors.New("file is truncated")
	// ErrCorrupt reports compressed data that is damaged (bad code or checksum).
	ErrCorrupt = errors.New("file is corrupt")
	// ErrTooLarge reports an image above ReadOptions.MaxBytes or above what can
	// be addressed.
	ErrTooLarge = errors.New("image is too large")
	// ErrExists reports an output file that exists already.
	ErrExists = errors.New("output file exists")
	// ErrSameFile reports an output file that is one of the inputs.
	ErrSameFile = errors.New("output is an input file")
	// ErrAborted reports the use of a Writer after Abort.
	ErrAborted = errors.New("writing was aborted")
)
