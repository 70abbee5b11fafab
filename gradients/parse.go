package gradients

import (
	"fmt"
	"math"
)

// ParseBVals reads the text of an FSL b-value file: one row of N numbers in s/mm², or one column of N. Numbers may be
// separated by blanks, tabs, commas or semicolons; a byte order mark, any line ending, blank lines and # comments are fine.
// NaN is passed on; a negative number is an [ErrValue].
func ParseBVals(data []byte) ([]float64, error) {
	b, _, err := parseBVals(data, "b-values")
	return b, err
}

func parseBVals(data []byte, label string) ([]float64, []string, error) {
	rows, err := parseRows(data, label)
	if err != nil {
		return nil, nil, err
	}
	n, err := rectangular(rows, label)
	if err != nil {
		return nil, nil, err
	}
	if len(rows) > 1 && n > 1 {
		return nil, nil, faultf(ErrShape, "%s: %d rows of %d numbers; b-values stand in one row (or one column)", label, len(rows), n)
	}
	var notes []string
	if len(rows) > 1 {
		notes = append(notes, fmt.Sprintf("%s: b-values in one column of %d were read as the usual one row.", label, len(rows)))
	}
	b := make([]float64, 0, n*len(rows))
	for _, r := range rows {
		for i, v := range r.values {
			if v < 0 {
				return nil, nil, negative(v, r.line, r.columns[i], label)
			}
			b = append(b, v+0) // + 0 turns -0 into 0
		}
	}
	return b, notes, nil
}

func negative(v float64, line, column int, label string) error {
	return faultf(ErrValue, "%s: line %d, column %d: negative b-value %g; are these directions rather than b-values?",
		label, line, column, v)
}

// ParseBVecs reads the text of an FSL direction file: three rows (x, y, z) of N numbers, or N rows of three. Three rows of
// three are read as rows x, y, z. The vectors come back as written, neither normalised nor checked for NaN; notes are full
// sentences on a layout that is not FSL's own. The text may vary as in [ParseBVals].
func ParseBVecs(data []byte) (vectors [][3]float64, notes []string, err error) {
	return parseBVecs(data, "directions")
}

func parseBVecs(data []byte, label string) ([][3]float64, []string, error) {
	rows, err := parseRows(data, label)
	if err != nil {
		return nil, nil, err
	}
	n, err := rectangular(rows, label)
	if err != nil {
		return nil, nil, err
	}
	var notes []string
	switch {
	case len(rows) == 3:
		if n == 3 {
			notes = append(notes, fmt.Sprintf("%s: 3 × 3 numbers can be read both ways; they were read as FSL writes them, "+
				"rows x, y and z. If each row is one direction, transpose the file.", label))
		}
		vectors := make([][3]float64, n)
		for axis, r := range rows {
			for i, v := range r.values {
				vectors[i][axis] = v
			}
		}
		return vectors, notes, nil
	case n == 3:
		notes = append(notes, fmt.Sprintf("%s: directions in %d × 3 layout (one in each row) were read as the usual three rows "+
			"x, y, z.", label, len(rows)))
		vectors := make([][3]float64, len(rows))
		for i, r := range rows {
			copy(vectors[i][:], r.values)
		}
		return vectors, notes, nil
	}
	remedy := "directions stand in three rows x, y, z (or one in each row)"
	if n == 4 || len(rows) == 4 {
		remedy += "; four columns are an MRtrix table: give it as the gradient table (--grad) instead"
	}
	return nil, nil, faultf(ErrShape, "%s: %d × %d numbers (rows × columns); %s", label, len(rows), n, remedy)
}

// ParseGrad reads the text of a four-column MRtrix gradient table, "x y z b" on each line, b in s/mm² and directions along
// scanner axes. DSI Studio's order "b x y z" is recognised where it cannot be anything else: the first column has no
// negative number and at least one above 50, the other three are all zero or unit vectors, so that read as "x y z b" no
// volume would have a b-value above 1. Directions come back as written. The text may vary as in [ParseBVals].
func ParseGrad(data []byte) ([]float64, [][3]float64, error) {
	b, v, _, err := parseGrad(data, "gradient table")
	return b, v, err
}

func parseGrad(data []byte, label string) ([]float64, [][3]float64, []string, error) {
	rows, err := parseRows(data, label)
	if err != nil {
		return nil, nil, nil, err
	}
	n, err := rectangular(rows, label)
	if err != nil {
		return nil, nil, nil, err
	}
	if n != 4 {
		remedy := "an MRtrix gradient table has four columns, x y z b"
		if len(rows) == 3 || n == 3 {
			remedy += "; three rows are FSL directions: give them with their b-values (--bvec, --bval) instead"
		}
		return nil, nil, nil, faultf(ErrShape, "%s: %d × %d numbers (rows × columns); %s", label, len(rows), n, remedy)
	}
	bColumn, first := 3, 0
	var notes []string
	if bFirst(rows) {
		bColumn, first = 0, 1
		notes = append(notes, fmt.Sprintf("%s: the columns can only be b x y z (DSI Studio's order) and were read so; the "+
			"directions were taken to be along scanner axes, which such tables do not promise.", label))
	}
	b := make([]float64, len(rows))
	vectors := make([][3]float64, len(rows))
	for i, r := range rows {
		if r.values[bColumn] < 0 {
			return nil, nil, nil, negative(r.values[bColumn], r.line, r.columns[bColumn], label)
		}
		b[i] = r.values[bColumn] + 0
		copy(vectors[i][:], r.values[first:first+3])
	}
	return b, vectors, notes, nil
}

// bFirst reports whether four columns can only be b x y z.
func bFirst(rows []row) bool {
	largest := 0.0
	for _, r := range rows {
		b, norm := r.values[0], vectorNorm([3]float64(r.values[1:]))
		if b < 0 || norm != 0 && math.Abs(norm-1) > 0.01 {
			return false
		}
		largest = max(largest, b)
	}
	return largest > DefaultB0Threshold
}

// vectorNorm is the Euclidean length without overflow in between.
func vectorNorm(v [3]float64) float64 { return math.Hypot(math.Hypot(v[0], v[1]), v[2]) }
