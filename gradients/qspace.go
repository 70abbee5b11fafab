package gradients

import (
	"fmt"
	"math"
)

// QSpace is a basis of signals over q-space: even real spherical harmonics
// times a radial part, of which there are several. On shells the radial parts
// pick one shell each; on a q-space grid they are decaying exponentials of b. A
// covariance of its coefficients that couples radial parts at equal (l, m), the
// same for every m, is invariant under rotations: [QSpace.Isotropic].
type QSpace struct {
	Radii   []float64 // b-values of the shells in s/mm², ascending; nil on a grid
	Gridded bool
	order   []int     // largest order of each radial part
	from    []int     // first coefficient of each radial part
	size    int       // coefficients in all
	decay   []float64 // of the exponentials in mm²/s, on a grid
	largest float64   // largest b measured
}

// gridDecays are diffusivities in mm²/s that between them span restricted water
// to free fluid: mixtures of their exponentials follow the decay in any tissue.
var gridDecays = []float64{0.1e-3, 0.4e-3, 1e-3, 2.5e-3}

const (
	gridOrder       = 6
	leastGrid       = 40 // directions that a grid needs at least: coefficients of orders 0 to 2 of all radial parts, and some to spare
	leastShell      = 7  // directions that a shell needs at least: order 2 and one to spare
	anisotropyOnset = 1e-3
)

// NewQSpace makes the basis for the volumes of a table: up to order lmax on
// shells, order 6 on a grid. Shells of b = 0 have no direction. A table with no
// shell of 7 directions, or a grid of fewer than 40, is an [ErrFewDirections].
func NewQSpace(t *Table, b0Threshold float64, lmax int) (*QSpace, error) {
	mustBeEven(lmax)
	shells := t.Shells(b0Threshold)
	q := &QSpace{Gridded: shells.Gridded}
	weighted, most := 0, 0
	for _, s := range shells.All {
		if !s.IsB0 {
			weighted += len(s.Volumes)
			most = max(most, len(s.Volumes))
		}
	}
	for _, b := range t.BVals {
		q.largest = max(q.largest, b)
	}
	if shells.Gridded {
		if weighted < leastGrid {
			return nil, faultf(ErrFewDirections, "%v: a q-space grid of %d diffusion-weighted volumes; %d are needed to know how signals change over it", t.Files, weighted, leastGrid)
		}
		q.decay = gridDecays
		for range gridDecays {
			q.add(gridOrder)
		}
		return q, nil
	}
	if most < leastShell {
		return nil, faultf(ErrFewDirections, "%v: no shell has more than %d directions; %d are needed to know how signals change over the sphere", t.Files, most, leastShell)
	}
	for _, s := range shells.All {
		q.Radii = append(q.Radii, s.B)
		if s.IsB0 {
			q.add(0)
		} else {
			q.add(lmax)
		}
	}
	return q, nil
}

func (q *QSpace) add(order int) {
	q.order = append(q.order, order)
	q.from = append(q.from, q.size)
	q.size += SHCount(order)
}

// Size returns the number of coefficients.
func (q *QSpace) Size() int { return q.size }

// Parts returns the number of radial parts.
func (q *QSpace) Parts() int { return len(q.order) }

// Coefficients returns where the coefficients of a radial part begin, and its
// largest order.
func (q *QSpace) Coefficients(part int) (from, order int) { return q.from[part], q.order[part] }

// Largest returns the largest b-value of the table the basis was made for.
func (q *QSpace) Largest() float64 { return q.largest }

// Shell returns the shell that a b-value belongs to: the nearest, if it is no
// further than shells lie apart at least.
func (q *QSpace) Shell(b float64) (int, bool) {
	best, distance := -1, math.Inf(1)
	for k, r := range q.Radii {
		if d := math.Abs(b - r); d < distance {
			best, distance = k, d
		}
	}
	if best < 0 || distance > max(minGap, relGap*q.Radii[best]) {
		return 0, false
	}
	return best, true
}

// ShellRow writes the basis at direction g on a shell into dst (Size values).
func (q *QSpace) ShellRow(dst []float64, shell int, g [3]float64) {
	clear(dst)
	from, order := q.from[shell], q.order[shell]
	SH(dst[from:from+SHCount(order)], g, order)
}

// GridRow writes the basis at direction g and b-value b into dst (Size values).
func (q *QSpace) GridRow(dst []float64, b float64, g [3]float64) {
	anisotropy := -math.Expm1(-b * anisotropyOnset)
	for k, d := range q.decay {
		part := dst[q.from[k] : q.from[k]+SHCount(q.order[k])]
		SH(part, g, q.order[k])
		f := math.Exp(-b * d)
		for c := range part {
			part[c] *= f
			if c > 0 {
				part[c] *= anisotropy // signals have no direction at b = 0
			}
		}
	}
}

// Isotropic averages a covariance of the coefficients (Size × Size, row-major)
// over all rotations, in place: what couples different l or m vanishes, and every
// m of one l gets the same.
func (q *QSpace) Isotropic(cov []float64) {
	n := q.size
	for a := range q.order {
		for b := range q.order {
			for l := 0; l <= max(q.order[a], q.order[b]); l += 2 {
				mean, both := 0.0, l <= min(q.order[a], q.order[b])
				if both {
					for m := -l; m <= l; m++ {
						mean += cov[(q.from[a]+SHIndex(l, m))*n+q.from[b]+SHIndex(l, m)] / float64(2*l+1)
					}
				}
				q.eachRow(a, b, l, func(row []float64) { clear(row) }, cov)
				if both {
					for m := -l; m <= l; m++ {
						cov[(q.from[a]+SHIndex(l, m))*n+q.from[b]+SHIndex(l, m)] = mean
					}
				}
			}
		}
	}
}

// eachRow calls f for the part of every row (a, l, ·) that belongs to radial
// part b.
func (q *QSpace) eachRow(a, b, l int, f func(row []float64), cov []float64) {
	if l > q.order[a] {
		return
	}
	for m := -l; m <= l; m++ {
		at := (q.from[a]+SHIndex(l, m))*q.size + q.from[b]
		f(cov[at : at+SHCount(q.order[b])])
	}
}

// String describes the sampling in messages.
func (q *QSpace) String() string {
	if q.Gridded {
		return fmt.Sprintf("a q-space grid up to b = %.0f", q.largest)
	}
	return fmt.Sprintf("shells at b = %.0f", q.Radii)
}
