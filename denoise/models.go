package denoise

import (
	"fmt"
	"io"

	"github.com/dmri-denoise/dmri-denoise/denoise/learned"
	"github.com/dmri-denoise/dmri-denoise/denoise/unseen"
	"github.com/dmri-denoise/dmri-denoise/diffusion/net"
)

// Models are what a model file holds: the learned prior of measured directions
// and, in files of this version, that of directions that were not measured, with
// the states of their optimisers to resume training from.
type Models struct {
	Learned      *learned.Model
	LearnedState *net.State
	Unseen       *unseen.Model // nil if the file has none
	UnseenState  *net.State
}

// Write writes a model file.
func (m *Models) Write(w io.Writer) error {
	if err := m.Learned.Write(w, m.LearnedState); err != nil || m.Unseen == nil {
		return err
	}
	return m.Unseen.Write(w, m.UnseenState)
}

// ReadModels reads a model file. What is no such file, damaged or of another
// version is a [net.ErrFormat].
func ReadModels(r io.Reader) (*Models, error) {
	saved, err := net.ReadAll(r, 2)
	if err != nil {
		return nil, err
	}
	m := &Models{LearnedState: saved[0].State}
	if m.Learned, err = learned.FromSaved(saved[0]); err != nil {
		return nil, err
	}
	if len(saved) < 2 {
		return m, nil
	}
	m.UnseenState = saved[1].State
	if m.Unseen, err = unseen.FromSaved(saved[1]); err != nil {
		return nil, fmt.Errorf("its second network: %w", err)
	}
	return m, nil
}
