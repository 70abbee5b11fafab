package gradients

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
)

// BValueScaling says what to do with directions that are not unit vectors: some tables encode shells below the largest
// b-value by shorter vectors, so that the true b-value is b·|v|².
type BValueScaling int

// The ways to treat directions that are not unit vectors.
const (
	// ScalingAuto multiplies every b-value by its vector's squared length if any |ln |v|²| exceeds 0.01, as MRtrix does.
	ScalingAuto BValueScaling = iota
	// ScalingYes always multiplies.
	ScalingYes
	// ScalingNo never multiplies.
	ScalingNo
)

// ParseBValueScaling reads "auto", "yes" or "no".
func ParseBValueScaling(s string) (BValueScaling, error) {
	for v := ScalingAuto; v <= ScalingNo; v++ {
		if s == v.String() {
			return v, nil
		}
	}
	return 0, fmt.Errorf("gradients: b-value scaling %q is none of auto, yes and no", s)
}

// String returns "auto", "yes" or "no".
func (s BValueScaling) String() string {
	switch s {
	case ScalingAuto:
		return "auto"
	case ScalingYes:
		return "yes"
	case ScalingNo:
		return "no"
	}
	return fmt.Sprintf("BValueScaling(%d)", int(s))
}

// Options say how [Read] interprets a table. The zero value is what most callers want.
type Options struct {
	// BValueScaling says what to do with directions that are not unit vectors; the zero value is ScalingAuto.
	BValueScaling BValueScaling
}

// maxFile is more than any gradient table has and less than what would hurt to read by mistake.
const maxFile = 16 << 20

// Read reads a gradient table: the four-column file f.Grad if set, otherwise f.BVal and f.BVec. Directions of the table are
// normalised. What was unusual is told in the table's Warnings. Errors are of the kinds ErrNotFound, ErrSyntax, ErrShape,
// ErrValue, ErrCount and ErrSwapped, or those of the file system.
func Read(f Files, o Options) (*Table, error) {
	t, err := readFiles(f)
	if err != nil {
		return nil, err
	}
	if err := t.interpret(o); err != nil {
		return nil, err
	}
	return t, nil
}

// interpret makes a table of the numbers as they stood in the files.
func (t *Table) interpret(o Options) error {
	if err := t.resolveNaN(); err != nil {
		return err
	}
	if err := t.normalise(o.BValueScaling); err != nil {
		return err
	}
	var undirected []int
	for i, v := range t.BVecs {
		if v == ([3]float64{}) && t.BVals[i] > DefaultB0Threshold {
			undirected = append(undirected, i)
		}
	}
	if undirected != nil {
		t.warn("%v: %s: b above %g with a zero direction, likely a trace or ADC map in the series; kept as diffusion-weighted, "+
			"not as b = 0.", t.Files, volumeList(undirected), DefaultB0Threshold)
	}
	return nil
}

// readFiles reads the numbers as they stand.
func readFiles(f Files) (*Table, error) {
	t := &Table{Files: f}
	if f.Grad != "" {
		data, err := readTable(f.Grad)
		if err != nil {
			return nil, err
		}
		t.Frame = ScannerFrame
		t.BVals, t.BVecs, t.Warnings, err = parseGrad(data, f.Grad)
		if err != nil {
			return nil, err
		}
		return t, nil
	}
	if f.BVal == "" || f.BVec == "" {
		return nil, faultf(ErrNotFound, "a gradient table takes two files, b-values and directions; got %q and %q", f.BVal, f.BVec)
	}
	bval, err := readTable(f.BVal)
	if err != nil {
		return nil, err
	}
	bvec, err := readTable(f.BVec)
	if err != nil {
		return nil, err
	}
	if err := t.parsePair(bval, bvec); err != nil {
		if (&Table{}).parsePair(bvec, bval) == nil {
			return nil, faultf(ErrSwapped, "%s holds directions and %s holds b-values: they look swapped; exchange them", f.BVal, f.BVec)
		}
		return nil, err
	}
	return t, nil
}

// parsePair parses the texts of t.Files.BVal and t.Files.BVec into t.
func (t *Table) parsePair(bval, bvec []byte) error {
	b, notes, err := parseBVals(bval, t.Files.BVal)
	if err != nil {
		return err
	}
	v, more, err := parseBVecs(bvec, t.Files.BVec)
	if err != nil {
		return err
	}
	if len(b) != len(v) {
		return faultf(ErrCount, "%s has %d b-values but %s has %d directions; they do not belong together, or a volume was "+
			"removed from one only", t.Files.BVal, len(b), t.Files.BVec, len(v))
	}
	t.BVals, t.BVecs, t.Warnings = b, v, append(notes, more...)
	t.Text = Text{bval, bvec}
	return nil
}

