package pagetest

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/qc"
)

// scan is a small scan of a head made of ellipsoids, with everything a report can show.
func scan() qc.ReportInput {
	const nx, ny, nz, d, sigma = 36, 44, 16, 14, 12.0
	rng := rand.New(rand.NewPCG(3, 4))
	table := &gradients.Table{}
	for i := range d {
		b := []float64{0, 1000, 2500}[(i+5)/7]
		z := 1 - 2*(float64(i)+0.5)/d
		r, p := math.Sqrt(1-z*z), 2.4*float64(i)
		table.BVals, table.BVecs = append(table.BVals, b), append(table.BVecs, [3]float64{r * math.Cos(p), r * math.Sin(p), z})
	}
	n := nx * ny * nz
	before, after, noise := make([]float32, n*d), make([]float32, n*d), make([]float32, n)
	for v := range d {
		for i := range n {
			x, y, z := float64(i%nx)/nx*2-1, float64(i/nx%ny)/ny*2-1, float64(i/nx/ny)/nz*2-1
			noise[i] = float32(sigma * (1 + 0.2*x))
			clean := 0.0
			if x*x/.8+y*y/.85+z*z < 0.9 {
				clean = 300 + 90*math.Sin(9*x)*math.Cos(7*y)
				if x*x+y*y < 0.08 {
					clean = 600
				}
			}
			g := table.BVecs[v]
			along := g[0]*x + g[1]*y
			clean *= math.Exp(-table.BVals[v] * 0.0007 * (0.4 + along*along))
			before[v*n+i], after[v*n+i] = float32(clean+sigma*(1+0.2*x)*rng.NormFloat64()), float32(clean)
		}
	}
	img := image.NewRGBA(image.Rect(0, 0, 60, 40))
	for i := range img.Pix {
		img.Pix[i] = uint8(i)
	}
	img.Set(3, 3, color.White)
	loss := []qc.LossPoint{{Step: 0, Train: 1.1, HeldOut: math.NaN()}, {Step: 100, Train: 0.7, HeldOut: 0.8}, {Step: 200, Train: 0.6, HeldOut: 0.75}}
	return qc.ReportInput{
		Title: "sub-01 <dwi>", Subtitle: "a phantom",
		Outcome: qc.Outcome{Grid: qc.Grid{NX: nx, NY: ny, NZ: nz, VoxelSize: [3]float64{2, 2, 4}, Oriented: true,
			Affine: [4][4]float64{{2, 0, 0, -36}, {0, 2, 0, -44}, {0, 0, 4, -32}, {0, 0, 0, 1}}}, Before: before, After: after, Sigma: noise, Table: table},
		Known: qc.Known{Prior: "soft", Loss: loss,
			Risks:   []qc.Risk{{Prior: "gaussian", RMSE: 0.5, ByShell: []float64{0.6, 0.5, 0.4}}, {Prior: "soft", RMSE: 0.4, ByShell: []float64{0.5, 0.4, 0.3}, Accepted: true}},
			Imputed: &qc.Imputation{Percent: 1.2, Slices: 2, Lost: []qc.LostSlices{{Volume: 3, First: 4, Last: 5, Reason: "dropout", Z: -9.1}}}},
		Method:      qc.Method{Program: "dmri-denoise", Version: "test", Rician: true},
		Provenance:  [][2]string{{"Input", "dwi.nii.gz"}},
		Uncertainty: []qc.Figure{{Alt: "a cone", Caption: "uncertainty", PNG: img}},
		Reverse:     []qc.Figure{{Alt: "reverse", Caption: "reverse", PNG: img}},
	}
}

var sections = []string{"summary", "before-after", "noise", "residual", "shells", "prior", "imputation", "uncertainty", "methods", "provenance"}

// report writes the page of a scan and returns its file.
func report(t *testing.T) string {
	t.Helper()
	r, err := qc.NewReport(context.Background(), scan(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var html bytes.Buffer
	if err := r.Page.Write(&html); err != nil {
		t.Fatal(err)
	}
	if html.Len() > 8e6 {
		t.Errorf("the page has %d bytes, more than 8 MB", html.Len())
	}
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, html.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestReportInABrowser(t *testing.T) {
	b := open(t, report(t))
	for _, id := range sections {
		if !value[bool](b, fmt.Sprintf(`!!document.querySelector("section#%s h2") && !!document.querySelector('nav a[href="#%s"]')`, id, id)) {
			t.Errorf("section %s or its link is missing", id)
		}
	}
	if n := value[int](b, `[...document.images].filter(i => !i.complete || !i.naturalWidth || !i.alt).length`); n != 0 {
		t.Errorf("%d pictures do not show or have no alternative text", n)
	}
	if n := value[int](b, `document.querySelectorAll("svg").length`); n < 6 {
		t.Errorf("%d plots, want at least 6", n)
	}
	if got := value[string](b, `document.title`); got != "sub-01 <dwi>" {
		t.Errorf("title %q", got)
	}
	if wide := value[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
		t.Errorf("the page is %d pixels wider than the window", wide)
	}
	testSwap(t, b)
	testViewer(t, b)
	value[int](b, `document.querySelector("nav").style.position = "static", 1`)
	for _, id := range sections {
		b.shot("#"+id, "report_"+id)
	}
	b.clean()
}

// testSwap wants the picture after denoising under the pointer and by the keyboard.
func testSwap(t *testing.T, b *browser) {
	const second = `getComputedStyle(document.querySelector(".swap .b")).visibility`
	b.run(chromedp.ScrollIntoView(chromedp.CSS(".swap")), chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, 1, 1))
	if got := value[string](b, second); got != "hidden" {
		t.Fatalf("the second picture is %s before anything was done", got)
	}
	before := b.shot(".swap .stack", "swap_before")
	at := value[[]float64](b, `(r => [r.x + r.width / 2, r.y + r.height / 2])(document.querySelector(".swap .stack").getBoundingClientRect())`)
	b.run(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, at[0], at[1]))
	if got := value[string](b, second); got != "visible" {
		t.Errorf("under the pointer the second picture is %s", got)
	}
	hovered := b.shot(".swap .stack", "swap_hover")
	b.run(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, 1, 1), chromedp.Focus(chromedp.CSS(".swap input")), chromedp.KeyEvent(" "))
	if got := value[string](b, second); got != "visible" {
		t.Errorf("after the space bar the second picture is %s", got)
	}
	ticked := b.shot(".swap .stack", "swap_ticked")
	if d := differing(before, hovered); d < 0.02 {
		t.Errorf("hovering changes %.2f %% of the picture", 100*d)
	}
	if d := differing(hovered, ticked); d > 0.001 {
		t.Errorf("the picture under the pointer and the one by keyboard differ in %.2f %%", 100*d)
	}
	b.run(chromedp.KeyEvent(" "))
}

