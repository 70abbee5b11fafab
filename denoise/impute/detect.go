package impute

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// DetectOptions set when a slice counts as not belonging. The zero value is the
// default.
type DetectOptions struct {
	Threshold float64 // robust standard scores; 0 means 5
	Effect    float64 // least departure from the prediction, relative to it, in a large slice; 0 means 0.15
	Passes    int     // re-estimations of the prediction; 0 means 4
}

func (o DetectOptions) withDefaults() DetectOptions {
	if o.Threshold == 0 {
		o.Threshold = 5
	}
	if o.Effect == 0 {
		o.Effect = 0.15
	}
	if o.Passes == 0 {
		o.Passes = 4
	}
	return o
}

const (
	leastTested     = 8   // voxels in a slice below which it is not tested
	leastDirections = 7   // volumes below which there is no prediction worth testing against
	patternScore    = 10  // robust score of the mean square of residuals; natural motion and pulsation reach 6
	patternRatio    = 4.0 // and how many times the expected mean square it must be
	mostOfSlice     = 0.4 // a slice loses at most this share of its volumes: beyond it the scan, not the volume, is odd
	mostOfVolume    = 0.5 // a volume that lost more than this share of its tested slices is lost altogether
)

// Detect adds the slices that do not belong to lost: those whose mean departs
// from the leave-one-out prediction, by all other measured directions of the
// slice, by more than Threshold robust standard scores and by more than Effect
// of the prediction, or more than that in slices of few voxels; and those right on average but with far too large
// residuals. It returns the largest score of a slice kept.
//
// groups are volumes of one b-value each; the search starts from the slices
// whose mean is far from the median of their group, so that many bad slices do
// not hide each other. Then, in turns, the prediction is learned without what
// was found; in each slice the worst volume is taken out, one at a time, and no
// longer takes part in predicting the others; and what was found is tested again
// against the final prediction and put back if it belongs. Slices in lost before
// the call are never used and never put back.
//
// The scale of the scores is the slice's own, the median absolute score over
// its volumes, so neither correlation between voxels nor their number matters.
func Detect(m *Moments, lost *Lost, groups [][]int, o DetectOptions) (float64, error) {
	o = o.withDefaults()
	if m.D < leastDirections {
		return 0, nil
	}
	m.oddVolumes(lost, groups)
	found := m.suspects(lost, groups)
	alone := singles(groups, m.D)
	largest := 0.0
	for range o.Passes {
		g, err := FitGaussian(m, found)
		if err != nil {
			return 0, err
		}
		before := found.Clone()
		largest = 0
		for z := range m.slices {
			e := examination{g: g, alone: alone, m: m, z: z, o: o, given: lost, lost: found}
			if err := e.run(); err != nil {
				return 0, err
			}
			largest = max(largest, e.largest)
		}
		if found.equal(before) {
			break
		}
	}
	found.finishVolumes(m)
	*lost = *found
	return largest, nil
}

// examination tests the volumes of one slice.
type examination struct {
	g       *Gaussian
	alone   []bool // volumes without another of their b-value
	m       *Moments
	z       int
	o       DetectOptions
	given   *Lost   // lost before the search
	lost    *Lost   // found so far, to be changed
	largest float64 // largest absolute score that was let pass
}

func (e *examination) run() error {
	if e.m.slices[e.z].n < leastTested {
		return nil
	}
	for {
		again, err := e.worst()
		if err != nil {
			return err
		}
		if !again || float64(len(e.lost.OfSlice(e.z))) > mostOfSlice*float64(e.g.D) {
			break
		}
	}
	return e.putBack()
}

