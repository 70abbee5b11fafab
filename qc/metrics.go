package qc

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Metric is one figure of a scan. Value is NaN where it is not defined or not
// known: null in JSON, n/a in tables.
type Metric struct {
	Name        string
	Value       float64
	Units       string // "" for counts and ratios
	Description string
}

// Metrics are the figures of a scan in a fixed order, each name once.
type Metrics []Metric

// Value returns a figure, NaN if it is not there.
func (m Metrics) Value(name string) float64 {
	for _, x := range m {
		if x.Name == name {
			return x.Value
		}
	}
	return math.NaN()
}

// MarshalJSON writes one object of numbers and nulls, in the order of m.
func (m Metrics) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, x := range m {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(x.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(nullable(rounded(x.Value)))
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// TSV returns a header line and one row, whose first column bids_name holds name.
func (m Metrics) TSV(name string) string {
	head, row := []string{"bids_name"}, []string{strings.NewReplacer("\t", " ", "\n", " ", "\r", " ").Replace(name)}
	for _, x := range m {
		head, row = append(head, x.Name), append(row, TSVNumber(x.Value))
	}
	return strings.Join(head, "\t") + "\n" + strings.Join(row, "\t") + "\n"
}

// TSVNumber formats a figure for tables in the manner of BIDS: n/a where it is
// not defined.
func TSVNumber(v float64) string {
	if nullable(v) == nil {
		return "n/a"
	}
	return strconv.FormatFloat(rounded(v), 'g', -1, 64)
}

// Dictionary returns what each column of a table means, as BIDS sidecars do.
func (m Metrics) Dictionary() ([]byte, error) {
	type entry struct {
		Description string `json:"Description"`
		Units       string `json:"Units,omitempty"`
	}
	d := map[string]entry{"bids_name": {Description: "Name of the series, without extension"}}
	for _, x := range m {
		d[x.Name] = entry{x.Description, x.Units}
	}
	b, err := json.MarshalIndent(d, "", "  ")
	return append(b, '\n'), err
}

// rounded keeps seven significant digits: more than any figure deserves, and the
// same on every machine.
func rounded(v float64) float64 {
	if nullable(v) == nil || v == 0 {
		return v
	}
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 7, 64), 64)
	if err != nil {
		return v
	}
	return r
}
