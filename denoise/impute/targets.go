package impute

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// ErrOutside reports a target b-value outside the measured range.
var ErrOutside = errors.New("impute: b-value outside the measured range")

// Targets say how the volumes of a new gradient table follow from points that a
// [QModel] can predict: on a shell, or on a grid, they are such points. Between
// two shells the logarithm of the signal along the direction is interpolated in
// b from the shells around it, quadratically where there are three, which
// diffusional kurtosis follows; beyond the last shell it is continued linearly.
type Targets struct {
	Points *gradients.Table // what the model predicts
	terms  [][]term         // per target volume
}

type term struct {
	point  int
	weight float64 // exponent of the signal there
	linear float64 // the same for interpolation between the two nearest shells alone
}

// NewTargets plans the volumes of target for a model. b-values outside the
// measured range are an [ErrOutside] unless extrapolate is set and two shells,
// b = 0 among them, give a decay to continue.
func NewTargets(m *QModel, target *gradients.Table, extrapolate bool) (*Targets, error) {
	t := &Targets{Points: &gradients.Table{Frame: target.Frame}}
	for i, b := range target.BVals {
		g := target.BVecs[i]
		if m.space.Gridded {
			if !extrapolate && b > 1.05*m.space.Largest() {
				return nil, outside(i, b, m.space)
			}
			t.add(t.point(b, g))
			continue
		}
		if k, ok := m.space.Shell(b); ok {
			t.add(t.point(m.space.Radii[k], g))
			continue
		}
		if err := t.between(m.space, i, b, g, extrapolate); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// OwnTargets are volumes of the scan's own table: each is a point.
func OwnTargets(table *gradients.Table) *Targets {
	t := &Targets{Points: &gradients.Table{Frame: table.Frame}}
	for i, b := range table.BVals {
		t.add(t.point(b, table.BVecs[i]))
	}
	return t
}

// CheckTargets returns the error that [NewTargets] would for a model over the
// given space, before there is one.
func CheckTargets(space *gradients.QSpace, target *gradients.Table, extrapolate bool) error {
	_, err := NewTargets(&QModel{space: space}, target, extrapolate)
	return err
}

func outside(i int, b float64, space *gradients.QSpace) error {
	return fmt.Errorf("%w: target volume %d has b = %g s/mm², the scan has %v", ErrOutside, i, b, space)
}

// point adds a point and returns its term.
func (t *Targets) point(b float64, g [3]float64) term {
	t.Points.BVals = append(t.Points.BVals, b)
	t.Points.BVecs = append(t.Points.BVecs, g)
	return term{len(t.Points.BVals) - 1, 1, 1}
}

func (t *Targets) add(terms ...term) { t.terms = append(t.terms, terms) }

// between plans a volume whose b-value no shell has.
func (t *Targets) between(space *gradients.QSpace, i int, b float64, g [3]float64, extrapolate bool) error {
	r := space.Radii
	above := 0
	for above < len(r) && r[above] < b {
		above++
	}
	inside := above > 0 && above < len(r)
	if !inside && (!extrapolate || len(r) < 2) {
		return outside(i, b, space)
	}
	var nodes []int
	switch {
	case !inside && above == 0:
		nodes = []int{0, 1}
	case !inside:
		nodes = []int{len(r) - 2, len(r) - 1}
	default:
		nodes = []int{above - 1, above}
		if third, ok := nearestOf(r, above-2, above+1, b); ok {
			nodes = append(nodes, third)
		}
	}
	var terms []term
	for a, k := range nodes {
		x := t.point(r[k], g)
		for c, l := range nodes {
			if c != a {
				x.weight *= (b - r[l]) / (r[k] - r[l]) // Lagrange
			}
		}
		if x.linear = 0; a < 2 {
			other := r[nodes[1-a]]
			x.linear = (b - other) / (r[k] - other)
		}
		terms = append(terms, x)
	}
	t.add(terms...)
	return nil
}

// nearestOf returns whichever of two shells exists and is nearer to b.
func nearestOf(r []float64, i, j int, b float64) (int, bool) {
	left, right := i >= 0, j < len(r)
	switch {
	case left && right && math.Abs(r[i]-b) < math.Abs(r[j]-b), left && !right:
		return i, true
	case right:
		return j, true
	}
	return 0, false
}

// leastShare keeps logarithms finite: a signal counts as at least this share of
// the largest it is interpolated with.
const leastShare = 0.02

// Combine makes the target volumes of a voxel from the signals at the points.
func (t *Targets) Combine(dst, points []float64) {
	for i, terms := range t.terms {
		if len(terms) == 1 {
			dst[i] = points[terms[0].point]
			continue
		}
		dst[i], _ = geometric(terms, points)
	}
}

// Spread makes the standard deviations of the target volumes from mean and
// standard deviation at the points, by linearising the interpolation and taking
// errors at its points as independent. A third of what the quadratic term of the
// interpolation contributes counts as the error of leaving out the next.
func (t *Targets) Spread(dst, points, deviations []float64) {
	for i, terms := range t.terms {
		if len(terms) == 1 {
			dst[i] = deviations[terms[0].point]
			continue
		}
		value, least := geometric(terms, points)
		chord, _ := geometric(linearly(terms), points)
		sum := (value - chord) * (value - chord) / 9
		for _, x := range terms {
			d := value * x.weight * deviations[x.point] / max(points[x.point], least)
			sum += d * d
		}
		dst[i] = math.Sqrt(sum)
	}
}

// linearly returns the terms with their linear weights.
func linearly(terms []term) []term {
	out := slices.Clone(terms)
	for i := range out {
		out[i].weight = out[i].linear
	}
	return out
}

func geometric(terms []term, points []float64) (value, least float64) {
	for _, x := range terms {
		least = max(least, leastShare*points[x.point])
	}
	if least <= 0 {
		return 0, 1
	}
	log := 0.0
	for _, x := range terms {
		log += x.weight * math.Log(max(points[x.point], least))
	}
	return math.Exp(log), least
}

// Volumes returns the number of target volumes.
func (t *Targets) Volumes() int { return len(t.terms) }
