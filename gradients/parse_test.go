package gradients

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseBValsAccepts(t *testing.T) {
	want := []float64{0, 1000, 1000, 2000.5}
	for _, tc := range []struct{ name, text string }{
		{"FSL's own", "0 1000 1000 2000.5\n"},
		{"no final newline", "0 1000 1000 2000.5"},
		{"trailing blanks", "0 1000 1000 2000.5   \t \n"},
		{"trailing blank lines", "0 1000 1000 2000.5\n\n \n\n"},
		{"leading blank lines", "\n\n0 1000 1000 2000.5\n"},
		{"CRLF", "0 1000 1000 2000.5\r\n"},
		{"old Mac line ends", "0\r1000\r1000\r2000.5\r"},
		{"tabs", "0\t1000\t1000\t2000.5\n"},
		{"commas", "0,1000,1000,2000.5\n"},
		{"commas and blanks", "0, 1000 , 1000 ,2000.5,\n"},
		{"semicolons", "0;1000;1000;2000.5;\n"},
		{"exponents", "0.000e+00 1.000e+03 1E3 2.0005e+3\n"},
		{"byte order mark", "\ufeff0 1000 1000 2000.5\n"},
		{"comments", "# b-values\n0 1000 1000 2000.5 # s/mm2\n#end"},
		{"plus signs and bare points", "+0 1000. +1000.0 2000.5\n"},
		{"minus zero", "-0 1000 1000 2000.5\n"},
		{"one column", "0\n1000\n1000\n2000.5\n"},
		{"one column, CRLF, blanks", " 0 \r\n1000\r\n\r\n1000\r\n2000.5"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseBVals([]byte(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if math.Signbit(got[0]) {
				t.Error("b-value is -0, want 0")
			}
		})
	}
}

func TestParseBValsRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		kind       error
		says       []string
	}{
		{"empty", "", ErrShape, []string{"empty"}},
		{"only comments", "# nothing\n\n", ErrShape, []string{"no numbers"}},
		{"several rows and columns", "0 1\n2 3\n", ErrShape, []string{"2 rows of 2"}},
		{"ragged", "0 1 2\n3 4\n", ErrShape, []string{"line 2", "line 1"}},
		{"negative", "0 1000\t-5", ErrValue, []string{"line 1", "column 8", "-5"}},
		{"text", "b = 1000", ErrSyntax, []string{"line 1", "column 1", `"b"`}},
		{"Unicode minus", "\n0 1000 \u22125", ErrSyntax, []string{"line 2", "column 8", "U+2212", "'-'"}},
		{"en dash in exponent", "1e\u20132", ErrSyntax, []string{"line 1", "column 3", "U+2013"}},
		{"columns are characters, not bytes", "1e\u20132 3\n", ErrSyntax, []string{"column 3"}},
		{"infinity", "0 inf", ErrSyntax, []string{"column 3"}},
		{"overflow", "0 1e999", ErrSyntax, []string{"1e999"}},
		{"hexadecimal", "0 0x10", ErrSyntax, []string{"0x10"}},
		{"missing value", "0,,1000", ErrSyntax, []string{"missing", "column 3"}},
		{"missing first value", ";0;1000", ErrSyntax, []string{"missing", "column 1"}},
		{"no-break space", "0\u00a01000", ErrSyntax, []string{"line 1, column 1"}},
		{"UTF-16", "\xff\xfe0\x00", ErrSyntax, []string{"UTF-16"}},
		{"binary", "\x5c\x01\x00\x00\x00", ErrSyntax, []string{"binary"}},
		{"git-annex pointer", "/annex/objects/MD5E-s100--abc.bval\n", ErrSyntax, []string{"datalad get"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseBVals([]byte(tc.text))
			checkError(t, got, err, tc.kind, tc.says)
		})
	}
}

// checkError demands an error of a kind whose text has all the given parts.
func checkError(t *testing.T, got any, err, kind error, says []string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("got %v, error %v; want error %v", got, err, kind)
	}
	if !strings.HasPrefix(err.Error(), "gradients: ") || strings.Count(err.Error(), "gradients: ") != 1 {
		t.Errorf("error %q: want the package's name once, first", err)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q does not say %q", err, s)
		}
	}
}