// worst takes out the volume that belongs least and reports whether there was
// one.
func (e *examination) worst() (bool, error) {
	t, err := e.g.testSlice(e.m, e.z, e.lost.OfSlice(e.z))
	if err != nil {
		return false, err
	}
	at := -1
	e.largest = 0
	for i, score := range t.score {
		if e.lost.Is(i, e.z) || e.belongs(t, i) {
			continue
		}
		if math.Abs(score)/e.threshold(i) > e.largest/e.threshold(max(at, 0)) {
			at, e.largest = i, math.Abs(score)
		}
	}
	switch {
	case at >= 0 && e.largest > e.threshold(at):
		e.lost.Add(at, e.z, sideOf(t.score[at]), t.score[at])
	case t.roughest >= 0:
		e.lost.Add(t.roughest, e.z, Pattern, t.roughness)
	default:
		return false, nil
	}
	return true, nil
}

// small is the number of voxels at which the least departure doubles in square:
// real slices at the edge of a head, of few voxels, depart by 10 to 20 % of a weak
// signal through motion and pulsation alone, with scores above 10.
const small = 100

// belongs reports whether a volume is as near its prediction as slices without
// dropout are.
func (e *examination) belongs(t *sliceTest, i int) bool {
	effect := e.o.Effect * math.Sqrt(1+small/float64(e.m.slices[e.z].n))
	return math.Abs(t.excess[i]) < effect*math.Abs(t.predicted[i])
}

// aloneFactor raises the threshold for a volume without another of its b-value:
// the directions of other shells predict it by the anatomy they were learned on,
// which fails at the edge of the head.
const aloneFactor = 3

func (e *examination) threshold(i int) float64 {
	if e.alone[i] {
		return aloneFactor * e.o.Threshold
	}
	return e.o.Threshold
}

// singles marks the volumes that are alone in their group.
func singles(groups [][]int, d int) []bool {
	alone := make([]bool, d)
	for _, g := range groups {
		if len(g) == 1 {
			alone[g[0]] = true
		}
	}
	return alone
}

func sideOf(score float64) Reason {
	if score > 0 {
		return Bright
	}
	return Dropout
}

// putBack tests every volume found in the slice against the prediction by those
// that stayed, and puts it back or brings its score up to date.
func (e *examination) putBack() error {
	for _, i := range e.lost.OfSlice(e.z) {
		why, _ := e.lost.Why(i, e.z)
		if e.given.Is(i, e.z) || why == Pattern {
			continue
		}
		e.lost.remove(i, e.z)
		t, err := e.g.testSlice(e.m, e.z, e.lost.OfSlice(e.z))
		if err != nil {
			return err
		}
		score := t.score[i]
		if math.Abs(score) > e.threshold(i) && !e.belongs(t, i) {
			e.lost.Add(i, e.z, sideOf(score), score)
		}
	}
	return nil
}

// sliceTest holds the leave-one-out test of the volumes of a slice.
type sliceTest struct {
	excess    []float64 // mean of measured - predicted
	predicted []float64 // mean of predicted
	score     []float64 // robust standard score of excess
	roughest  int       // volume whose residuals are far too large, -1 if none
	roughness float64   // its score
}

// testSlice predicts every measured volume of a slice from the other measured
// ones. With P the precision of the measured ones, y_i - ŷ_i = (P(y-μ))_i/P_ii with
// variance 1/P_ii; the mean and the mean square over the slice's voxels need only
// its moments.
func (g *Gaussian) testSlice(m *Moments, z int, missing []int) (*sliceTest, error) {
	d, s := g.D, &m.slices[z]
	p, err := g.marginalPrecision(missing)
	if err != nil {
		return nil, err
	}
	n := float64(s.n)
	centred := make([]float64, d)
	for i := range d {
		centred[i] = s.sum[i]/n - g.mean[i]
	}
	t := &sliceTest{excess: make([]float64, d), predicted: make([]float64, d), score: make([]float64, d), roughest: -1}
	var size []float64
	for i := range d {
		pii := p[i*d+i]
		if pii == 0 {
			continue // lost
		}
		for j, w := range p[i*d : (i+1)*d] {
			t.excess[i] += w * centred[j] / pii
		}
		t.score[i] = t.excess[i] * math.Sqrt(n*pii)
		size = append(size, math.Abs(t.score[i]))
	}
	scale := max(1.4826*middle(size), 0.7)
	for i := range d {
		t.score[i] /= scale
		t.predicted[i] = s.sum[i]/n + m.reference[i] - t.excess[i]
	}
	t.rough(g, s, p)
	return t, nil
}