// testViewer wants the volumes drawn, and others on other keys.
func testViewer(t *testing.T, b *browser) {
	b.run(chromedp.ScrollIntoView(chromedp.CSS(".viewer")))
	b.wait(`!!document.querySelector(".viewer").dataset.state`)
	if got := value[string](b, `document.querySelector(".viewer").dataset.state`); got != "drawn" {
		t.Fatalf("the viewer's state is %s: %s", got, value[string](b, `document.querySelector(".viewer .state").textContent`))
	}
	first := b.shot(".viewer canvas", "viewer_before")
	if lit := share(first, func(r, g, b int) bool { return r > 60 && r-g < 8 && g-r < 8 && b-r < 8 && r-b < 8 }); lit < 0.1 {
		t.Errorf("%.1f %% of the viewer shows a gray image", 100*lit)
	}
	b.run(chromedp.Focus(chromedp.CSS(".viewer canvas")), chromedp.KeyEvent("2"))
	b.wait(`document.querySelector(".viewer").dataset.shown === "b0 after"`)
	second := b.shot(".viewer canvas", "viewer_after")
	if d := differing(first, second); d < 0.02 {
		t.Errorf("before and after differ in %.2f %% of the viewer", 100*d)
	}
	b.run(chromedp.KeyEvent("3"))
	b.wait(`document.querySelector(".viewer").dataset.shown === "b0 removed"`)
	removed := b.shot(".viewer canvas", "viewer_removed")
	blue := share(removed, func(r, g, b int) bool { return b-r > 40 })
	red := share(removed, func(r, g, b int) bool { return r-b > 40 })
	if blue < 0.03 || red < 0.03 {
		t.Errorf("the residual is %.1f %% blue and %.1f %% red", 100*blue, 100*red)
	}
	b.run(chromedp.KeyEvent("7"))
	b.wait(`document.querySelector(".viewer").dataset.shown === "noise σ"`)
	b.shot(".viewer canvas", "viewer_noise")
}

func TestReportInTheDarkAndOnPaper(t *testing.T) {
	dark := command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}})
	b := open(t, report(t), dark)
	img := b.shot("#summary", "dark_summary")
	if paper := share(img, func(r, g, b int) bool { return r < 60 && g < 60 && b < 60 }); paper < 0.7 {
		t.Errorf("only %.0f %% of the page is dark", 100*paper)
	}
	b.shot("#prior", "dark_prior")
	if ink := value[string](b, `getComputedStyle(document.querySelector(".svg text")).fill`); ink == "rgb(0, 0, 0)" {
		t.Error("the words of a plot are black on dark paper")
	}
	// The button takes over from the system.
	b.run(chromedp.Click(chromedp.CSS("nav button")))
	if theme := value[string](b, `document.documentElement.dataset.theme`); theme != "light" {
		t.Errorf("theme after the button: %q, want light", theme)
	}
	data := b.pdf("report")
	pages := bytes.Count(data, []byte("/Type /Page\n"))
	if !bytes.HasPrefix(data, []byte("%PDF")) || pages < 3 || pages > 25 {
		t.Errorf("printed %d bytes on %d pages, want a PDF of 3 to 25", len(data), pages)
	}
	b.clean()
}

func TestReportWithoutScripts(t *testing.T) {
	b := open(t, report(t), command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	img := b.shot("#before-after", "no_scripts")
	if gray := share(img, func(r, g, b int) bool { return r > 60 && r < 200 && r == g && g == b }); gray < 0.05 {
		t.Errorf("%.1f %% of the section shows slices", 100*gray)
	}
	at := b.shot(".viewer", "no_scripts_viewer")
	if at.Bounds().Dy() > 250 {
		t.Errorf("the viewer takes %d pixels without scripts", at.Bounds().Dy())
	}
	b.run(chromedp.Focus(chromedp.CSS(".swap input")), chromedp.KeyEvent(" "))
	after := b.shot("#before-after", "no_scripts_swapped")
	if d := differing(img, after); d < 0.005 {
		t.Errorf("without scripts the space bar changes %.2f %% of the section", 100*d)
	}
	b.clean()
}

// TestReportCannotLoadAnything asks the page for a server that is there.
func TestReportCannotLoadAnything(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	b := open(t, report(t))
	text := value[string](b, fmt.Sprintf(`fetch(%q).then(() => "fetched", () => "refused")`, server.URL))
	if text != "refused" || asked.Load() != 0 {
		t.Errorf("the page could ask a server (%s, %d times)", text, asked.Load())
	}
}
