package unseen

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"sync"

	"github.com/dmri-denoise/dmri-denoise/denoise/learned"
	"github.com/dmri-denoise/dmri-denoise/diffusion/net"
)

// FeatureVersion is the version of the features; a model is for one.
const FeatureVersion = 1

// meta is what a model file holds beside the network.
type meta struct {
	Unseen int             `json:"unseen"` // FeatureVersion; tells such files from those of package learned
	Shift  []float32       `json:"shift"`
	Scale  []float32       `json:"scale"`
	Loss   []learned.Point `json:"loss,omitempty"`
	Origin learned.Origin  `json:"origin"`
}

// Write writes a model file, with the optimiser's state if training is to be
// resumed from it.
func (m *Model) Write(w io.Writer, state *net.State) error {
	return net.WriteAs(w, m.Net, meta{Unseen: FeatureVersion, Shift: m.Shift, Scale: m.Scale, Loss: m.Loss, Origin: m.Origin}, state)
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
	if h.Unseen != FeatureVersion || c.In != inCount || c.Out != outCount {
		return nil, fmt.Errorf("%w: its network of unseen directions is for features of version %d (%d in, %d out), this program has version %d (%d in, %d out): train it anew",
			net.ErrFormat, h.Unseen, c.In, c.Out, FeatureVersion, inCount, outCount)
	}
	if len(h.Shift) != StaticCount || len(h.Scale) != StaticCount {
		return nil, fmt.Errorf("%w: its description has %d and %d scales of features, want %d", net.ErrFormat, len(h.Shift), len(h.Scale), StaticCount)
	}
	return &Model{Net: s.Network, Shift: h.Shift, Scale: h.Scale, Loss: h.Loss, Origin: h.Origin}, nil
}

// embedded is made by `go run ./internal/learneval -train-unseen`, from nothing
// but simulations and a seed, which its description records.
//
//go:embed embedded.net
var embedded []byte

// Embedded returns the model shipped with the program. It is shared: not to be
// changed.
var Embedded = sync.OnceValue(func() *Model {
	m, _, err := ReadModel(bytes.NewReader(embedded))
	if err != nil {
		panic("unseen: embedded model: " + err.Error())
	}
	return m
})
