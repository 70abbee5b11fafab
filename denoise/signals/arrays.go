package signals

// Arrays makes the large arrays of a run, zero at first, and takes them back.
// What is taken back must not be used again. It may be used from several
// goroutines.
type Arrays interface {
	Floats(n int) ([]float32, error)
	Free(x []float32)
}

// Heap is Arrays in the program's memory, where the garbage collector takes
// them back.
type Heap struct{}

// Floats returns n zeros.
func (Heap) Floats(n int) ([]float32, error) { return make([]float32, n), nil }

// Free does nothing.
func (Heap) Free([]float32) {}

// NewOn returns zero signals on a grid, with their values in a.
func NewOn(a Arrays, g *Grid, d int) (*Signals, error) {
	values, err := a.Floats(g.Len() * d)
	if err != nil {
		return nil, err
	}
	return &Signals{Grid: g, D: d, Values: values}, nil
}
