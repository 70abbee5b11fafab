package pagetest

import (
	"os"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestLook takes pictures of the sections of any page: DMRI_LOOK=report.html DMRI_SCREENSHOTS=DIR go test -run TestLook.
func TestLook(t *testing.T) {
	file := os.Getenv("DMRI_LOOK")
	if file == "" {
		t.Skip("DMRI_LOOK names no page")
	}
	b := open(t, file)
	if value[bool](b, `!!document.querySelector(".viewer")`) {
		b.run(chromedp.ScrollIntoView(chromedp.CSS(".viewer")))
		b.wait(`!!document.querySelector(".viewer").dataset.state`)
	}
	value[int](b, `document.querySelector("nav").style.position = "static", 1`)
	for _, id := range value[[]string](b, `[...document.querySelectorAll("section")].map(s => s.id)`) {
		b.shot("#"+id, "look_"+id)
	}
	b.pdf("look")
	b.clean()
}
