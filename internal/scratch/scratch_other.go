//go:build !linux

package scratch

// Space hands out arrays in files.
type Space struct{}

// New fails with ErrUnsupported.
func New(string, int64) (*Space, error) { return nil, ErrUnsupported }

// Floats returns n zeros.
func (s *Space) Floats(n int) ([]float32, error) { return make([]float32, n), nil }

// Free does nothing.
func (s *Space) Free([]float32) {}

// Peak returns 0.
func (s *Space) Peak() int64 { return 0 }

// Close does nothing.
func (s *Space) Close() error { return nil }

// Supported tells whether New can succeed on this system.
const Supported = false
