package orientation

import (
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
)

// shifts tells by how much deconvolution itself moves the peaks of the mean
// distribution, in degrees: the signal of fibres exactly along them, by the response and in
// proportion to their amplitudes, is deconvolved, and the peaks it gives are compared
// with them. Draws do not show this error, for all have it alike. It is a bias, of
// which the size is known better than the direction, since real fibres do not have
// the response exactly: so it widens the cone rather than moving the peak.
func (w *voxelWork) shifts() (angle [MostPeaks]float64) {
	c := w.c
	delta, harmonics := w.delta, w.scratch
	clear(delta)
	for _, p := range w.peaks {
		gradients.SH(harmonics, p.Direction, c.Shell.Order)
		fastblas.Axpy(p.Amplitude, harmonics, delta)
	}
	scale := w.mean[0] / delta[0]
	for j, i := range c.Shell.Volumes {
		w.signal[i] = float32(scale * fastblas.Dot(c.design[j*c.N:(j+1)*c.N], delta))
	}
	if w.solver.Solve(delta, w.signal) {
		for j, p := range w.peaks {
			angle[j] = Angle(p.Direction, c.Climb(p.Direction, delta, harmonics).Direction)
		}
	}
	return angle
}
