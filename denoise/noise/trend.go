package noise

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

const (
	mostDegree  = 4     // of the polynomial
	trendError  = 1e-3  // mean square relative error of the trend, in power, that is accepted
	trendRounds = 6     // rounds of the fit at most
	settled     = 2e-3  // change of a coefficient, relative power, below which the fit is done
	shortAxis   = 4     // axes shorter than this have no trend
	enoughRows  = 30000 // from this many rows on every second voxel along each axis is enough
)

// trend fits a smooth level to the power of k components, given at the
// rows with a weight: the exponential of a polynomial of the position, of the highest degree
// whose sampling error is still small, by maximum likelihood for gamma
// distributed power (Fisher scoring: least squares on η + (p-μ)/μ). A field as
// smooth as that is then not flattened by the smoothing window, neither at its
// peak nor at the edge of the mask. It returns the level at every voxel and at
// the middle of the difference that starts there; 1 if there are too few data
// for any trend.
func (e *estimator) trend(power, weight []float32) (voxel, middle []float32) {
	voxel = make([]float32, len(power))
	for r := range voxel {
		voxel[r] = 1
	}
	rows, share := e.trendRows(weight)
	start := 0.0
	for _, r := range rows {
		start += float64(power[r])
	}
	n := float64(len(rows))
	t := newPolynomial(e, n*float64(e.k)/(2*share))
	if t == nil || !(start > 0) {
		return voxel, voxel
	}
	t.beta[0] = math.Log(start / n)
	for range trendRounds {
		change, ok := t.round(e, rows, power, weight)
		if !ok {
			return voxel, voxel
		}
		if change < settled {
			break
		}
	}
	middle = make([]float32, len(power))
	for r := range voxel {
		voxel[r] = float32(math.Exp(t.at(e, r, 0)))
		middle[r] = float32(math.Exp(t.at(e, r, 0.5)))
	}
	return voxel, middle
}

// trendRows lists the rows to fit a trend to, and how many of their
// coefficients carry what an independent one does.
func (e *estimator) trendRows(weight []float32) (rows []int, share float64) {
	var all, some []int
	for r, w := range weight {
		if w > 0 {
			all = append(all, r)
			if e.onGrid(r) {
				some = append(some, r)
			}
		}
	}
	if len(all) < enoughRows {
		return all, haarShare
	}
	return some, 1
}

// polynomial is a polynomial of the position within the image, each axis from
// -1 to 1.
type polynomial struct {
	powers [][3]int // of x, y and z in every term
	beta   []float64
	term   []float64 // scratch
}

// newPolynomial picks the terms that data of the given number of independent
// coefficients can bear; nil if none but the constant.
func newPolynomial(e *estimator, independent float64) *polynomial {
	g := e.s.Grid
	for degree := mostDegree; degree > 0; degree-- {
		var p polynomial
		for total := range degree + 1 {
			for i := total; i >= 0; i-- {
				for j := total - i; j >= 0; j-- {
					k := total - i - j
					if i > 0 && g.NX < shortAxis || j > 0 && g.NY < shortAxis || k > 0 && g.NZ < shortAxis {
						continue
					}
					p.powers = append(p.powers, [3]int{i, j, k})
				}
			}
		}
		if len(p.powers) > 1 && float64(len(p.powers)) <= trendError*independent {
			p.beta, p.term = make([]float64, len(p.powers)), make([]float64, len(p.powers))
			return &p
		}
	}
	return nil
}

// fill computes the terms at a row's voxel, or half a voxel further on along
// every axis.
func (t *polynomial) fill(e *estimator, r int, half float64) {
	x, y, z := e.s.At(r)
	g := e.s.Grid
	var pow [3][mostDegree + 1]float64
	for a, u := range [3]float64{position(x, half, g.NX), position(y, half, g.NY), position(z, half, g.NZ)} {
		pow[a][0] = 1
		for i := 1; i <= mostDegree; i++ {
			pow[a][i] = pow[a][i-1] * u
		}
	}
	for i, p := range t.powers {
		t.term[i] = pow[0][p[0]] * pow[1][p[1]] * pow[2][p[2]]
	}
}

func position(i int, half float64, n int) float64 {
	return 2*(float64(i)+half)/float64(max(n-1, 1)) - 1
}

// at evaluates the polynomial, kept within what a float32 can hold.
func (t *polynomial) at(e *estimator, r int, half float64) float64 {
	t.fill(e, r, half)
	sum := 0.0
	for i, b := range t.beta {
		sum += b * t.term[i]
	}
	return max(-40, min(40, sum))
}

// round makes one step of Fisher scoring. It returns the largest change of a
// coefficient, and whether it succeeded.
func (t *polynomial) round(e *estimator, rows []int, power, weight []float32) (change float64, ok bool) {
	m := len(t.beta)
	normal, right := mat.NewSymDense(m, nil), mat.NewVecDense(m, nil)
	raw := normal.RawSymmetric().Data
	for _, r := range rows {
		w := float64(weight[r])
		eta := t.at(e, r, 0.5)
		target := eta + min(float64(power[r])*math.Exp(-eta)-1, 3)
		for i, v := range t.term {
			right.SetVec(i, right.AtVec(i)+w*v*target)
			row := raw[i*m : (i+1)*m]
			for j := i; j < m; j++ {
				row[j] += w * v * t.term[j]
			}
		}
	}
	var c mat.Cholesky
	var solution mat.VecDense
	if !c.Factorize(normal) || c.SolveVecTo(&solution, right) != nil {
		return 0, false
	}
	for i, b := range solution.RawVector().Data {
		change = max(change, math.Abs(b-t.beta[i]))
		t.beta[i] = b
	}
	return change, true
}
