package impute

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// QModel is the distribution of a voxel's signals over all of q-space, learned
// from the voxels of one scan: a mixture of a few Gaussian processes, each
// isotropic in its mean and rotation-invariant in its covariance, which couples
// shells at equal harmonic order (design 4.3). Voxels without preferred
// directions and voxels full of them want different covariances; that is what
// the components are for.
type QModel struct {
	space   *gradients.QSpace
	classes []qClass
}

// qClass is one component of the mixture.
type qClass struct {
	share float64   // of the voxels
	mean  []float64 // of the coefficients: 0 but for l = 0
	cov   []float64 // of the coefficients, size × size, isotropic
	noise float64   // variance of what no rotation-invariant process explains, per measurement
}

// QOptions set how a [QModel] is learned. The zero value is the default.
type QOptions struct {
	Classes     int     // components; 0 means 3, or 1 in scans of few voxels
	Order       int     // largest harmonic order on shells; 0 means 8
	B0Threshold float64 // 0 means gradients.DefaultB0Threshold
	Threads     int     // 0 means one per core
}

func (o QOptions) withDefaults(voxels int) QOptions {
	if o.Classes == 0 {
		o.Classes = 3
		if voxels < leastForClasses {
			o.Classes = 1
		}
	}
	if o.Order == 0 {
		o.Order = 8
	}
	if o.B0Threshold == 0 {
		o.B0Threshold = gradients.DefaultB0Threshold
	}
	return o
}

const (
	leastForClasses = 300  // voxels below which one component must do
	learnedVoxels   = 5000 // voxels used for learning, at most
	classRounds     = 6    // assignments of voxels to components
	covRounds       = 8    // expectation maximisation of each component between them
	singleRounds    = 80   // of the only component, where there is one
	firstNoise      = 0.05 // of the average variance, to start from
)

// NewQModel learns the model from signals (rows × volumes, voxel-major, all of
// one noise level) measured with the table, by expectation maximisation of the
// mixture with the noise of each component learned too. A table with too few
// directions is gradients.ErrFewDirections.
func NewQModel(ctx context.Context, rows []float32, table *gradients.Table, o QOptions) (*QModel, error) {
	d := table.Len()
	n := len(rows) / max(d, 1)
	o = o.withDefaults(n)
	space, err := gradients.NewQSpace(table, o.B0Threshold, o.Order)
	if err != nil {
		return nil, err
	}
	if n < 20 {
		return nil, fmt.Errorf("%w: %d voxels to learn the distribution over directions from", ErrTooLittle, n)
	}
	l := newQLearner(space, rows, table, o)
	for round := range classRounds {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := l.update(ctx); err != nil {
			return nil, err
		}
		if o.Classes == 1 || round == classRounds-1 {
			break
		}
		if err := l.assign(ctx); err != nil {
			return nil, err
		}
	}
	return &QModel{space: space, classes: l.classes}, nil
}

// qLearner carries the steps of learning. Everything it needs of a voxel is
// Aᵀy and yᵀy, with A the basis at the measured volumes.
type qLearner struct {
	o       QOptions
	space   *gradients.QSpace
	d, p    int
	gram    *mat.Dense // AᵀA, p×p
	n       int
	inner   []float64 // n × p, Aᵀy of every voxel
	square  []float64 // n, yᵀy
	weight  []float64 // n × classes, memberships
	classes []qClass
}

func newQLearner(space *gradients.QSpace, rows []float32, table *gradients.Table, o QOptions) *qLearner {
	d, p := table.Len(), space.Size()
	total := len(rows) / d
	l := &qLearner{o: o, space: space, d: d, p: p, n: min(total, learnedVoxels), classes: make([]qClass, o.Classes)}
	a := designOf(space, table)
	l.gram = gramOf(a)
	l.inner, l.square = make([]float64, l.n*p), make([]float64, l.n)
	order := make([]float64, l.n)
	_ = signals.EachRange(context.Background(), l.n, 256, o.Threads, func(_, from, to int) error {
		y := make([]float64, d)
		for v := from; v < to; v++ {
			l.take(v, y, rows[v*total/l.n*d:][:d], a)
			order[v] = anisotropy(y, table, space.Largest())
		}
		return nil
	})
	l.startMembership(order)
	return l
}

// take reads voxel v.
func (l *qLearner) take(v int, y []float64, row []float32, a *mat.Dense) {
	for i, x := range row {
		y[i] = float64(x)
		l.square[v] += y[i] * y[i]
	}
	u := mat.NewVecDense(l.p, l.inner[v*l.p:(v+1)*l.p])
	u.MulVec(a.T(), mat.NewVecDense(l.d, y))
}

// anisotropy is the variance of the signals of the outermost volumes, by which
// voxels are dealt to the components at first.
func anisotropy(y []float64, table *gradients.Table, largest float64) float64 {
	var sum, square, n float64
	for i, b := range table.BVals {
		if b > 0.75*largest {
			sum += y[i]
			square += y[i] * y[i]
			n++
		}
	}
	return square/n - sum/n*sum/n
}

func (l *qLearner) startMembership(order []float64) {
	k := l.o.Classes
	l.weight = make([]float64, l.n*k)
	for rank, v := range ascending(order) {
		l.weight[v*k+rank*k/l.n] = 1
	}
}

// designOf returns the basis at the volumes of a table on which the space was
// made, volumes × size.
func designOf(space *gradients.QSpace, t *gradients.Table) *mat.Dense {
	a := mat.NewDense(t.Len(), space.Size(), nil)
	for i, b := range t.BVals {
		row := a.RawRowView(i)
		if space.Gridded {
			space.GridRow(row, b, t.BVecs[i])
			continue
		}
		shell, ok := space.Shell(b)
		if !ok {
			shell = nearestShell(space, b)
		}
		space.ShellRow(row, shell, t.BVecs[i])
	}
	return a
}

// nearestShell is for the stragglers of a wide shell.
func nearestShell(space *gradients.QSpace, b float64) int {
	best := 0
	for k, r := range space.Radii {
		if math.Abs(r-b) < math.Abs(space.Radii[best]-b) {
			best = k
		}
	}
	return best
}

func gramOf(a *mat.Dense) *mat.Dense {
	var g mat.Dense
	g.Mul(a.T(), a)
	return &g
}
