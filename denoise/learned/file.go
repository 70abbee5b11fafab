package learned

import (
	"fmt"
	"io"

	"github.com/dmri-denoise/dmri-denoise/diffusion/net"
)

// FeatureVersion is the version of the features; a model is for one.
const FeatureVersion = 1

// meta is what a model file holds beside the network.
type meta struct {
	Features int       `json:"features"` // FeatureVersion
	Shift    []float32 `json:"shift"`
	Scale    []float32 `json:"scale"`
	Weights  []float64 `json:"family_weights,omitempty"`
	Loss     []Point   `json:"loss,omitempty"`
	Origin   Origin    `json:"origin"`
}

// Origin says what a model was trained on.
type Origin struct {
	Kind  string    `json:"kind"` // simulations or scans
	Seed  uint64    `json:"seed"`
	Scans []string  `json:"scans,omitempty"`
	BVals []float64 `json:"b_values,omitempty"` // mean b-values of the shells of the scans
}

// Write writes a model file, with the optimiser's state if training is to be
// resumed from it.
func (m *Model) Write(w io.Writer, state *net.State) error {
	return net.WriteAs(w, m.Net, meta{Features: FeatureVersion, Shift: m.Shift, Scale: m.Scale, Weights: m.Weights, Loss: m.Loss, Origin: m.Origin}, state)
}

// ReadModel reads a model file. Files that hold something else are a
// [net.ErrFormat].
func ReadModel(r io.Reader) (*Model, *net.State, error) { return net.ReadAs(r, FromSaved) }

// FromSaved makes a model of what a file holds.
func FromSaved(s *net.Saved) (*Model, error) {
	var h meta
	if err := s.Describe(&h); err != nil {
		return nil, err
	}
	c := s.Network.Config()
	if h.Features != FeatureVersion || c.In != FeatureCount || c.Out != SignedCount {
		return nil, fmt.Errorf("%w: its network is for features of version %d (%d in, %d out), this program has version %d (%d in, %d out): train it anew",
			net.ErrFormat, h.Features, c.In, c.Out, FeatureVersion, FeatureCount, SignedCount)
	}
	if len(h.Shift) != FeatureCount || len(h.Scale) != FeatureCount {
		return nil, fmt.Errorf("%w: its description has %d and %d scales of features, want %d", net.ErrFormat, len(h.Shift), len(h.Scale), FeatureCount)
	}
	if h.Weights != nil && len(h.Weights) != FamilyCount {
		return nil, fmt.Errorf("%w: its description has %d weights of families, want %d", net.ErrFormat, len(h.Weights), FamilyCount)
	}
	return &Model{Net: s.Network, Shift: h.Shift, Scale: h.Scale, Weights: h.Weights, Loss: h.Loss, Origin: h.Origin}, nil
}
