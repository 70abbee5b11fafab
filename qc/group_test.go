package qc

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// smallGroup has nine scans; the eighth's sigma and the ninth's volumes stand out.
func smallGroup() Group {
	g := Group{Title: "group", Columns: []GroupColumn{{"volumes", "", "Volumes"}, {"sigma", "arbitrary", "Noise <level>"}, {"source", "", "Text"}, {"same", "", "Constant"}, {"none", "", "Never there"}},
		Failed: []FailedScan{{"sub-99", "sub-99.html", "broken <file>"}}}
	for i, sigma := range []string{"1", "2", "3", "4", "5", "6", "7", "100", "n/a"} {
		volumes := "33"
		if i == 8 {
			volumes = "32"
		}
		g.Scans = append(g.Scans, GroupScan{Name: fmt.Sprintf("sub-%02d", i), Page: fmt.Sprintf("sub-%02d.html#x", i), Cells: []string{volumes, sigma, "measured", "5", "n/a"}})
	}
	return g
}

func TestGroupOutliers(t *testing.T) {
	g := smallGroup()
	// Of 1…7 and 100 the quartiles are 2.75 and 6.25, the fences -2.5 and 11.5.
	want := []Outlier{{7, 1, 100, -2.5, 11.5}, {8, 0, 32, 33, 33}}
	if diff := cmp.Diff(want, g.Outliers()); diff != "" {
		t.Errorf("outliers (-want +got):\n%s", diff)
	}
	g.Scans = g.Scans[5:]
	if got := g.Outliers(); len(got) != 0 {
		t.Errorf("outliers of four scans: %v", got)
	}
}

func TestQuartiles(t *testing.T) {
	q := quartilesOf([]float64{1, 2, 3, 4, 5, 6, 7, 100})
	if q.median != 4.5 || q.q1 != 2.75 || q.q3 != 6.25 || q.whiskerLo != 1 || q.whiskerHi != 7 {
		t.Errorf("%+v", q)
	}
}

func TestGroupPage(t *testing.T) {
	p, err := GroupPage(smallGroup())
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	html := b.String()
	for _, want := range []string{`href="sub-07.html#x"`, "sub-07: 100", `id="failed"`, "broken &lt;file&gt;", "1 of 10 scans failed", "2 values of 2 scans", "same = 5", "Noise &lt;level&gt;", `stroke="#d1242f"`} {
		if !strings.Contains(html, want) {
			t.Errorf("%q is not in the page", want)
		}
	}
	if n := strings.Count(html, "<circle"); n != 8+9 { // sigma has eight values, volumes nine
		t.Errorf("%d dots, want 17", n)
	}
	bad := smallGroup()
	bad.Scans[0].Cells = bad.Scans[0].Cells[1:]
	if _, err := GroupPage(bad); !errors.Is(err, ErrInput) {
		t.Errorf("a short row: %v, want ErrInput", err)
	}
}
