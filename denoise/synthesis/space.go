package synthesis

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// Errors of this package, for errors.Is.
var (
	// ErrSource reports voxels that no model can be learned from.
	ErrSource = errors.New("synthesis: cannot learn from these signals")
	// ErrTable reports a table on which signals cannot be made.
	ErrTable = errors.New("synthesis: no signals for this gradient table")
)

const (
	leastShell  = 8    // directions of a shell, for order 2 and some to spare
	mostOrder   = 8    // of the harmonics
	enough      = 1.25 // measurements per coefficient
	fitPenalty  = 1e-6 // of Laplace-Beltrami, relative to the number of directions: enough to solve, too little to smooth
	shellMargin = 0.05 // of its b-value: how far beyond the outermost shell still counts as on it
)

// space says what the numbers of a voxel are: b = 0 first, then the coefficients
// of each shell.
type space struct {
	B     []float64 `json:"b"`     // shells, ascending, without b = 0
	Order []int     `json:"order"` // of the harmonics of each shell
}

// newSpace takes the shells of a table that have directions enough.
func newSpace(shells gradients.Shells, files gradients.Files) (space, error) {
	var s space
	if shells.Gridded {
		return s, fmt.Errorf("%w: %v has no shells but a q-space grid or a ladder of b-values", ErrSource, files)
	}
	if len(shells.All) == 0 || !shells.All[0].IsB0 {
		return s, fmt.Errorf("%w: %v has no b = 0 volume", ErrSource, files)
	}
	for _, shell := range shells.All[1:] {
		if n := len(shell.Volumes); n >= leastShell {
			s.B, s.Order = append(s.B, shell.B), append(s.Order, orderFor(n))
		}
	}
	if len(s.B) == 0 {
		return s, fmt.Errorf("%w: no shell of %v has %d directions", ErrSource, files, leastShell)
	}
	return s, nil
}

// orderFor returns the largest order that n directions determine with some to spare.
func orderFor(n int) int {
	order := 2
	for order < mostOrder && enough*float64(gradients.SHCount(order+2)) <= float64(n) {
		order += 2
	}
	return order
}

// size returns the numbers of a voxel.
func (s space) size() int {
	n := 1
	for _, order := range s.Order {
		n += gradients.SHCount(order)
	}
	return n
}

// from returns where the coefficients of a shell begin.
func (s space) from(shell int) int {
	n := 1
	for _, order := range s.Order[:shell] {
		n += gradients.SHCount(order)
	}
	return n
}

// largest returns the b-value up to which signals can be made.
func (s space) largest() float64 { return s.B[len(s.B)-1] * (1 + shellMargin) }

// check refuses b-values beyond the outermost shell.
func (s space) check(t *gradients.Table, b0Threshold float64) error {
	if t.Len() == 0 {
		return fmt.Errorf("%w: %v has no volumes", ErrTable, t.Files)
	}
	for i, b := range t.BVals {
		if b > s.largest() {
			return fmt.Errorf("%w: volume %d of %v has b = %.0f; what is learned from reaches up to b = %.0f", ErrTable, i, t.Files, b, s.B[len(s.B)-1])
		}
		if b > b0Threshold && t.BVecs[i] == [3]float64{} {
			return fmt.Errorf("%w: volume %d of %v has b = %.0f but no direction", ErrTable, i, t.Files, b)
		}
	}
	return nil
}

// CheckTable tells without learning whether a model learned from signals on the table
// from would have signals on the table to: if not, it returns the [ErrSource] of
// [Learn] or the [ErrTable] of [Voxels.Signals].
func CheckTable(from, to *gradients.Table, b0Threshold float64) error {
	if b0Threshold == 0 {
		b0Threshold = gradients.DefaultB0Threshold
	}
	s, err := newSpace(from.Shells(b0Threshold), from.Files)
	if err != nil {
		return err
	}
	return s.check(to, b0Threshold)
}

// fitter takes measured signals to coefficients, by least squares on every shell.
type fitter struct {
	space
	b0     []int
	shells []shellFit
}

type shellFit struct {
	volumes []int
	inverse *mat.Dense // coefficients × volumes
}

// newFitter prepares the fit for the table the space was made of.
func newFitter(s space, shells gradients.Shells, t *gradients.Table) (*fitter, error) {
	f := &fitter{space: s, b0: shells.All[0].Volumes}
	for _, shell := range shells.All[1:] {
		if len(shell.Volumes) < leastShell {
			continue
		}
		order := s.Order[len(f.shells)]
		vectors := make([][3]float64, 0, len(shell.Volumes))
		for _, v := range shell.Volumes {
			vectors = append(vectors, t.BVecs[v])
		}
		inverse, err := pseudoInverse(vectors, order)
		if err != nil {
			return nil, fmt.Errorf("%w: directions at b = %.0f of %v: %w", ErrSource, shell.B, t.Files, err)
		}
		f.shells = append(f.shells, shellFit{shell.Volumes, inverse})
	}
	return f, nil
}

// pseudoInverse returns (BᵀB + λL)⁻¹Bᵀ with B the harmonics at the directions and L
// the Laplace-Beltrami penalty (Descoteaux 2007, eq. 8).
func pseudoInverse(vectors [][3]float64, order int) (*mat.Dense, error) {
	n, c := len(vectors), gradients.SHCount(order)
	b := mat.NewDense(n, c, gradients.SHMatrix(vectors, order))
	var gram mat.SymDense
	gram.SymOuterK(1, b.T())
	for i, p := range gradients.LaplaceBeltrami(order) {
		gram.SetSym(i, i, gram.At(i, i)+fitPenalty*float64(n)*p)
	}
	var chol mat.Cholesky
	if !chol.Factorize(&gram) || chol.Cond() > 1e8 {
		return nil, errors.New("too few different ones, or all in a plane")
	}
	var out mat.Dense
	return &out, chol.SolveTo(&out, b.T())
}

// fit writes the numbers of one voxel into dst: the mean b = 0 signal, then the
// coefficients of the link of S/S₀. It returns false for a voxel without a positive
// b = 0 signal, or one that is not finite.
func (f *fitter) fit(dst []float64, row []float32) bool {
	b0 := 0.0
	for _, v := range f.b0 {
		b0 += float64(row[v])
	}
	b0 /= float64(len(f.b0))
	if !(b0 > 0) || math.IsInf(b0, 0) {
		return false
	}
	dst[0] = b0
	at := 1
	for _, shell := range f.shells {
		c, n := shell.inverse.Dims()
		part := dst[at : at+c]
		clear(part)
		for j, v := range shell.volumes[:n] {
			u := Link(float64(row[v]) / b0)
			if u-u != 0 {
				return false
			}
			for i := range part {
				part[i] += u * shell.inverse.At(i, j)
			}
		}
		at += c
	}
	return true
}