// rough finds the volume whose mean square residual stands furthest above what
// its own variance and the other volumes of the slice lead to expect.
func (t *sliceTest) rough(g *Gaussian, s *sliceMoments, p []float64) {
	d := g.D
	n := float64(s.n)
	// Second moments about the mean of the model.
	about := make([]float64, d*d)
	for i := range d {
		for j := range d {
			about[i*d+j] = s.gram[i*d+j]/n - g.mean[i]*s.sum[j]/n - s.sum[i]/n*g.mean[j] + g.mean[i]*g.mean[j]
		}
	}
	product := make([]float64, d*d)
	general := func(a []float64) blas64.General { return blas64.General{Rows: d, Cols: d, Stride: d, Data: a} }
	blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, general(p), general(about), 0, general(product))
	logs := make([]float64, 0, d)
	at := make([]int, 0, d)
	for i := range d {
		if p[i*d+i] == 0 {
			continue
		}
		square := 0.0
		for j, w := range p[i*d : (i+1)*d] {
			square += product[i*d+j] * w
		}
		logs = append(logs, math.Log(max(square/p[i*d+i], 1e-12)))
		at = append(at, i)
	}
	centre, scale := robust(logs)
	scale = max(scale, math.Sqrt(2/n))
	for k, l := range logs {
		z := (l - centre) / scale
		if z > patternScore && l-centre > math.Log(patternRatio) && z > t.roughness {
			t.roughest, t.roughness = at[k], z
		}
	}
}

// marginalPrecision returns the precision of the volumes that are not missing,
// P_oo - P_om·P_mm⁻¹·P_mo, with zero rows and columns for the missing ones.
func (g *Gaussian) marginalPrecision(missing []int) ([]float64, error) {
	d := g.D
	p := slices.Clone(g.precision)
	c, err := g.Given(missing)
	if err != nil {
		return nil, err
	}
	for a, i := range missing {
		w := c.weights[a*d : (a+1)*d] // -P_mm⁻¹·P_mo
		for r := range d {
			f := g.precision[r*d+i]
			for j, v := range w {
				p[r*d+j] += f * v
			}
		}
	}
	for _, i := range missing {
		for j := range d {
			p[i*d+j], p[j*d+i] = 0, 0
		}
	}
	return p, nil
}

// middle returns the median of some values, 0 of none; they are reordered.
func middle(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// finishVolumes loses the rest of volumes of which most is lost.
func (l *Lost) finishVolumes(m *Moments) {
	for v := range l.Volumes {
		gone, all := 0, 0
		for z := range l.Slices {
			all += m.slices[z].n
			if l.Is(v, z) {
				gone += m.slices[z].n
			}
		}
		if all > 0 && float64(gone) > mostOfVolume*float64(all) {
			for z := range l.Slices {
				l.Add(v, z, Remainder, 0)
			}
		}
	}
}

// Clone returns a copy.
func (l *Lost) Clone() *Lost {
	return &Lost{Volumes: l.Volumes, Slices: l.Slices, reason: slices.Clone(l.reason), z: slices.Clone(l.z)}
}

// remove takes a slice back.
func (l *Lost) remove(volume, slice int) {
	l.reason[volume*l.Slices+slice], l.z[volume*l.Slices+slice] = "", 0
}

// equal reports whether the same slices are lost.
func (l *Lost) equal(other *Lost) bool {
	for i, r := range l.reason {
		if (r == "") != (other.reason[i] == "") {
			return false
		}
	}
	return true
}
