package gradients

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// row is one line of numbers with where it and its numbers stood in the text.
type row struct {
	line    int
	values  []float64
	columns []int
}

// parseRows reads lines of numbers separated by blanks, tabs, commas or semicolons. It skips a byte order mark, blank
// lines and everything after '#', and takes any line ending. NaN is a number here; infinity is not. label names the text in
// errors.
func parseRows(data []byte, label string) ([]row, error) {
	if err := checkText(data, label); err != nil {
		return nil, err
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	var rows []row
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line, _, _ = strings.Cut(line, "#")
		r, err := parseLine(line, number, label)
		if err != nil {
			return nil, err
		}
		if len(r.values) > 0 {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return nil, faultf(ErrShape, "%s: no numbers in it; is the file empty?", label)
	}
	return rows, nil
}

// checkText refuses files that are no text at all, with what they are where that can be told.
func checkText(data []byte, label string) error {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")):
		return faultf(ErrSyntax, "%s: the text is UTF-16; save it as plain text or UTF-8", label)
	case bytes.HasPrefix(data, []byte("/annex/objects/")) || bytes.HasPrefix(data, []byte("../.git/annex/")):
		return faultf(ErrSyntax, "%s: a git-annex pointer, the content is not here; run: datalad get %s", label, label)
	case bytes.IndexByte(data, 0) >= 0:
		return faultf(ErrSyntax, "%s: binary data, not a table of numbers; was an image given as a gradient table?", label)
	}
	return nil
}

// parseLine reads the numbers of one line. Two commas or semicolons with nothing between them are a missing value, which
// would shift every later volume; one at the end of the line is harmless.
func parseLine(line string, number int, label string) (row, error) {
	r := row{line: number}
	column := 1
	pending := 1 // separators other than blanks since the last number; a line starts as if after one
	for len(line) > 0 {
		c := line[0]
		if isBlank(c) {
			line, column = line[1:], column+1
			continue
		}
		if c == ',' || c == ';' {
			if pending++; pending > 1 {
				return r, faultf(ErrSyntax, "%s: line %d, column %d: a value is missing before %q", label, number, column, string(c))
			}
			line, column = line[1:], column+1
			continue
		}
		end := strings.IndexFunc(line, isSeparator)
		if end < 0 {
			end = len(line)
		}
		token := line[:end]
		v, err := parseNumber(token, number, column, label)
		if err != nil {
			return r, err
		}
		r.values = append(r.values, v)
		r.columns = append(r.columns, column)
		pending = 0
		line, column = line[end:], column+utf8.RuneCountInString(token)
	}
	return r, nil
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\v' || c == '\f' }

func isSeparator(c rune) bool {
	return c < utf8.RuneSelf && (isBlank(byte(c)) || c == ',' || c == ';')
}

// dashes are characters that word processors and web pages put where a minus sign was meant: U+2010 to U+2015, U+2212,
// U+FE63 and U+FF0D.
const dashes = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d"

func parseNumber(token string, line, column int, label string) (float64, error) {
	if i := strings.IndexAny(token, dashes); i >= 0 {
		c, _ := utf8.DecodeRuneInString(token[i:])
		return 0, faultf(ErrSyntax, "%s: line %d, column %d: %q has the character %U where a minus sign belongs; replace it "+
			"by a plain '-'", label, line, column+utf8.RuneCountInString(token[:i]), token, c)
	}
	v, err := strconv.ParseFloat(token, 64)
	// ParseFloat also reads hexadecimal numbers, which nobody writes into a table on purpose.
	if err != nil || math.IsInf(v, 0) || strings.ContainsAny(token, "xX_") {
		if utf8.RuneCountInString(token) > 40 {
			token = string([]rune(token)[:40]) + "…"
		}
		return 0, faultf(ErrSyntax, "%s: line %d, column %d: %q is not a finite number", label, line, column, token)
	}
	return v, nil
}

// rectangular returns the common length of the rows, or an error that names the first row that differs.
func rectangular(rows []row, label string) (int, error) {
	n := len(rows[0].values)
	for _, r := range rows[1:] {
		if len(r.values) != n {
			return 0, faultf(ErrShape, "%s: line %d has %d numbers but line %d has %d; a number is missing or one too many",
				label, r.line, len(r.values), rows[0].line, n)
		}
	}
	return n, nil
}
