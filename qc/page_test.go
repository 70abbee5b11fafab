package qc

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"strings"
	"testing"
)

func smallPage() *Page {
	img := image.NewGray(image.Rect(0, 0, 6, 4))
	img.SetGray(2, 2, color.Gray{200})
	return &Page{Title: `A <b>&"page"`, Subtitle: "sub & title", Foot: "foot", Sections: []Section{
		{ID: "one", Title: "One", Lead: "A <script>alert(1)</script> lead.", Blocks: []Block{
			Figure{Alt: `alt "x"`, Caption: "caption <i>", PNG: img, File: "one.png"},
			&Figure{Alt: "plot", SVG: `<svg viewBox="0 0 1 1"><path stroke="currentColor" d="M0 0"/></svg>`, File: "plot.svg"},
			Swap{Caption: "swap", Before: Figure{Alt: "b", PNG: img, File: "b.png"}, After: Figure{Alt: "a", PNG: img}},
		}},
		{ID: "two", Title: "Two", Blocks: []Block{
			Facts{Caption: "facts", Rows: [][2]string{{"name<", "value>"}}},
			Table{Caption: "grid", Header: []string{"h1", "h2"}, Rows: [][]string{{"c<1", "c2"}, {"d1", "d2"}}, Links: []string{"javascript:alert(1)", "sub-01.html"}},
			Note{Kind: "bad", Text: "a <note>"}, Prose{Paragraphs: []string{"para <1>"}}, Listing{Caption: "bib", Text: "@article{x<y}"},
		}},
	}}
}

func TestPageEscapesEverything(t *testing.T) {
	var b bytes.Buffer
	p := smallPage()
	n, err := p.WriteTo(&b)
	if err != nil {
		t.Fatal(err)
	}
	if n != int64(b.Len()) {
		t.Errorf("WriteTo returned %d, wrote %d", n, b.Len())
	}
	html := b.String()
	for _, bad := range []string{"<b>&", "<script>alert", "caption <i>", "name<", "value>\n", "c<1", "a <note>", "para <1>", "x<y", `href="javascript:`} {
		if strings.Contains(html, bad) {
			t.Errorf("%q is in the page unescaped", bad)
		}
	}
	for _, want := range []string{"A &lt;b&gt;", `id="one"`, `href="#two"`, "<strong>Bad</strong>", `href="sub-01.html"`, "data:image/png;base64,", `width="6" height="4"`, `aria-label="plot"`, `stroke="currentColor"`} {
		if !strings.Contains(html, want) {
			t.Errorf("%q is not in the page", want)
		}
	}
	if strings.Contains(html, "http://") || strings.Contains(html, "https://") {
		t.Error("the page names an address on the network")
	}
}

func TestPageFilesAndEncode(t *testing.T) {
	p := smallPage()
	var plain, encoded bytes.Buffer
	if err := p.Write(&plain); err != nil {
		t.Fatal(err)
	}
	before, err := p.Files()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Encode(context.Background(), 2); err != nil {
		t.Fatal(err)
	}
	if err := p.Write(&encoded); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(plain.Bytes(), encoded.Bytes()) {
		t.Error("encoding first changes the page")
	}
	after, err := p.Files()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i, f := range after {
		names = append(names, f.Name)
		if !bytes.Equal(f.Data, before[i].Data) {
			t.Errorf("%s differs after Encode", f.Name)
		}
	}
	if got := strings.Join(names, " "); got != "one.png plot.svg b.png" {
		t.Errorf("files are %s", got)
	}
	if s := string(after[1].Data); strings.Contains(s, "currentColor") || !strings.HasPrefix(s, "<?xml") {
		t.Errorf("the SVG file depends on a page: %s", s)
	}
	if swap := p.Sections[0].Blocks[2].(Swap); swap.Before.Data == nil || swap.After.Data == nil {
		t.Error("a swap was not encoded")
	}
}

func TestPageRefuses(t *testing.T) {
	for name, block := range map[string]Block{
		"kind":    Note{Kind: "fine", Text: "x"},
		"row":     Table{Header: []string{"a", "b"}, Rows: [][]string{{"1"}}},
		"links":   Table{Header: []string{"a"}, Rows: [][]string{{"1"}}, Links: []string{}},
		"picture": Figure{Alt: "nothing"},
		"data":    Figure{Alt: "no png", Data: []byte("GIF89a")},
	} {
		t.Run(name, func(t *testing.T) {
			p := &Page{Title: "p", Sections: []Section{{ID: "s", Title: "S", Blocks: []Block{block}}}}
			if err := p.Write(&bytes.Buffer{}); !errors.Is(err, ErrInput) {
				t.Errorf("error %v, want ErrInput", err)
			}
		})
	}
}
