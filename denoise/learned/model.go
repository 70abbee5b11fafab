package learned

import (
	"math"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/diffusion/net"
)

// Model is a network with the scaling of its features. Its answer to a sample is
// the change of the Gaussian estimate: Σ gate_m·f_m over the signed features f,
// the gates being what the network says. Zero gates are the Gaussian posterior
// mean.
type Model struct {
	Net   *net.Network
	Shift []float32 // per feature, after compression
	Scale []float32
	// Weights are those of the families of changes, FamilyCount of them, for scans
	// that do not find their own; nil means 1 each.
	Weights []float64
	// Loss is the loss curve of its training.
	Loss []Point
	// Origin says what it was trained on.
	Origin Origin
}

// NewModel makes an untrained model for features like those given (n ×
// FeatureCount), whose scaling it takes.
func NewModel(features []float32, hidden, blocks int, rng *rand.Rand) (*Model, error) {
	n, err := net.New(net.Config{In: FeatureCount, Hidden: hidden, Blocks: blocks, Out: SignedCount}, rng)
	if err != nil {
		return nil, err
	}
	m := &Model{Net: n, Shift: make([]float32, FeatureCount), Scale: make([]float32, FeatureCount)}
	rows := len(features) / FeatureCount
	for f := range FeatureCount {
		sum, square := 0.0, 0.0
		for r := range rows {
			v := float64(compress(features[r*FeatureCount+f], f))
			sum += v
			square += v * v
		}
		mean := sum / float64(max(rows, 1))
		sd := math.Sqrt(max(square/float64(max(rows, 1))-mean*mean, 0))
		if f < SignedCount {
			mean = 0 // signs matter
		}
		m.Shift[f], m.Scale[f] = float32(mean), float32(1/(sd+1e-3))
	}
	return m, nil
}

// compress takes the square root of large differences; other features are
// compressed already.
func compress(v float32, feature int) float32 {
	if feature >= SignedCount {
		return v
	}
	return v / float32(math.Sqrt(float64(1+abs(v))))
}

func abs(v float32) float32 {
	if v < 0 {
		return -v
	}
	return v
}

// limit keeps features of scans unlike those trained on within what the network
// has seen.
const limit = 6

// prepare writes n samples of features as the network takes them.
func (m *Model) prepare(dst, features []float32, n int) {
	for r := range n {
		in, out := features[r*FeatureCount:(r+1)*FeatureCount], dst[r*FeatureCount:(r+1)*FeatureCount]
		for f, v := range in {
			out[f] = min(max((compress(v, f)-m.Shift[f])*m.Scale[f], -limit), limit)
		}
	}
}

// apply writes the changes of n samples, given their features and the gates.
func apply(change, features, gates []float32, n int) {
	for r := range n {
		f, g := features[r*FeatureCount:], gates[r*SignedCount:(r+1)*SignedCount]
		sum := float32(0)
		for i, v := range g {
			sum += v * f[i]
		}
		change[r] = sum
	}
}
