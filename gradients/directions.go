package gradients

import (
	"math"
	"math/rand/v2"
)

// Directions returns n unit vectors spread evenly over the sphere, where a direction and its opposite count as one: each
// repels the others and their mirror images like equal charges, and the sum of inverse distances is brought to a minimum
// (Jones, Horsfield and Simmons 1999). The start is random and the descent deterministic, so equal generators give equal
// directions; they do not depend on the machine's number of cores. A negative n panics.
func Directions(n int, rng *rand.Rand) [][3]float64 {
	if n < 0 {
		panic("gradients: negative number of directions")
	}
	v := make([][3]float64, n)
	for i := range v {
		for v[i] == ([3]float64{}) {
			v[i] = unit([3]float64{rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()})
		}
	}
	if n < 2 {
		return v
	}
	trial := make([][3]float64, n)
	force := make([][3]float64, n)
	energy := repulsion(v, force)
	// Neighbours are about 2.5/√n apart and forces between them about n; the step adapts from there.
	step := 0.1 / (float64(n) * math.Sqrt(float64(n)))
	for iteration, still := 0, 0; iteration < 2000 && still < 20; iteration++ {
		for i := range v {
			trial[i] = unit([3]float64{v[i][0] + step*force[i][0], v[i][1] + step*force[i][1], v[i][2] + step*force[i][2]})
		}
		e := repulsionEnergy(trial)
		if e >= energy {
			step /= 2
			still++
			continue
		}
		if energy-e > 1e-10*energy {
			still = 0
		} else {
			still++
		}
		v, trial = trial, v
		energy = repulsion(v, force)
		step *= 1.2
	}
	return v
}

// repulsion returns the energy Σ 1/|a-b| + 1/|a+b| over pairs and sets force to its negative gradient, the part tangential
// to the sphere.
func repulsion(v, force [][3]float64) float64 {
	clear(force)
	energy := 0.0
	for i := range v {
		for j := range i {
			a, b := v[i], v[j]
			dot := a[0]*b[0] + a[1]*b[1] + a[2]*b[2]
			near, far := inverseDistance(2-2*dot), inverseDistance(2+2*dot)
			energy += near + far
			// The gradient of 1/√(2∓2 a·b) along a is ±b/(…)^(3/2).
			w := far*far*far - near*near*near
			for c := range 3 {
				force[i][c] += w * b[c]
				force[j][c] += w * a[c]
			}
		}
	}
	for i, f := range force {
		radial := f[0]*v[i][0] + f[1]*v[i][1] + f[2]*v[i][2]
		for c := range 3 {
			force[i][c] -= radial * v[i][c]
		}
	}
	return energy
}

func repulsionEnergy(v [][3]float64) float64 {
	energy := 0.0
	for i := range v {
		for j := range i {
			dot := v[i][0]*v[j][0] + v[i][1]*v[j][1] + v[i][2]*v[j][2]
			energy += inverseDistance(2-2*dot) + inverseDistance(2+2*dot)
		}
	}
	return energy
}

// inverseDistance is 1/√d², finite where two directions coincide.
func inverseDistance(d2 float64) float64 { return 1 / math.Sqrt(max(d2, 1e-12)) }
