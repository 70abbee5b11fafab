package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// maps are what MRtrix made of one version of a scan.
type maps struct {
	mask                    []float32
	fa, md, v1, peaks       *nifti.Image
	tensor, kurtosis        *nifti.Image // of the kurtosis fit; nil for one shell
	directions              [][3]float64 // that kurtosis is averaged over
	meanKurtosis, plausible []float64    // per voxel
}

const (
	anisotropic  = 0.3 // FA from which a voxel has a direction worth speaking of
	leastPeak    = 0.2 // amplitude of a peak that counts, relative to the largest of its voxel
	faintestPeak = 0.1 // and in itself: MRtrix's own cutoff for tracking
	mostKurtosis = 3   // apparent kurtosis of brain tissue lies between 0 and 3 (Jensen and Helpern 2010)
)

func readMaps(ctx context.Context, dir, work string, kurtosis bool) (*maps, error) {
	m := &maps{}
	read := func(folder, name string, into **nifti.Image) error {
		im, err := nifti.ReadImage(ctx, filepath.Join(folder, name), nifti.ReadOptions{})
		*into = im
		return err
	}
	var mask *nifti.Image
	files := []struct {
		folder, name string
		into         **nifti.Image
	}{{dir, "mask.nii.gz", &mask}, {work, "fa.nii", &m.fa}, {work, "md.nii", &m.md}, {work, "v1.nii", &m.v1}, {work, "peaks.nii", &m.peaks}}
	if kurtosis {
		files = append(files, []struct {
			folder, name string
			into         **nifti.Image
		}{{work, "dt3.nii", &m.tensor}, {work, "dkt.nii", &m.kurtosis}}...)
	}
	for _, f := range files {
		if err := read(f.folder, f.name, f.into); err != nil {
			return nil, err
		}
	}
	m.mask = mask.Voxels()
	if kurtosis {
		m.directions = gradients.Directions(45, rand.New(rand.NewPCG(1, 1)))
		m.apparentKurtosis()
	}
	return m, nil
}

// apparentKurtosis fills in mean and plausibility of the apparent kurtosis
// K(n) = MD²·W(n)/D(n)² over directions n (Jensen and Helpern 2010, equation 8).
func (m *maps) apparentKurtosis() {
	m.meanKurtosis, m.plausible = make([]float64, len(m.mask)), make([]float64, len(m.mask))
	for v, in := range m.mask {
		if in == 0 {
			continue
		}
		d := func(i int) float64 { return float64(m.tensor.Volume(i)[v]) }
		w := func(i int) float64 { return float64(m.kurtosis.Volume(i)[v]) }
		md := (d(0) + d(1) + d(2)) / 3
		for _, n := range m.directions {
			x, y, z := n[0], n[1], n[2]
			dn := d(0)*x*x + d(1)*y*y + d(2)*z*z + 2*(d(3)*x*y+d(4)*x*z+d(5)*y*z)
			wn := w(0)*x*x*x*x + w(1)*y*y*y*y + w(2)*z*z*z*z +
				4*(w(3)*x*x*x*y+w(4)*x*x*x*z+w(5)*x*y*y*y+w(6)*x*z*z*z+w(7)*y*y*y*z+w(8)*y*z*z*z) +
				6*(w(9)*x*x*y*y+w(10)*x*x*z*z+w(11)*y*y*z*z) + 12*(w(12)*x*x*y*z+w(13)*x*y*y*z+w(14)*x*y*z*z)
			k := md * md * wn / (dn * dn)
			if k >= 0 && k <= mostKurtosis {
				m.meanKurtosis[v] += k
				m.plausible[v]++
			}
		}
		if m.plausible[v] > 0 {
			m.meanKurtosis[v] /= m.plausible[v]
		}
		m.plausible[v] /= float64(len(m.directions))
	}
}

// against returns the cells of the table: errors of m where the truth is t.
func (m *maps) against(t *maps) string {
	var fa, md, mk, n, odd, tissue, right, white float64
	var angles, peaks []float64
	for v, in := range t.mask {
		if in == 0 {
			continue
		}
		n++
		fa += square(m.fa.Volume(0)[v] - t.fa.Volume(0)[v])
		md += square(1e3 * (m.md.Volume(0)[v] - t.md.Volume(0)[v]))
		if t.kurtosis != nil && t.plausible[v] == 1 { // not fluid, which has no kurtosis
			mk += (m.meanKurtosis[v] - t.meanKurtosis[v]) * (m.meanKurtosis[v] - t.meanKurtosis[v])
			odd += 1 - m.plausible[v]
			tissue++
		}
		if t.fa.Volume(0)[v] < anisotropic {
			continue
		}
		angles = append(angles, angle(vector(m.v1, 0, v), vector(t.v1, 0, v)))
		peaks = append(peaks, angle(vector(m.peaks, 0, v), vector(t.peaks, 0, v)))
		white++
		if m.count(v) == t.count(v) {
			right++
		}
	}
	slices.Sort(angles)
	slices.Sort(peaks)
	kurtosis, implausible := "–", "–"
	if tissue > 0 {
		kurtosis, implausible = fmt.Sprintf("%.4f", math.Sqrt(mk/tissue)), fmt.Sprintf("%.2f %%", 100*odd/tissue)
	}
	return fmt.Sprintf("%.4f | %.4f | %.2f | %.2f | %.2f | %.1f %% | %s | %s", math.Sqrt(fa/n), math.Sqrt(md/n), angles[len(angles)/2], angles[len(angles)*9/10],
		peaks[len(peaks)/2], 100*right/white, kurtosis, implausible)
}

func square(x float32) float64 {
	if x-x != 0 {
		return 1 // a fit that failed, in the unit of FA and of MD
	}
	return float64(x) * float64(x)
}

// vector reads the k-th vector of a voxel.
func vector(im *nifti.Image, k, v int) [3]float64 {
	var out [3]float64
	for a := range out {
		out[a] = float64(im.Volume(3*k + a)[v])
	}
	return out
}

// angle is that between two axes in degrees; 90 where there is none.
func angle(a, b [3]float64) float64 {
	dot, aa, bb := 0.0, 0.0, 0.0
	for i := range a {
		dot, aa, bb = dot+a[i]*b[i], aa+a[i]*a[i], bb+b[i]*b[i]
	}
	c := math.Abs(dot) / math.Sqrt(aa*bb)
	if !(c >= 0) {
		return 90
	}
	return math.Acos(min(c, 1)) * 180 / math.Pi
}

// count is the number of peaks of a voxel that count.
func (m *maps) count(v int) int {
	size := func(k int) float64 {
		p := vector(m.peaks, k, v)
		return math.Sqrt(p[0]*p[0] + p[1]*p[1] + p[2]*p[2])
	}
	n := 0
	for k := range 4 {
		if s := size(k); s >= max(leastPeak*size(0), faintestPeak) {
			n++
		}
	}
	return n
}