// readTable reads a whole small file.
func readTable(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, missing(path)
		}
		return nil, fmt.Errorf("gradients: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("gradients: %w", err)
	}
	if len(data) > maxFile {
		return nil, faultf(ErrSyntax, "%s: larger than %d MiB, not a gradient table", path, maxFile>>20)
	}
	return data, nil
}

// missing explains a path that cannot be opened: DataLad leaves a dangling link where the content was not fetched.
func missing(path string) error {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return faultf(ErrNotFound, "%s is a link to content that is not here; if this is a DataLad data set run: datalad get %s", path, path)
	}
	return faultf(ErrNotFound, "%s does not exist", path)
}

// resolveNaN makes b = 0 volumes of those with a b-value of NaN and a direction of NaN or zero, and of those with a b-value
// that is b = 0 anyway and a direction of NaN: programs that normalise directions write 0/0 there. NaN on one side only is
// an error where the other side says that the volume is diffusion-weighted.
func (t *Table) resolveNaN() error {
	var resolved []int
	for i, b := range t.BVals {
		v := t.BVecs[i]
		nans := 0
		for _, c := range v {
			if math.IsNaN(c) {
				nans++
			}
		}
		switch {
		case math.IsNaN(b) && (nans == 3 || v == [3]float64{}):
			t.BVals[i], t.BVecs[i] = 0, [3]float64{}
			resolved = append(resolved, i)
		case math.IsNaN(b):
			return faultf(ErrValue, "%v: volume %d has b-value NaN but the direction %g %g %g; give its b-value, or 0 and a zero "+
				"direction for a b = 0 volume", t.Files, i, v[0], v[1], v[2])
		case nans == 3 && b <= DefaultB0Threshold:
			t.BVecs[i] = [3]float64{}
			resolved = append(resolved, i)
		case nans > 0:
			return faultf(ErrValue, "%v: volume %d has b-value %g but NaN in its direction %g %g %g; give its direction, or 0 0 0 "+
				"for a b = 0 volume", t.Files, i, b, v[0], v[1], v[2])
		}
	}
	if resolved != nil {
		t.warn("%v: %s: NaN taken as b = 0 with no direction.", t.Files, volumeList(resolved))
	}
	return nil
}

// normalise makes the directions unit vectors and scales b-values as s asks.
func (t *Table) normalise(s BValueScaling) error {
	factors := make([]float64, len(t.BVecs)) // squared lengths
	deviation, effect := 0.0, 0.0            // largest |ln |v|²| of all volumes, and of those it would change
	for i, v := range t.BVecs {
		factors[i] = 1
		norm := vectorNorm(v)
		if math.IsInf(norm, 0) {
			return faultf(ErrValue, "%v: volume %d has a direction of impossible length: %g %g %g", t.Files, i, v[0], v[1], v[2])
		}
		t.BVecs[i] = unit(v)
		if norm == 0 {
			continue
		}
		factors[i] = norm * norm
		d := 2 * math.Abs(math.Log(norm))
		deviation = max(deviation, d)
		if t.BVals[i] > 0 {
			effect = max(effect, d)
		}
	}
	// The measure and the limit are MRtrix's; vectors of b = 0 volumes count, too.
	scale := s == ScalingYes || s == ScalingAuto && deviation > 0.01
	if scale {
		for i, f := range factors {
			t.BVals[i] *= f
			if math.IsInf(t.BVals[i], 0) || math.IsNaN(t.BVals[i]) {
				return faultf(ErrValue, "%v: volume %d has a direction of impossible length %g", t.Files, i, math.Sqrt(f))
			}
		}
	}
	t.tellScaling(s, scale, deviation, effect)
	return nil
}

// tellScaling warns of directions that are not unit vectors and says what was done about their b-values.
func (t *Table) tellScaling(s BValueScaling, scaled bool, deviation, effect float64) {
	switch {
	case deviation <= 0.01:
	case effect <= 0.01:
		t.warn("%v: directions of b = 0 volumes are not unit vectors; this changes no b-value by more than 1 %%.", t.Files)
	case scaled:
		t.warn("%v: directions are not unit vectors; every b-value was multiplied by the squared length of its direction, "+
			"which changed some by a factor of %.4g (b-value scaling %v; with \"no\" they stay as written).", t.Files, math.Exp(effect), s)
	default:
		t.warn("%v: directions are not unit vectors; their b-values were left as written (b-value scaling %v), where scaling "+
			"by the squared length would change some by a factor of %.4g.", t.Files, s, math.Exp(effect))
	}
}

// unit returns the vector of length 1 along v, or zero for zero.
func unit(v [3]float64) [3]float64 {
	for range 2 { // the second time for vectors so short that their length has few digits
		norm := vectorNorm(v)
		if norm == 0 {
			return [3]float64{}
		}
		for c := range v {
			v[c] = v[c]/norm + 0 // + 0 turns -0 into 0
		}
	}
	return v
}
