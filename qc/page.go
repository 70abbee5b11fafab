package qc

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"io"
	"path/filepath"
	"strings"
)

// Page is one self-contained HTML document. It loads nothing, says so to the
// browser by a content security policy, and works without scripts.
type Page struct {
	Title, Subtitle string
	Sections        []Section
	// Foot is a line of plain text at the end of the page; "" leaves it out.
	Foot string
}

// Section is one part of a page, listed in its navigation. ID must be unique in
// the page and made of letters, digits and hyphens. Lead is a sentence or two of
// plain text.
type Section struct {
	ID, Title, Lead string
	Blocks          []Block
}

// Block is a part of a section: [Figure], [Swap], [Facts], [Table], [Note],
// [Prose], [Listing] or [Viewer]. All strings of blocks are escaped.
type Block interface {
	view() (blockView, error)
}

// Figure is a picture with its caption and a text for those who cannot see it.
// It shows Data, the bytes of a PNG, if there are any, else PNG, else SVG. SVG
// is put into the page as it is, so it must come from this program.
type Figure struct {
	Alt, Caption string
	PNG          image.Image
	SVG          string
	Data         []byte
	File         string // its name in the folder figures/; "" means no file of its own
}

// Swap lays two pictures of one size over each other. The first is seen; the
// second while the pointer is on it, or while its box is ticked.
type Swap struct {
	Caption       string
	Before, After Figure
}

// Facts is a table of two columns, name and value.
type Facts struct {
	Caption string
	Rows    [][2]string
}

// Table is a table of any width; its columns can be sorted when scripts are on. Links, if
// not nil, has the address that the first cell of each row leads to, or "".
type Table struct {
	Caption string
	Header  []string
	Rows    [][]string
	Links   []string
}

// Note is a remark with a verdict: Kind is "good", "check", "bad" or "info".
type Note struct{ Kind, Text string }

// Prose is running text, a paragraph each.
type Prose struct{ Paragraphs []string }

// Listing is text to be copied as it stands, such as BibTeX.
type Listing struct{ Caption, Text string }

// blockView is what the template shows of any block.
type blockView struct {
	Kind    string
	Figure  figureView
	After   figureView
	Facts   Facts
	Table   Table
	Note    Note
	Prose   Prose
	Listing Listing
	Viewer  viewerView
}

type figureView struct {
	Alt, Caption string
	Data         template.URL
	SVG          template.HTML
	Width        int
	Height       int
}

//go:embed assets/page.html
var pageHTML string

//go:embed assets/page.css
var pageCSS string

//go:embed assets/page.js
var pageJS string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"word": func(kind string) string { return noteWords[kind] },
	"kind": func(cell string) string {
		for kind, word := range noteWords {
			if cell == word && kind != "info" {
				return kind
			}
		}
		return ""
	},
}).Parse(pageHTML))

// noteWords stand before notes, so that their kind does not rest on colour.
var noteWords = map[string]string{"good": "Good", "check": "Check", "bad": "Bad", "info": "Note"}

// Write writes the page as HTML. The bytes depend on the page alone. Figures that
// cannot be encoded and notes of an unknown kind are an [ErrInput].
func (p *Page) Write(w io.Writer) error {
	type sectionView struct {
		ID, Title, Lead string
		Blocks          []blockView
	}
	v := struct {
		Title, Subtitle, Foot string
		Style                 template.CSS
		Script                template.JS
		Sections              []sectionView
	}{Title: p.Title, Subtitle: p.Subtitle, Foot: p.Foot, Style: template.CSS(pageCSS), Script: template.JS(pageJS)}
	for _, s := range p.Sections {
		sv := sectionView{ID: s.ID, Title: s.Title, Lead: s.Lead}
		for _, b := range s.Blocks {
			bv, err := b.view()
			if err != nil {
				return fmt.Errorf("qc: page %q, section %q: %w", p.Title, s.ID, err)
			}
			sv.Blocks = append(sv.Blocks, bv)
		}
		v.Sections = append(v.Sections, sv)
	}
	if err := pageTemplate.Execute(w, v); err != nil {
		return fmt.Errorf("qc: page %q: %w", p.Title, err)
	}
	return nil
}

