package baseline

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// Spherical is the Gaussian process of Andersson and Sotiropoulos 2015 on the
// diffusion-weighted volumes: signals about the voxel's own mean over each shell
// have the covariance λ·C(θ)·exp(-(ln b - ln b')²/2ℓ²) + σ² on the diagonal, with θ
// the angle between two directions and the spherical C(θ) = 1 - 3θ/2a + θ³/2a³ up to
// θ = a, 0 beyond. The hyper-parameters maximise the marginal likelihood of all
// voxels together.
type Spherical struct {
	Lambda, A, Sigma2, L float64 // A in radians; L of ln b
	*Linear
}

// NewSpherical fits the process to signals (voxels × measured volumes) and
// prepares the prediction of the target volumes.
func NewSpherical(measured, target *gradients.Table, b0Threshold float64, rows []float32) (*Spherical, error) {
	shells, err := pairs(measured, target, b0Threshold)
	if err != nil {
		return nil, err
	}
	f := &sphericalFit{measured: measured, target: target, shells: shells}
	f.weighted(rows)
	if len(f.use) < 2 {
		return nil, fmt.Errorf("%w: no diffusion-weighted volume", ErrShell)
	}
	s := &Spherical{}
	if err := f.maximise(s); err != nil {
		return nil, err
	}
	return s, f.predict(s)
}

type sphericalFit struct {
	measured, target *gradients.Table
	shells           []pair
	use              []int      // diffusion-weighted measured volumes
	mean             *mat.Dense // use × measured: the shell's mean at each of use
	cov              *mat.SymDense
	multi            bool
}

// weighted gathers the covariance of the signals about their shell's mean.
func (f *sphericalFit) weighted(rows []float32) {
	d := f.measured.Len()
	of := make([]int, d)
	count := 0
	for k, s := range f.shells {
		if s.isB0 {
			continue
		}
		count++
		for _, v := range s.measured {
			of[v] = k
			f.use = append(f.use, v)
		}
	}
	f.multi = count > 1
	n := len(f.use)
	f.mean = mat.NewDense(n, d, nil)
	for a, v := range f.use {
		for _, u := range f.shells[of[v]].measured {
			f.mean.Set(a, u, 1/float64(len(f.shells[of[v]].measured)))
		}
	}
	second := mat.NewSymDense(d, nil)
	voxels := len(rows) / d
	y := mat.NewVecDense(d, nil)
	for v := range voxels {
		for i, x := range rows[v*d : (v+1)*d] {
			y.SetVec(i, float64(x))
		}
		second.SymRankOne(second, 1/float64(voxels), y)
	}
	centre := mat.NewDense(n, d, nil)
	for a, v := range f.use {
		centre.Set(a, v, 1)
	}
	centre.Sub(centre, f.mean)
	var half, full mat.Dense
	half.Mul(centre, second)
	full.Mul(&half, centre.T())
	f.cov = mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			f.cov.SetSym(i, j, full.At(i, j))
		}
	}
}

// kernel returns λ·C·E between two volumes.
func (s *Spherical) kernel(g, h [3]float64, b, c float64, multi bool) float64 {
	theta := math.Acos(cosine(g, h))
	if theta >= s.A {
		return 0
	}
	k := s.Lambda * (1 - 1.5*theta/s.A + 0.5*math.Pow(theta/s.A, 3))
	if multi {
		l := math.Log(b) - math.Log(c)
		k *= math.Exp(-l * l / (2 * s.L * s.L))
	}
	return k
}

func (f *sphericalFit) matrix(s *Spherical) *mat.SymDense {
	n := len(f.use)
	k := mat.NewSymDense(n, nil)
	for a, i := range f.use {
		for b := a; b < n; b++ {
			j := f.use[b]
			k.SetSym(a, b, s.kernel(f.measured.BVecs[i], f.measured.BVecs[j], f.measured.BVals[i], f.measured.BVals[j], f.multi))
		}
		k.SetSym(a, a, k.At(a, a)+s.Sigma2)
	}
	return k
}

// Bounds of the angle in radians, as nifreeze sets them.
const leastAngle, mostAngle = 0.1, 2.35

// maximise finds the hyper-parameters by Nelder and Mead's simplex on their
// logarithms.
func (f *sphericalFit) maximise(s *Spherical) error {
	power := mat.Trace(f.cov) / float64(len(f.use))
	set := func(x []float64) {
		s.Lambda, s.Sigma2 = power*math.Exp(x[0]), power*math.Exp(x[1])
		s.A = leastAngle + (mostAngle-leastAngle)/(1+math.Exp(-x[2]))
		s.L = 1
		if f.multi {
			s.L = math.Exp(x[3])
		}
	}
	problem := optimize.Problem{Func: func(x []float64) float64 {
		for _, v := range x {
			if math.Abs(v) > 15 {
				return math.Inf(1)
			}
		}
		set(x)
		var chol mat.Cholesky
		if !chol.Factorize(f.matrix(s)) {
			return math.Inf(1)
		}
		var solved mat.Dense
		if err := chol.SolveTo(&solved, f.cov); err != nil {
			return math.Inf(1)
		}
		return mat.Trace(&solved) + chol.LogDet()
	}}
	start := []float64{0, -3, 0}
	if f.multi {
		start = append(start, 0)
	}
	result, err := optimize.Minimize(problem, start, &optimize.Settings{MajorIterations: 200}, &optimize.NelderMead{})
	if result == nil || math.IsInf(result.F, 0) {
		return fmt.Errorf("baseline: spherical Gaussian process: %w", err)
	}
	set(result.X)
	return nil
}

// predict turns the process into weights: the shell's mean, plus k·K⁻¹ times the
// signals about their means.
func (f *sphericalFit) predict(s *Spherical) error {
	l, err := eachShell(f.measured, f.target, 0, func(from, to [][3]float64) (*mat.Dense, error) {
		return meanWeights(len(to), len(from)), nil
	})
	if err != nil {
		return err
	}
	var chol mat.Cholesky
	if !chol.Factorize(f.matrix(s)) {
		return fmt.Errorf("baseline: spherical Gaussian process: covariance is not positive")
	}
	d, n := f.measured.Len(), len(f.use)
	centre := mat.NewDense(n, d, nil)
	for a, v := range f.use {
		centre.Set(a, v, 1)
	}
	centre.Sub(centre, f.mean)
	var solved mat.Dense
	if err := chol.SolveTo(&solved, centre); err != nil {
		return err
	}
	cross := mat.NewVecDense(n, nil)
	var w mat.VecDense
	for _, p := range f.shells {
		if p.isB0 {
			continue
		}
		for _, t := range p.target {
			for a, i := range f.use {
				cross.SetVec(a, s.kernel(f.target.BVecs[t], f.measured.BVecs[i], f.target.BVals[t], f.measured.BVals[i], f.multi))
			}
			w.MulVec(solved.T(), cross)
			for i := range d {
				l.Weights[t*d+i] += w.AtVec(i)
			}
		}
	}
	s.Linear = l
	return nil
}
