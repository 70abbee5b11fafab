package orientation

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"

	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
)

// Errors that this package's errors wrap.
var (
	// ErrFewDirections reports a table without a shell of enough directions.
	ErrFewDirections = errors.New("orientation: too few directions")
	// ErrNoResponse reports a scan in which no single-fibre response is found.
	ErrNoResponse = errors.New("orientation: no single-fibre response")
)

const (
	sphere       = 300 // directions of a half sphere on which a distribution may not be negative
	leastShell   = 15  // directions: order 4
	wantedShell  = 28  // directions that make a shell preferable to a lower one of more: order 6
	highestOrder = 8
	rounds       = 50   // of the constrained solution, at most
	drawRounds   = 4    // of a draw's, which starts from the mean's
	lobeWeight   = 50   // of the constraint, that of MRtrix's dwi2fod csd, so that distributions compare
	normWeight   = 2e-4 // of the smallest norm, likewise: orders that the signal does not determine stay small
)

// Shell is the shell that distributions are fitted on.
type Shell struct {
	B       float64 // s/mm²
	Volumes []int
	Order   int // of the harmonics
}

// ChooseShell takes the highest shell with at least 28 directions, or else the
// one with most, and the highest order up to 8 with no more coefficients than
// directions.
func ChooseShell(t *gradients.Table, b0Threshold float64) (Shell, error) {
	var best Shell
	most := 0
	for _, s := range t.Shells(b0Threshold).All {
		if s.IsB0 || len(s.Volumes) < leastShell && len(s.Volumes) <= most {
			continue
		}
		if n := len(s.Volumes); n >= wantedShell || n > most {
			best, most = Shell{B: s.B, Volumes: s.Volumes}, n
		}
	}
	if most < leastShell {
		return best, fmt.Errorf("%w: %v: the largest shell has %d directions; constrained spherical deconvolution needs %d", ErrFewDirections, t.Files, most, leastShell)
	}
	for best.Order = highestOrder; gradients.SHCount(best.Order) > most; {
		best.Order -= 2
	}
	return best, nil
}

// CSD is constrained spherical deconvolution (Tournier, Calamante and Connelly
// 2007): of the distributions f that explain the signal A·f, the one with least
// negative lobes, by alternating least squares |Af-s|² + λ²|H₋f|² with H₋ the
// directions in which f came out negative. It is safe for concurrent use; see
// [CSD.NewSolver].
type CSD struct {
	Shell    Shell
	Response []float64 // zonal coefficients of the response, order 0, 2, …
	N        int       // coefficients

	directions [][3]float64 // sphere
	near       [][]int32    // per direction, those about it
	design     []float64    // volumes × N
	gram       []float64    // N × N
	harmonics  []float64    // sphere × N, times λ
	plain      []float64    // sphere × N
	low        []float64    // N4 × volumes: deconvolution of orders up to 4, to start from
	lowCount   int
}

// NewCSD prepares the deconvolution of a shell by a response.
func NewCSD(t *gradients.Table, shell Shell, response []float64) (*CSD, error) {
	n := gradients.SHCount(shell.Order)
	c := &CSD{Shell: shell, Response: response, N: n}
	c.directions = sphereDirections()
	c.plain = gradients.SHMatrix(c.directions, shell.Order)
	c.neighbours()
	factor, err := c.factors()
	if err != nil {
		return nil, err
	}
	var g [][3]float64
	for _, i := range shell.Volumes {
		g = append(g, t.BVecs[i])
	}
	m := len(g)
	c.design = gradients.SHMatrix(g, shell.Order)
	for i := range c.design {
		c.design[i] *= factor[i%n]
	}
	lambda := lobeWeight * response[0] / sphere
	c.harmonics = make([]float64, len(c.plain))
	for i, h := range c.plain {
		c.harmonics[i] = lambda * h
	}
	c.gram = make([]float64, n*n)
	fastblas.Syrk(true, true, n, m, 1, c.design, n, 0, c.gram, n)
	norm := normWeight * c.gram[0]
	for a := range n {
		c.gram[a*n+a] += norm
	}
	return c, c.start(m)
}

// sphereDirections are the directions of the sphere, the same for all.
var sphereDirections = sync.OnceValue(func() [][3]float64 {
	return gradients.Directions(sphere, rand.New(rand.NewPCG(sphere, 1)))
})

// factors returns by what convolution multiplies each coefficient: the response's
// over that of a delta along z.
func (c *CSD) factors() ([]float64, error) {
	z := make([]float64, c.N)
	gradients.SH(z, [3]float64{0, 0, 1}, c.Shell.Order)
	var out []float64
	for l := 0; l <= c.Shell.Order; l += 2 {
		r := 0.0
		if l/2 < len(c.Response) {
			r = c.Response[l/2]
		}
		if l == 0 && !(r > 0) {
			return nil, fmt.Errorf("%w: the mean of the response is %v", ErrNoResponse, r)
		}
		for range 2*l + 1 {
			out = append(out, r/z[gradients.SHIndex(l, 0)])
		}
	}
	return out, nil
}

