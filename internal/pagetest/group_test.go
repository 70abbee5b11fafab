package pagetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/dmri-denoise/dmri-denoise/qc"
)

// group is a study of 40 scans, one of which stands out and one of which failed.
func group() qc.Group {
	rng := rand.New(rand.NewPCG(1, 1))
	g := qc.Group{Title: "Denoised diffusion MRI", Subtitle: "40 scans", Failed: []qc.FailedScan{{Name: "sub-41_dwi", Page: "sub-41.html#failed", Reason: "truncated"}}}
	for _, c := range []string{"volumes", "shells", "sigma_median", "ndc_before", "ndc_after", "variance_removed", "residual_lag1_x", "residual_lag1_y", "residual_lag1_z", "snr_b0", "snr_b1000", "snr_b3000"} {
		g.Columns = append(g.Columns, qc.GroupColumn{Name: c, Description: "what " + c + " means"})
	}
	for i := range 40 {
		s := qc.GroupScan{Name: fmt.Sprintf("sub-%02d_dwi", i+1), Page: fmt.Sprintf("sub-%02d.html", i+1)}
		for c := range g.Columns {
			cell := fmt.Sprintf("%.4f", 10+float64(c)+rng.Float64())
			switch {
			case c == 0:
				cell = "70"
			case c == 1:
				cell = "0:6 1000:64"
			case i == 16 && c == 2:
				cell = "31.5"
			case i%9 == 4 && c == 11:
				cell = "n/a"
			}
			s.Cells = append(s.Cells, cell)
		}
		g.Scans = append(g.Scans, s)
	}
	return g
}

func TestGroupInABrowser(t *testing.T) {
	p, err := qc.GroupPage(group())
	if err != nil {
		t.Fatal(err)
	}
	var html bytes.Buffer
	if err := p.Write(&html); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "group_dwi.html")
	if err := os.WriteFile(file, html.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	b := open(t, file)
	const first = `document.querySelector("#table tbody tr td").textContent`
	if got := value[string](b, first); got != "sub-01_dwi" {
		t.Errorf("the table begins with %s", got)
	}
	// Sorted by sigma, downwards: the outlier comes first. n/a goes last either way.
	b.run(chromedp.Click(chromedp.CSS("#table th:nth-child(4) button")), chromedp.Click(chromedp.CSS("#table th:nth-child(4) button")))
	if got := value[string](b, first); got != "sub-17_dwi" {
		t.Errorf("sorted by sigma the table begins with %s", got)
	}
	b.run(chromedp.Click(chromedp.CSS("#table th:nth-child(13) button")))
	if got := value[string](b, `document.querySelector("#table tbody tr:last-child td:last-child").textContent`); got != "n/a" {
		t.Errorf("sorted upwards the last cell is %s", got)
	}
	if got := value[string](b, `document.querySelector("#outliers td a").getAttribute("href")`); got != "sub-17.html" {
		t.Errorf("the first outlier leads to %s", got)
	}
	if wide := value[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
		t.Errorf("the page is %d pixels wider than the window", wide)
	}
	value[int](b, `document.querySelector("nav").style.position = "static", 1`)
	for _, id := range []string{"summary", "failed", "outliers", "distributions", "table"} {
		img := b.shot("#"+id, "group_"+id)
		if red := share(img, func(r, g, b int) bool { return r > 190 && g < 90 && b < 90 }); id == "distributions" && red == 0 {
			t.Error("no red ring among the dots")
		}
	}
	b.clean()
}
