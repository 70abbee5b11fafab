package prior

import (
	"context"
	"math"

	"github.com/dmri-denoise/dmri-denoise/denoise/noise"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
	"github.com/dmri-denoise/dmri-denoise/internal/symeig"
)

const (
	magnitudeError = 0.2  // standard error of a denoised mean, in σ: what priors estimate of themselves is .15 to .3
	amplitudeError = 0.1  // and of an amplitude that the voxel's other volumes tell
	ownMean        = 5.0  // means from here on are inverted by themselves
	sharedSlope    = 0.8  // of the mean against the amplitude, below which the other volumes alone tell
	ownSlope       = 0.98 // and above which the mean does; in between both do
	leastVariance  = 0.01 // σ², along a component that is worth having
	mostAmplitudes = 40   // components at most
	fewestVoxels   = 500  // that components are learned from
	amplitudeSteps = 2    // of Newton's method
)

// Amplitudes turns the denoised means of Rician magnitudes (rows × d, in σ) into
// amplitudes, in place. Where the mean hardly depends on the amplitude, near the
// noise floor, its inverse makes errors large; there a voxel's amplitudes are
// told by those of its other volumes: a Gaussian along the principal components
// of all amplitudes, learned from the rows that count, is given the means by
// Newton's method on |m - M(a)|²/s² + cᵀΛ⁻¹c with a = mean + V·c and M the Rician
// mean (Koay and Basser 2006). Strong signals, other rows, and scans of too few rows
// to learn from get [noise.AmplitudeOfMean]. Nothing comes out below 0. counts has
// one entry per row. Means that are not finite are an error where it learns from them.
func Amplitudes(ctx context.Context, x []float32, d int, counts []bool, threads int) error {
	p, err := learnAmplitudes(ctx, x, d, counts, threads)
	if err != nil {
		return err
	}
	work := make([]*amplitudeWork, signals.Threads(threads))
	return signals.EachRange(ctx, len(counts), 64, threads, func(worker, from, to int) error {
		if work[worker] == nil {
			work[worker] = p.newWork()
		}
		for r := from; r < to; r++ {
			work[worker].row(x[r*d:(r+1)*d], counts[r])
		}
		return nil
	})
}

// amplitudePrior is the Gaussian of a scan's amplitudes.
type amplitudePrior struct {
	d, k    int
	mean    []float32 // d
	vectors []float32 // d × k: the components in every volume
	inverse []float32 // k: 1/variance
}

func learnAmplitudes(ctx context.Context, x []float32, d int, counts []bool, threads int) (*amplitudePrior, error) {
	var rows []int
	for r, in := range counts {
		if in {
			rows = append(rows, r)
		}
	}
	p := &amplitudePrior{d: d}
	if len(rows) < max(fewestVoxels, 2*d) {
		return p, ctx.Err()
	}
	n := min(len(rows), scanRows)
	sample := make([]float32, n*d)
	for j := range n {
		for i, m := range x[rows[j*len(rows)/n]*d:][:d] {
			sample[j*d+i] = noise.AmplitudeOfMean(m)
		}
	}
	mean, cov, err := scanMoments(ctx, sample, d, n, 1, 1, threads)
	if err != nil {
		return nil, err
	}
	values := make([]float64, d)
	if !symeig.New(d).Decompose(cov, d, values, cov) {
		return nil, errDecomposition
	}
	for p.k < min(d/2, mostAmplitudes) && values[p.k] > leastVariance {
		p.inverse = append(p.inverse, float32(1/values[p.k]))
		p.k++
	}
	p.vectors, p.mean = make([]float32, d*p.k), make([]float32, d)
	for i := range d {
		p.mean[i] = float32(mean[i])
		for a := range p.k {
			p.vectors[i*p.k+a] = float32(cov[a*d+i])
		}
	}
	return p, nil
}

// amplitudeWork is the scratch of one goroutine.
type amplitudeWork struct {
	p                     *amplitudePrior
	own, told             []float32 // d
	design                []float32 // d × k, rows times the root of their weight
	target, right, middle []float32
	matrix, root, scratch []float32 // k × k
}

func (p *amplitudePrior) newWork() *amplitudeWork {
	f := func(n int) []float32 { return make([]float32, n) }
	return &amplitudeWork{p, f(p.d), f(p.d), f(p.d * p.k), f(p.d), f(p.k), f(p.k), f(p.k * p.k), f(p.k * p.k), f(p.k * p.k)}
}

// row turns one row into amplitudes.
func (w *amplitudeWork) row(m []float32, counts bool) {
	weak := false
	for i, v := range m {
		w.own[i] = noise.AmplitudeOfMean(v)
		weak = weak || v < ownMean
	}
	told := weak && counts && w.p.k > 0 && w.tell(m)
	for i, own := range w.own {
		if told && m[i] < ownMean {
			slope, _ := curveAt(max(w.told[i], 0)).slopes()
			g := min(max((slope-sharedSlope)/(ownSlope-sharedSlope), 0), 1)
			own = g*own + (1-g)*positive(w.told[i])
		}
		m[i] = own
	}
}

// tell finds the amplitudes along the components from the means m.
func (w *amplitudeWork) tell(m []float32) bool {
	p := w.p
	d, k := p.d, p.k
	copy(w.told, w.own)
	for range amplitudeSteps {
		for i, v := range m {
			root, z := newtonTarget(w.told[i], v)
			w.target[i] = root * (z - p.mean[i])
			for a, u := range p.vectors[i*k : (i+1)*k] {
				w.design[i*k+a] = root * u
			}
		}
		fastblas.Syrk(true, true, k, d, 1, w.design, k, 0, w.matrix, k)
		for a, v := range p.inverse {
			w.matrix[a*k+a] += v
		}
		fastblas.Gemv(true, d, k, 1, w.design, k, w.target, 0, w.right)
		if !invertFactor(w.matrix, w.root, w.scratch, k) {
			return false
		}
		fastblas.Gemv(false, k, k, 1, w.root, k, w.right, 0, w.middle)
		fastblas.Gemv(true, k, k, 1, w.root, k, w.middle, 0, w.right)
		copy(w.told, p.mean)
		for i := range d {
			w.told[i] += fastblas.Dot(p.vectors[i*k:(i+1)*k], w.right)
		}
	}
	return true
}

// newtonTarget returns the root of the weight of a mean m at an amplitude, and
// the amplitude that Newton's method would go to for it alone.
func newtonTarget(a, m float32) (root, target float32) {
	a = max(a, 0.02)
	c := curveAt(a)
	slope, bend := c.slopes()
	miss := m - c.mean()
	weight := slope*slope + max(-miss, 0)*bend + 1e-3
	return float32(math.Sqrt(float64(weight))) / magnitudeError, a + slope*miss/weight
}

// positive is the mean of a normal distribution about a, of the error that
// amplitudes have, where it is positive.
func positive(a float32) float32 {
	u := float64(a) / amplitudeError
	switch {
	case u > 8:
		return a
	case u < -8: // the tail is an exponential
		return float32(-amplitudeError / u)
	}
	return float32(amplitudeError * (u + math.Exp(-u*u/2)/math.Sqrt(math.Pi/2)/math.Erfc(-u/math.Sqrt2)))
}
