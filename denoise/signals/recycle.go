package signals

import "sync"

// Recycled is Arrays that keeps a few arrays it took back for the next who asks
// for one of that length. Work in stages, each of which makes an array and gives
// one back, so needs no more than it holds at once, and does not wait for the
// garbage collector.
type Recycled struct {
	from Arrays
	mu   sync.Mutex
	kept [][]float32
}

// mostKept is how many arrays are kept at most: one stage gives back two.
const mostKept = 2

// Recycle returns Arrays that come from a. Close it after use.
func Recycle(a Arrays) *Recycled { return &Recycled{from: a} }

// Floats returns n zeros.
func (r *Recycled) Floats(n int) ([]float32, error) {
	if x := r.take(n); x != nil {
		clear(x)
		return x, nil
	}
	return r.from.Floats(n)
}

// take returns a kept array of n values, nil if there is none.
func (r *Recycled) take(n int) []float32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, x := range r.kept {
		if len(x) == n {
			r.kept = append(r.kept[:i], r.kept[i+1:]...)
			return x
		}
	}
	return nil
}

// Free takes an array back.
func (r *Recycled) Free(x []float32) {
	if len(x) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = append(r.kept, x)
	if len(r.kept) > mostKept {
		r.from.Free(r.kept[0])
		r.kept = append(r.kept[:0], r.kept[1:]...)
	}
}

// Close gives back what is kept.
func (r *Recycled) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.kept {
		r.from.Free(x)
	}
	r.kept = nil
}
