package net

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
)

// ErrFormat reports a file that is no network of ours, of a version this program
// does not know, or damaged.
var ErrFormat = errors.New("net: not a readable model file")

// Version is the version of the file format.
const Version = 1

// magic begins every model file; the line breaks show transfers as text.
const magic = "DMRINET\r\n\x1a\n"

const mostHeader = 1 << 20

// Saved is the content of a model file.
type Saved struct {
	Network *Network
	Meta    json.RawMessage // of the caller: what the network is for
	State   *State          // of the optimiser, to resume training; may be nil
}

// header is the JSON at the start of a file.
type header struct {
	Config Config          `json:"network"`
	Steps  int             `json:"steps,omitempty"`
	State  bool            `json:"optimiser"`
	Meta   json.RawMessage `json:"meta,omitempty"`
}

// Write writes a model file: the magic bytes, version and length of the header
// (uint32, little-endian like all that follows), the header in JSON, the weights
// in float32, with a State its Mean, Square and EMA too, and the SHA-256 of
// everything before it.
func (s *Saved) Write(w io.Writer) error {
	n := s.Network
	h := header{Config: n.Config(), Meta: s.Meta}
	arrays := [][]float32{n.Weights()}
	if s.State != nil {
		h.State, h.Steps = true, s.State.Steps
		arrays = append(arrays, s.State.Mean, s.State.Square, s.State.EMA)
	}
	text, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("net: write model: %w", err)
	}
	if len(text) > mostHeader {
		return fmt.Errorf("net: write model: header of %d bytes, at most %d fit", len(text), mostHeader)
	}
	var b bytes.Buffer
	b.WriteString(magic)
	head := binary.LittleEndian.AppendUint32(nil, Version)
	b.Write(binary.LittleEndian.AppendUint32(head, uint32(len(text))))
	b.Write(text)
	for _, a := range arrays {
		if len(a) != len(n.Weights()) {
			panic("net: optimiser does not match the network")
		}
		raw := make([]byte, 0, 4*len(a))
		for _, v := range a {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
		b.Write(raw)
	}
	sum := sha256.Sum256(b.Bytes())
	b.Write(sum[:])
	_, err = w.Write(b.Bytes())
	return err
}

// Read reads a model file of one network. All failures but those of r are an
// [ErrFormat]; sizes are checked before memory is asked for.
func Read(r io.Reader) (*Saved, error) {
	all, err := ReadAll(r, 1)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// ReadAs reads a model file of one network and makes of it what from says.
// Failures are those of [Read] and of from.
func ReadAs[M any](r io.Reader, from func(*Saved) (M, error)) (M, *State, error) {
	s, err := Read(r)
	if err != nil {
		var none M
		return none, nil, err
	}
	m, err := from(s)
	return m, s.State, err
}

// Describe reads the description that a file holds beside its network, Meta, into
// a JSON structure. What does not fit is an [ErrFormat].
func (s *Saved) Describe(into any) error {
	if err := json.Unmarshal(s.Meta, into); err != nil {
		return fmt.Errorf("%w: its description: %v", ErrFormat, err)
	}
	return nil
}

// WriteAs writes a model file of a network, described by a JSON structure, with
// the optimiser's state if training is to be resumed from it.
func WriteAs(w io.Writer, n *Network, description any, state *State) error {
	data, err := json.Marshal(description)
	if err != nil {
		return fmt.Errorf("net: write model: %w", err)
	}
	return (&Saved{Network: n, Meta: data, State: state}).Write(w)
}

// ReadAll reads a model file of one network or several, at most so many, written
// one after the other. Failures are those of Read.
func ReadAll(r io.Reader, most int) ([]*Saved, error) {
	b := bufio.NewReader(r)
	var out []*Saved
	for {
		s, err := read(b)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
		if _, err := b.Peek(1); errors.Is(err, io.EOF) {
			return out, nil
		}
		if len(out) == most {
			return nil, fmt.Errorf("%w: more bytes after its end", ErrFormat)
		}
	}
}

// read reads one network.
func read(r io.Reader) (*Saved, error) {
	sum := sha256.New()
	in := io.TeeReader(r, sum)
	text, err := readHeader(in)
	if err != nil {
		return nil, err
	}
	var h header
	if err := json.Unmarshal(text, &h); err != nil {
		return nil, fmt.Errorf("%w: header: %v", ErrFormat, err)
	}
	if err := h.Config.check(); err != nil {
		return nil, fmt.Errorf("%w: header: %v", ErrFormat, err)
	}
	if h.Steps < 0 {
		return nil, fmt.Errorf("%w: header: %d steps", ErrFormat, h.Steps)
	}
	size := h.Config.Size()
	s := &Saved{Network: &Network{core[float32]{config: h.Config, layers: h.Config.layers()}}, Meta: h.Meta}
	arrays := []*[]float32{&s.Network.core.weights}
	if h.State {
		s.State = &State{Steps: h.Steps}
		arrays = append(arrays, &s.State.Mean, &s.State.Square, &s.State.EMA)
	}
	for _, a := range arrays {
		if *a, err = readArray(in, size); err != nil {
			return nil, err
		}
	}
	want := sum.Sum(nil)
	var got [sha256.Size]byte
	if _, err := io.ReadFull(r, got[:]); err != nil {
		return nil, cutOff(err)
	}
	if !bytes.Equal(got[:], want) {
		return nil, fmt.Errorf("%w: its checksum does not match its content: the file is damaged", ErrFormat)
	}
	return s, nil
}

// readHeader returns the JSON of the header.
func readHeader(in io.Reader) ([]byte, error) {
	head := make([]byte, len(magic)+8)
	if _, err := io.ReadFull(in, head); err != nil {
		return nil, cutOff(err)
	}
	if string(head[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: it does not begin as a model file of dmri-denoise does", ErrFormat)
	}
	version, length := binary.LittleEndian.Uint32(head[len(magic):]), binary.LittleEndian.Uint32(head[len(magic)+4:])
	if version != Version {
		return nil, fmt.Errorf("%w: version %d; this program reads version %d", ErrFormat, version, Version)
	}
	if length > mostHeader {
		return nil, fmt.Errorf("%w: header of %d bytes, at most %d are expected", ErrFormat, length, mostHeader)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(in, text); err != nil {
		return nil, cutOff(err)
	}
	return text, nil
}

// readArray reads size finite numbers, in pieces, so that a short file that
// claims much takes little memory.
func readArray(in io.Reader, size int) ([]float32, error) {
	var out []float32
	piece := make([]byte, 4*min(size, 1<<16))
	for len(out) < size {
		part := piece[:4*min(size-len(out), len(piece)/4)]
		if _, err := io.ReadFull(in, part); err != nil {
			return nil, cutOff(err)
		}
		for i := 0; i < len(part); i += 4 {
			v := math.Float32frombits(binary.LittleEndian.Uint32(part[i:]))
			if v-v != 0 {
				return nil, fmt.Errorf("%w: weight %d is not a finite number", ErrFormat, len(out))
			}
			out = append(out, v)
		}
	}
	return out, nil
}

func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends too early", ErrFormat)
	}
	return fmt.Errorf("net: read model: %w", err)
}
