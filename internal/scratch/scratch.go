// Package scratch holds arrays that are larger than the memory allowed: their
// content is in files without a name, and a window of it in memory.
//
//	space, err := scratch.New(dir, 500<<20)   // at most 500 MB of it in memory
//	defer space.Close()
//	x, err := space.Floats(n)                 // zeros
//	...
//	space.Free(x)
//
// The arrays are ordinary slices, so that whoever works on them gives the same
// bytes as with arrays on the heap. Files are removed from their folder before
// anything is written to them: whatever ends the process, even SIGKILL, leaves
// nothing behind. Their blocks are reserved when an array is made, so that a full
// disk is an error there (ENOSPC) and not a fault later.
//
// # Concurrency
//
// A Space may be used from several goroutines.
//
// # Limits
//
// Linux only; New fails with [ErrUnsupported] elsewhere. A disk that fails to
// read back what was written ends the process (SIGBUS), with nothing published.
package scratch

import (
	"errors"
	"unsafe"
)

// ErrUnsupported reports a system on which arrays cannot be kept in files.
var ErrUnsupported = errors.New("scratch: arrays cannot be kept in files on this system")

// Least is the number of values below which an array is put on the heap: it
// would not be worth a file.
const Least = 1 << 20

// floats views bytes, aligned as a mapping is, as float32.
func floats(b []byte) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

// key tells a non-empty array from others.
func key(x []float32) *float32 { return unsafe.SliceData(x) }
