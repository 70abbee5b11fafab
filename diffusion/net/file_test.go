package net

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func saved(t testing.TB, withState bool) ([]byte, *Saved) {
	t.Helper()
	n, opt, _ := learn(t, 1)
	s := &Saved{Network: n, Meta: json.RawMessage(`{"for":"test"}`)}
	if withState {
		s.State = &opt.State
	}
	var b bytes.Buffer
	if err := s.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), s
}

func TestFileRoundTrip(t *testing.T) {
	for _, withState := range []bool{false, true} {
		data, s := saved(t, withState)
		got, err := Read(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if got.Network.Config() != s.Network.Config() || !slices.Equal(got.Network.Weights(), s.Network.Weights()) || string(got.Meta) != string(s.Meta) {
			t.Error("what is read is not what was written")
		}
		if withState && (got.State.Steps != s.State.Steps || !slices.Equal(got.State.Square, s.State.Square) || !slices.Equal(got.State.EMA, s.State.EMA)) {
			t.Error("the optimiser is not what was written")
		}
		p, q := s.Network.NewPass(1), got.Network.NewPass(1)
		copy(p.In(1), []float32{0.3, -2})
		copy(q.In(1), []float32{0.3, -2})
		if a, b := p.Forward(1)[0], q.Forward(1)[0]; a != b || a == 0 {
			t.Errorf("answers %v and %v", a, b)
		}
	}
}

func TestDamagedFiles(t *testing.T) {
	data, _ := saved(t, false)
	change := func(f func(b []byte) []byte) []byte { return f(slices.Clone(data)) }
	for _, c := range []struct {
		name, want string
		data       []byte
	}{
		{"empty", "ends too early", nil},
		{"other file", "does not begin", change(func(b []byte) []byte { b[0] = 'X'; return b })},
		{"newer", "version 2", change(func(b []byte) []byte { b[len(magic)] = 2; return b })},
		{"long header", "header of", change(func(b []byte) []byte { binary.LittleEndian.PutUint32(b[len(magic)+4:], 1<<30); return b })},
		{"cut off", "ends too early", data[:len(data)-40]},
		{"no checksum", "ends too early", data[:len(data)-1]},
		{"a flipped bit", "checksum", change(func(b []byte) []byte { b[len(b)-60] ^= 1; return b })},
		{"a weight not a number", "finite", change(func(b []byte) []byte { binary.LittleEndian.PutUint32(b[len(b)-60:], 0x7fc00000); return b })},
		{"more", "after its end", append(slices.Clone(data), 1)},
		{"huge", "hidden is", change(func(b []byte) []byte { return bytes.Replace(b, []byte(`"hidden":16`), []byte(`"hidden":99999`), 1) })},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "huge" { // the header grew by three bytes
				binary.LittleEndian.PutUint32(c.data[len(magic)+4:], binary.LittleEndian.Uint32(c.data[len(magic)+4:])+3)
			}
			_, err := Read(bytes.NewReader(c.data))
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestReadPassesErrorsOn(t *testing.T) {
	if _, err := Read(failing{}); !errors.Is(err, io.ErrClosedPipe) || errors.Is(err, ErrFormat) {
		t.Errorf("error %v", err)
	}
}

func FuzzRead(f *testing.F) {
	data, _ := saved(f, false)
	f.Add(data)
	f.Add(data[:100])
	f.Add(append(bytes.Clone(data), data...))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := ReadAll(bytes.NewReader(data), 2)
		if err != nil {
			return
		}
		var b bytes.Buffer
		for _, s := range all {
			if err := s.Write(&b); err != nil {
				t.Fatal(err)
			}
		}
		again, err := ReadAll(&b, 2)
		if err != nil || len(again) != len(all) {
			t.Fatalf("what was read cannot be written and read again: %v", err)
		}
		for i, s := range all {
			if !slices.Equal(again[i].Network.Weights(), s.Network.Weights()) {
				t.Fatalf("network %d is another after writing and reading", i)
			}
		}
	})
}

// TestSeveralNetworks: networks written one after the other come back in order,
// and no more than are asked for.
func TestSeveralNetworks(t *testing.T) {
	a, first := saved(t, false)
	b, second := saved(t, true)
	got, err := ReadAll(bytes.NewReader(append(bytes.Clone(a), b...)), 2)
	if err != nil || len(got) != 2 {
		t.Fatalf("%d networks, %v", len(got), err)
	}
	if !slices.Equal(got[0].Network.Weights(), first.Network.Weights()) || got[1].State == nil || got[1].State.Steps != second.State.Steps {
		t.Error("the networks are not those written")
	}
	for _, most := range []int{1, 2} {
		if _, err := ReadAll(bytes.NewReader(bytes.Repeat(a, most+1)), most); !errors.Is(err, ErrFormat) {
			t.Errorf("%d networks where %d may be: %v", most+1, most, err)
		}
	}
	if _, err := ReadAll(bytes.NewReader(append(bytes.Clone(a), b[:len(b)-1]...)), 2); !errors.Is(err, ErrFormat) {
		t.Errorf("the second cut off: %v", err)
	}
}
