package prior

import "math"

// shrinkSingular writes the weight of every singular value into f: the ratio
// of the optimally shrunk to the measured value for the Frobenius loss, at
// known noise (Gavish and Donoho 2017). eigenvalues are those of AᵀA for
// an n×d matrix A of signal plus white noise of standard deviation sigma. It
// returns the number of values kept.
func shrinkSingular(f, eigenvalues []float64, sigma float64, n, d int) (rank int) {
	large, small := float64(max(n, d)), float64(min(n, d))
	beta := small / large
	edge := 1 + math.Sqrt(beta)
	for j, e := range eigenvalues {
		f[j] = 0
		x2 := e / (sigma * sigma * large)
		if x2 <= edge*edge {
			continue
		}
		c := x2 - beta - 1
		f[j] = math.Sqrt(max(c*c-4*beta, 0)) / x2
		rank++
	}
	return rank
}
