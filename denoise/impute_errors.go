package denoise

import "math"

// The error of a prediction is hard to tell from the noise of the measurement it
// is compared with by its size: a noise level 2 % too high hides an error of a
// fifth of σ. By its look it can be told: noise is white over space, errors are
// not. So the squared error is taken from products of residuals of neighbouring
// voxels, in which noise averages to nothing, extrapolated from distances 1 and 2
// to 0; white errors are missed. Each way errs on the low side in its own case,
// and the larger one counts.

// lags are sums of products of residuals one and two voxels apart.
type lags struct{ one, two, ones, twos float64 }

// factor takes products at distance 1 to the variance at distance 0, on the
// straight line through the covariances at distances 1 and 2: overlapping blocks
// make errors whose correlation falls off like that.
func (l *lags) factor() float64 {
	if l.ones == 0 || l.twos == 0 || l.one <= 0 {
		return 1
	}
	one, two := l.one/l.ones, l.two/l.twos
	return min(max((2*one-two)/one, 1), 2)
}

// power are the sums behind the mean squared residual beyond the noise.
type power struct{ sum, n float64 }

func (p *power) add(residual, explained float64) {
	p.sum += residual*residual - explained
	p.n++
}

// lift returns the factor that raises a mean of products, over n of them, to the
// mean excess power of the residuals if that is larger; sums that are not above 0
// stay as they are.
func (p *power) lift(products, n float64) float64 {
	if products <= 0 || n == 0 || p.n == 0 {
		return 1
	}
	return max(p.sum/p.n/(products/n), 1)
}

// squaredErrors replaces residuals (nx*ny*nz × n, NaN where there is none) by
// estimates of the squared error there: the mean product with the four
// neighbours of the slice.
func squaredErrors(residual []float32, nx, ny, nz, n int) []float32 {
	out := make([]float32, len(residual))
	sums := &lags{}
	at := func(x, y, z, i int) float64 {
		if x < 0 || y < 0 || x >= nx || y >= ny {
			return math.NaN()
		}
		return float64(residual[(x+nx*(y+ny*z))*n+i])
	}
	steps := [4][2]int{{1, 0}, {-1, 0}, {0, 1}, {0, -1}}
	for z := range nz {
		for y := range ny {
			for x := range nx {
				for i := range n {
					own, sum, count := at(x, y, z, i), 0.0, 0.0
					for _, s := range steps {
						if p := own * at(x+s[0], y+s[1], z, i); p == p {
							sum += p
							count++
						}
						if p := own * at(x+2*s[0], y+2*s[1], z, i); p == p {
							sums.two += p
							sums.twos++
						}
					}
					sums.one += sum
					sums.ones += count
					out[(x+nx*(y+ny*z))*n+i] = float32(sum / count) // NaN without neighbours
				}
			}
		}
	}
	f := float32(sums.factor())
	for i := range out {
		out[i] *= f
	}
	return out
}
