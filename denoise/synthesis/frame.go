package synthesis

import (
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// rotation is an orthogonal matrix of determinant 1; its rows are the axes of a
// voxel's own frame in the table's.
type rotation [3][3]float64

func (r rotation) apply(v [3]float64) (out [3]float64) {
	for i, row := range r {
		out[i] = row[0]*v[0] + row[1]*v[1] + row[2]*v[2]
	}
	return out
}

// transposed is the inverse.
func (r rotation) transposed() (t rotation) {
	for i := range 3 {
		for j := range 3 {
			t[i][j] = r[j][i]
		}
	}
	return t
}

// randomRotation draws uniformly from all rotations, by a quaternion (Shoemake 1992).
func randomRotation(rng *rand.Rand) rotation {
	var q [4]float64
	length := 0.0
	for i := range q {
		q[i] = rng.NormFloat64()
		length += q[i] * q[i]
	}
	s := 2 / length
	w, x, y, z := q[0], q[1], q[2], q[3]
	return rotation{
		{1 - s*(y*y+z*z), s * (x*y - z*w), s * (x*z + y*w)},
		{s * (x*y + z*w), 1 - s*(x*x+z*z), s * (y*z - x*w)},
		{s * (x*z - y*w), s * (y*z + x*w), 1 - s*(x*x+y*y)},
	}
}

// frameOf returns the frame of a voxel: eigenvectors of the order-2 part, summed
// over shells, z along the least of the link (the strongest attenuation, the main
// fibre), x next.
func frameOf(s space, numbers []float64) rotation {
	var two [6]float64 // orders 0 and 2; the mean is left at 0
	for k := range s.Order {
		for i, c := range numbers[s.from(k)+1 : s.from(k)+6] {
			two[1+i] += c
		}
	}
	at := func(x, y, z float64) float64 {
		var b [6]float64
		gradients.SH(b[:], [3]float64{x, y, z}, 2)
		sum := 0.0
		for i, c := range two {
			sum += b[i] * c
		}
		return sum
	}
	xx, yy, zz := at(1, 0, 0), at(0, 1, 0), at(0, 0, 1)
	m := mat.NewSymDense(3, []float64{
		xx, at(1, 1, 0) - (xx+yy)/2, at(1, 0, 1) - (xx+zz)/2,
		0, yy, at(0, 1, 1) - (yy+zz)/2,
		0, 0, zz,
	})
	var e mat.EigenSym
	if !e.Factorize(m, true) {
		return rotation{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}} // no axes to be found; any frame will do
	}
	var v mat.Dense
	e.VectorsTo(&v) // ascending
	axis := func(k int) [3]float64 { return [3]float64{v.At(0, k), v.At(1, k), v.At(2, k)} }
	z, x := axis(0), axis(1)
	y := [3]float64{z[1]*x[2] - z[2]*x[1], z[2]*x[0] - z[0]*x[2], z[0]*x[1] - z[1]*x[0]}
	return rotation{x, y, z}
}

// turner turns functions on the sphere by sampling them on fixed directions. Its
// scratch makes it for one goroutine.
type turner struct {
	points  [][3]float64
	inverse *mat.Dense // coefficients × points, of order mostOrder: exact
	basis   []float64
	values  []float64
}

// turnPoints are more than the 45 coefficients of order 8, spread evenly.
const turnPoints = 90

func newTurner() *turner {
	points := gradients.Directions(turnPoints, rand.New(rand.NewPCG(1, 1)))
	inverse, err := exactInverse(points)
	if err != nil {
		panic("synthesis: directions for turning are degenerate")
	}
	return &turner{points: points, inverse: inverse, basis: make([]float64, gradients.SHCount(mostOrder)), values: make([]float64, turnPoints)}
}

// exactInverse is pseudoInverse without penalty, so that turning back and forth
// loses nothing.
func exactInverse(points [][3]float64) (*mat.Dense, error) {
	b := mat.NewDense(len(points), gradients.SHCount(mostOrder), gradients.SHMatrix(points, mostOrder))
	var gram mat.SymDense
	gram.SymOuterK(1, b.T())
	var chol mat.Cholesky
	chol.Factorize(&gram)
	var out mat.Dense
	return &out, chol.SolveTo(&out, b.T())
}

// turn replaces the coefficients of a voxel by those in the frame r: of
// f'(g') = f(rᵀg').
func (t *turner) turn(s space, numbers []float64, r rotation) {
	back := r.transposed()
	rows := make([]float64, 0, turnPoints*len(t.basis))
	for _, p := range t.points {
		gradients.SH(t.basis, back.apply(p), mostOrder)
		rows = append(rows, t.basis...)
	}
	c := len(t.basis)
	for k, order := range s.Order {
		part := numbers[s.from(k):][:gradients.SHCount(order)]
		for i := range t.points {
			sum := 0.0
			for j, v := range part {
				sum += rows[i*c+j] * v
			}
			t.values[i] = sum
		}
		for j := range part {
			sum := 0.0
			for i, w := range t.inverse.RawRowView(j) {
				sum += w * t.values[i]
			}
			part[j] = sum
		}
	}
}

// halfTurns returns the signs that every number of a voxel takes under the
// half turns of its frame: none, about x, about y, about z.
func halfTurns(s space) [4][]float64 {
	var signs [4][]float64
	for k, r := range []rotation{
		{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, {{1, 0, 0}, {0, -1, 0}, {0, 0, -1}},
		{{-1, 0, 0}, {0, 1, 0}, {0, 0, -1}}, {{-1, 0, 0}, {0, -1, 0}, {0, 0, 1}},
	} {
		// A half turn about an axis of the frame takes every real harmonic to itself or its
		// negative; at a point without symmetry the sign can be read off.
		p := [3]float64{0.48, 0.6, 0.64}
		a, b := make([]float64, gradients.SHCount(mostOrder)), make([]float64, gradients.SHCount(mostOrder))
		gradients.SH(a, p, mostOrder)
		gradients.SH(b, r.apply(p), mostOrder)
		signs[k] = append(signs[k], 1)
		for _, order := range s.Order {
			for j := range gradients.SHCount(order) {
				sign := 1.0
				if a[j]*b[j] < 0 {
					sign = -1
				}
				signs[k] = append(signs[k], sign)
			}
		}
	}
	return signs
}