// start prepares the deconvolution of low order.
func (c *CSD) start(m int) error {
	k := gradients.SHCount(min(4, c.Shell.Order))
	c.lowCount = k
	chol := make([]float64, k*k)
	for a := range k {
		copy(chol[a*k:a*k+k], c.gram[a*c.N:a*c.N+k])
	}
	if !factorize(chol, k, 0) {
		return fmt.Errorf("%w: the directions of b = %.0f do not determine order 4", ErrFewDirections, c.Shell.B)
	}
	c.low = make([]float64, k*m)
	x := make([]float64, k)
	for i := range m {
		copy(x, c.design[i*c.N:i*c.N+k])
		solve(chol, k, x)
		for a, v := range x {
			c.low[a*m+i] = v
		}
	}
	return nil
}

// neighbours lists the directions about each, antipodes counting as one.
func (c *CSD) neighbours() {
	closest := math.Cos(1.5 * math.Sqrt(2/math.Sqrt(3)*2*math.Pi/sphere)) // one and a half times their distance
	c.near = make([][]int32, len(c.directions))
	for i, u := range c.directions {
		for j, v := range c.directions {
			if i != j && math.Abs(dot(u, v)) > closest {
				c.near[i] = append(c.near[i], int32(j))
			}
		}
	}
}

// Solver is the scratch of one goroutine.
type Solver struct {
	c       *CSD
	signal  []float64
	right   []float64
	matrix  []float64 // N × N: gram and penalties, lower triangle
	factor  []float64
	rows    []float64 // of the harmonics that enter or leave the set
	column  []float64
	mean    []float64 // matrix of the mean's solution
	root    []float64 // its factor
	meanSet []bool
	set     []bool
	Lobes   []float64 // amplitude of the last solution in every direction of the sphere
}

// NewSolver returns the scratch of one goroutine.
func (c *CSD) NewSolver() *Solver {
	n := c.N
	return &Solver{
		c: c, signal: make([]float64, len(c.Shell.Volumes)), right: make([]float64, n), matrix: make([]float64, n*n), factor: make([]float64, n*n), rows: make([]float64, sphere*n), column: make([]float64, n),
		mean: make([]float64, n*n), root: make([]float64, n*n), meanSet: make([]bool, sphere), set: make([]bool, sphere), Lobes: make([]float64, sphere),
	}
}

// Solve writes the distribution of a signal (all volumes of the table) into f (N
// coefficients) and keeps it as the one that [Solver.Draw] starts from.
func (s *Solver) Solve(f []float64, signal []float32) bool {
	c := s.c
	s.load(signal)
	m := len(s.signal)
	clear(f)
	for a := range c.lowCount {
		for i, x := range s.signal {
			f[a] += c.low[a*m+i] * x
		}
	}
	copy(s.matrix, c.gram)
	clear(s.set)
	ok := s.iterate(f, rounds)
	copy(s.mean, s.matrix)
	copy(s.meanSet, s.set)
	copy(s.root, s.matrix)
	return ok && factorize(s.root, c.N, 0)
}

// Draw writes the distribution of a draw of the voxel that was solved last.
func (s *Solver) Draw(f []float64, signal []float32) bool {
	s.load(signal)
	copy(s.matrix, s.mean)
	copy(s.set, s.meanSet)
	copy(f, s.right)
	solve(s.root, s.c.N, f)
	return s.iterate(f, drawRounds)
}

func (s *Solver) load(signal []float32) {
	c := s.c
	clear(s.right)
	for j, i := range c.Shell.Volumes {
		x := float64(signal[i])
		s.signal[j] = x
		fastblas.Axpy(x, c.design[j*c.N:(j+1)*c.N], s.right)
	}
}

// iterate goes on from f until the set of negative directions stays.
func (s *Solver) iterate(f []float64, most int) bool {
	c := s.c
	n := c.N
	for range most {
		fastblas.Gemv(false, sphere, n, 1, c.plain, n, f, 0, s.Lobes)
		changed := s.exchange(true) // both
		changed = s.exchange(false) || changed
		if !changed {
			return true
		}
		copy(s.factor, s.matrix)
		if !factorizeWith(s.factor, n, 0, s.column) {
			return false
		}
		copy(f, s.right)
		solve(s.factor, n, f)
	}
	fastblas.Gemv(false, sphere, n, 1, c.plain, n, f, 0, s.Lobes)
	return true
}

// exchange puts the directions that have become negative into the set and the
// matrix, or takes out those that no longer are.
func (s *Solver) exchange(in bool) bool {
	c, n := s.c, s.c.N
	k, sign := 0, -1.0
	if in {
		sign = 1
	}
	for i, a := range s.Lobes {
		if s.set[i] != in && (a < 0) == in {
			s.set[i] = in
			copy(s.rows[k*n:], c.harmonics[i*n:(i+1)*n])
			k++
		}
	}
	if k > 0 {
		fastblas.Syrk(true, true, n, k, sign, s.rows, n, 1, s.matrix, n)
	}
	return k > 0
}

// amplitudes writes f in the directions of the sphere.
func (c *CSD) amplitudes(dst, f []float64) {
	fastblas.Gemv(false, sphere, c.N, 1, c.plain, c.N, f, 0, dst)
}