// WriteTo is [Page.Write] as an [io.WriterTo].
func (p *Page) WriteTo(w io.Writer) (int64, error) {
	c := &counter{w: w}
	err := p.Write(c)
	return c.n, err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// FigureFile is a picture of a page as a file.
type FigureFile struct {
	Name string
	Data []byte
}

// Encode turns the images of all figures into PNG, each once, so that writing
// the page and [Page.Files] need not do it again. threads is the number of
// goroutines, 0 meaning one for each processor.
func (p *Page) Encode(ctx context.Context, threads int) error {
	var waiting []*Figure
	var put []func()
	add := func(f Figure, back func(Figure)) {
		if f.Data == nil && f.PNG != nil {
			waiting = append(waiting, &f)
			put = append(put, func() { back(f) })
		}
	}
	for _, s := range p.Sections {
		for j, b := range s.Blocks {
			switch b := b.(type) {
			case Figure:
				add(b, func(f Figure) { s.Blocks[j] = f })
			case *Figure:
				add(*b, func(f Figure) { *b = f })
			case Swap:
				swap := &b
				replace := func() { s.Blocks[j] = *swap }
				add(b.Before, func(f Figure) { swap.Before = f; replace() })
				add(b.After, func(f Figure) { swap.After = f; replace() })
			}
		}
	}
	err := eachVolume(ctx, len(waiting), threads, func(i int) error {
		data, err := waiting[i].png()
		waiting[i].Data = data
		return err
	})
	if err != nil {
		return fmt.Errorf("qc: page %q: %w", p.Title, err)
	}
	for _, f := range put {
		f()
	}
	return nil
}

// Files returns the figures that have a file name, in the order of the page.
func (p *Page) Files() ([]FigureFile, error) {
	var files []FigureFile
	for _, s := range p.Sections {
		for _, b := range s.Blocks {
			var figures []Figure
			switch b := b.(type) {
			case Figure:
				figures = []Figure{b}
			case *Figure:
				figures = []Figure{*b}
			case Swap:
				figures = []Figure{b.Before, b.After}
			}
			for _, f := range figures {
				if f.File == "" {
					continue
				}
				data, err := f.bytes()
				if err != nil {
					return nil, fmt.Errorf("qc: page %q, figure %q: %w", p.Title, f.File, err)
				}
				files = append(files, FigureFile{Name: filepath.Base(f.File), Data: data})
			}
		}
	}
	return files, nil
}

// pictureBytes is the size of all encoded figures.
func (p *Page) pictureBytes() int {
	n := 0
	for _, s := range p.Sections {
		for _, b := range s.Blocks {
			switch b := b.(type) {
			case Figure:
				n += len(b.Data)
			case *Figure:
				n += len(b.Data)
			case Swap:
				n += len(b.Before.Data) + len(b.After.Data)
			}
		}
	}
	return n
}

// bytes returns the figure as the content of a file.
func (f Figure) bytes() ([]byte, error) {
	if f.PNG == nil && f.Data == nil {
		return []byte(standaloneSVG(f.SVG)), nil
	}
	return f.png()
}

func (f Figure) png() ([]byte, error) {
	if f.Data != nil {
		return f.Data, nil
	}
	var b bytes.Buffer
	err := EncodePNG(&b, f.PNG, 0)
	return b.Bytes(), err
}

func (f Figure) shown() (figureView, error) {
	v := figureView{Alt: f.Alt, Caption: f.Caption}
	if f.PNG == nil && f.Data == nil {
		if f.SVG == "" {
			return v, fmt.Errorf("figure %q has no picture: %w", f.Alt, ErrInput)
		}
		v.SVG = template.HTML(f.SVG)
		return v, nil
	}
	data, err := f.png()
	if err != nil {
		return v, err
	}
	size, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return v, fmt.Errorf("figure %q is no picture (%v): %w", f.Alt, err, ErrInput)
	}
	v.Width, v.Height = size.Width, size.Height
	v.Data = template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(data))
	return v, nil
}

func (f Figure) view() (blockView, error) {
	v, err := f.shown()
	return blockView{Kind: "figure", Figure: v}, err
}

func (s Swap) view() (blockView, error) {
	before, err := s.Before.shown()
	if err != nil {
		return blockView{}, err
	}
	after, err := s.After.shown()
	before.Caption = s.Caption
	return blockView{Kind: "swap", Figure: before, After: after}, err
}

func (f Facts) view() (blockView, error) { return blockView{Kind: "facts", Facts: f}, nil }

func (g Table) view() (blockView, error) {
	for _, row := range g.Rows {
		if len(row) != len(g.Header) {
			return blockView{}, fmt.Errorf("table %q: a row of %d cells under %d headings: %w", g.Caption, len(row), len(g.Header), ErrInput)
		}
	}
	if g.Links != nil && len(g.Links) != len(g.Rows) {
		return blockView{}, fmt.Errorf("table %q: %d links for %d rows: %w", g.Caption, len(g.Links), len(g.Rows), ErrInput)
	}
	return blockView{Kind: "table", Table: g}, nil
}

func (n Note) view() (blockView, error) {
	if noteWords[n.Kind] == "" {
		return blockView{}, fmt.Errorf("note of kind %q, want good, check, bad or info: %w", n.Kind, ErrInput)
	}
	return blockView{Kind: "note", Note: n}, nil
}

func (p Prose) view() (blockView, error) { return blockView{Kind: "prose", Prose: p}, nil }

func (l Listing) view() (blockView, error) { return blockView{Kind: "listing", Listing: l}, nil }

// standaloneSVG makes an inline picture one that viewers open: ink that follows
// the page becomes black, on white.
func standaloneSVG(svg string) string {
	svg = strings.ReplaceAll(svg, "currentColor", "#1b1f24")
	if i := strings.Index(svg, ">"); i >= 0 && strings.HasPrefix(svg, "<svg") {
		svg = svg[:i] + ` xmlns="http://www.w3.org/2000/svg" style="background:#fff"` + svg[i:]
	}
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + svg + "\n"
}