func TestParseBVecs(t *testing.T) {
	four := [][3]float64{{0, 0, 0}, {1, 0, 0}, {0, -1, 0}, {0.6, 0, 0.8}}
	for _, tc := range []struct {
		name, text string
		want       [][3]float64
		note       string
	}{
		{"three rows", "0 1 0 .6\n0 0 -1 0\n0 0 0 .8\n", four, ""},
		{"three rows, CSV with CRLF", "0,1,0,.6\r\n0,0,-1,0\r\n0,0,0,.8", four, ""},
		{"three rows with comments and blank lines", "# x\n0 1 0 .6\n\n# y\n0 0 -1 0\n\n0 0 0 8e-1 # z", four, ""},
		{"three columns", "0 0 0\n1 0 0\n0 -1 0\n.6 0 .8\n", four, "4 × 3"},
		{"three columns, semicolons", "0;0;0;\n1;0;0;\n0;-1;0;\n.6;0;.8;\n", four, "4 × 3"},
		{"one volume in a column", "0\n0\n1\n", [][3]float64{{0, 0, 1}}, ""},
		{"one volume in a row", "0 0 1\n", [][3]float64{{0, 0, 1}}, "1 × 3"},
		{"two volumes in rows", "0 1\n0 0\n0 0\n", [][3]float64{{}, {1, 0, 0}}, ""},
		{"two volumes in columns", "0 0 0\n1 0 0\n", [][3]float64{{}, {1, 0, 0}}, "2 × 3"},
		{"three by three is x, y, z", "0 1 2\n3 4 5\n6 7 8\n", [][3]float64{{0, 3, 6}, {1, 4, 7}, {2, 5, 8}}, "both ways"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, notes, err := ParseBVecs([]byte(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			if all := strings.Join(notes, "\n"); (all == "") != (tc.note == "") || !strings.Contains(all, tc.note) {
				t.Errorf("notes are %q, want one with %q", notes, tc.note)
			}
		})
	}
}

func TestParseBVecsRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		kind       error
		says       []string
	}{
		{"two rows", "0 1 0 0\n0 0 1 0\n", ErrShape, []string{"2 × 4", "three rows"}},
		{"four columns", "0 0 0 0\n1 0 0 1000\n", ErrShape, []string{"--grad"}},
		{"one long row", "0 1 0 0 0 1", ErrShape, []string{"1 × 6"}},
		{"ragged", "0 1 0\n0 0\n0 0 1\n", ErrShape, []string{"line 2 has 2", "line 1 has 3"}},
		{"Unicode minus", "0 1\n0 0\n0 \u22121\n", ErrSyntax, []string{"line 3, column 3"}},
		{"empty", "\n", ErrShape, []string{"no numbers"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, _, err := ParseBVecs([]byte(tc.text))
			checkError(t, got, err, tc.kind, tc.says)
		})
	}
}

func TestParseGrad(t *testing.T) {
	b := []float64{0, 1000, 2000}
	v := [][3]float64{{}, {1, 0, 0}, {0, -0.6, 0.8}}
	for _, tc := range []struct{ name, text string }{
		{"MRtrix", "# command_history: mrconvert …\n0 0 0 0\n1 0 0 1000\n0 -.6 .8 2000\n"},
		{"MRtrix, tabs", "0\t0\t0\t0\n1\t0\t0\t1000\n0\t-.6\t.8\t2000"},
		{"DSI Studio", "0 0 0 0\n1000 1 0 0\n2000 0 -.6 .8\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			gotB, gotV, err := ParseGrad([]byte(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(gotB, b) || !slices.Equal(gotV, v) {
				t.Errorf("got %v %v, want %v %v", gotB, gotV, b, v)
			}
		})
	}
	t.Run("four rows are not transposed", func(t *testing.T) {
		gotB, _, err := ParseGrad([]byte("0 0 0 0\n1 0 0 1000\n0 1 0 1000\n0 0 1 1000\n"))
		if want := []float64{0, 1000, 1000, 1000}; err != nil || !slices.Equal(gotB, want) {
			t.Errorf("got %v, %v, want %v", gotB, err, want)
		}
	})
	t.Run("all b = 0 is x y z b", func(t *testing.T) {
		// Both orders fit numbers this small; MRtrix's wins.
		gotB, _, err := ParseGrad([]byte("1 0 0 5\n1 0 0 0\n"))
		if want := []float64{5, 0}; err != nil || !slices.Equal(gotB, want) {
			t.Errorf("got %v, %v, want %v", gotB, err, want)
		}
	})
	for _, tc := range []struct {
		name, text string
		kind       error
		says       []string
	}{
		{"FSL directions", "0 1 0 0 0\n0 0 1 0 0\n0 0 0 1 0\n", ErrShape, []string{"3 × 5", "--bvec"}},
		{"five columns", "0 0 0 0 1\n", ErrShape, []string{"1 × 5"}},
		{"negative b", "0 0 1 -1000\n", ErrValue, []string{"line 1, column 7", "-1000"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, _, err := ParseGrad([]byte(tc.text))
			checkError(t, got, err, tc.kind, tc.says)
		})
	}
}
