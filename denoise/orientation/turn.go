package orientation

import "github.com/dmri-denoise/dmri-denoise/gradients"

// turns writes how a peak of the distribution solved last turns with the signal: the
// derivatives of its angles, in radians, along two tangents by the signal of every
// volume. With H the curvature of f at the peak and g its gradient, both linear in f,
// a change df turns the peak by -H⁻¹g(df); and f is linear in the signal as long as the
// directions held from being negative stay the same.
func (s *Solver) turns(dst *[2][]float64, peak [3]float64, f []float64) bool {
	c := s.c
	n := c.N
	e1, e2 := tangents(peak)
	at := func(k int, a, b float64) []float64 {
		h := s.rows[k*n : (k+1)*n]
		gradients.SH(h, unit([3]float64{peak[0] + a*e1[0] + b*e2[0], peak[1] + a*e1[1] + b*e2[1], peak[2] + a*e1[2] + b*e2[2]}), c.Shell.Order)
		return h
	}
	px, mx, py, my := at(0, offset, 0), at(1, -offset, 0), at(2, 0, offset), at(3, 0, -offset)
	pp, top := at(4, offset, offset), at(5, 0, 0)
	var xx, yy, xy float64
	for i, v := range f {
		xx += v * (px[i] + mx[i] - 2*top[i]) / (offset * offset)
		yy += v * (py[i] + my[i] - 2*top[i]) / (offset * offset)
		xy += v * (pp[i] - px[i] - py[i] + top[i]) / (offset * offset)
	}
	det := xx*yy - xy*xy
	if !(xx < 0 && det > 0) {
		return false
	}
	u, v := s.rows[6*n:7*n], s.rows[7*n:8*n]
	for i := range n {
		gx, gy := (px[i]-mx[i])/(2*offset), (py[i]-my[i])/(2*offset)
		u[i], v[i] = -(yy*gx-xy*gy)/det, -(xx*gy-xy*gx)/det
	}
	s.bySignal(dst[0], u)
	s.bySignal(dst[1], v)
	return true
}

// bySignal turns a linear function of the distribution solved last, which it
// overwrites, into one of the signal.
func (s *Solver) bySignal(dst, function []float64) {
	c := s.c
	solve(s.root, c.N, function)
	clear(dst)
	for j, i := range c.Shell.Volumes {
		for a, x := range function {
			dst[i] += c.design[j*c.N+a] * x
		}
	}
}
