package batch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// metric is one figure of a scan as its metrics file has it; nil where it is not defined.
type metric struct {
	name  string
	value *float64
}

// meaning is the entry of a metric in the dictionary beside its file.
type meaning struct {
	Description string `json:"Description"`
	Units       string `json:"Units"`
}

func (r *result) metric(name string) *float64 {
	for _, m := range r.Metrics {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

func (r *result) meaning(name string) meaning { return r.meanings[name] }

// readMetrics reads an object of numbers and nulls, in the order of the file.
func readMetrics(path string) ([]metric, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	var list []metric
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, fmt.Errorf("%s: no object of figures; run the scan again with --force", path)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		m := metric{name: name.(string)} // names of an object are strings
		if err := d.Decode(&m.value); err != nil {
			return nil, fmt.Errorf("%s, %s: %w", path, m.name, err)
		}
		list = append(list, m)
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return nil, fmt.Errorf("%s: cut off: %w", path, err)
	}
	return list, nil
}
