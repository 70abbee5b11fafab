package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

// The Go flag parser stops at the first word that is not a flag. People write flags before and after the input, so
// the words of a command are put in order here first: every flag becomes --name=value, then "--", then the rest.
// Single and double dashes mean the same, which gives MRtrix's -mask F and -nthreads N without further work.

// fslGradFlag is MRtrix's -fslgrad BVECS BVALS, the one flag with two values.
const fslGradFlag = "fslgrad"

// flagTable knows every spelling of a command's flags.
type flagTable struct {
	canonical map[string]string // spelling → name
	value     map[string]bool   // name → takes a value
	list      map[string]bool   // name → takes all words to the next flag
}

func newFlagTable(flags []cli.Flag) flagTable {
	t := flagTable{canonical: map[string]string{}, value: map[string]bool{}, list: map[string]bool{}}
	for _, f := range flags {
		names := f.Names()
		for _, spelling := range names {
			t.canonical[spelling] = names[0]
		}
		_, isBool := f.(*cli.BoolFlag)
		t.value[names[0]] = !isBool
		_, t.list[names[0]] = f.(*cli.StringSliceFlag)
	}
	for _, spelling := range []string{"help", "h"} {
		t.canonical[spelling] = "help"
	}
	return t
}

// arranged is a command line put in order.
type arranged struct {
	flags []string // --name=value or --name
	rest  []string // positionals
	help  bool
}

// words gives the order that the flag parser understands.
func (a arranged) words() []string {
	return append(append(slices.Clone(a.flags), "--"), a.rest...)
}

// arrange sorts the words after a command into flags and positionals. "--" ends the flags. A word that reads as a
// negative number is a value or a positional, never a flag.
func (t flagTable) arrange(words []string) (arranged, error) {
	var a arranged
	for i := 0; i < len(words); i++ {
		word := words[i]
		if word == "--" {
			a.rest = append(a.rest, words[i+1:]...)
			return a, nil
		}
		if !looksLikeFlag(word) {
			a.rest = append(a.rest, word)
			continue
		}
		used, err := t.take(&a, words[i:])
		if err != nil {
			return a, err
		}
		i += used - 1
	}
	return a, nil
}

// take reads the flag at words[0] with its values and returns how many words they were.
func (t flagTable) take(a *arranged, words []string) (int, error) {
	spelling, inline, hasInline := strings.Cut(strings.TrimLeft(words[0], "-"), "=")
	if spelling == fslGradFlag && t.canonical["bvec"] != "" {
		if len(words) < 3 || t.isFlag(words[1]) || t.isFlag(words[2]) {
			return 0, usageHint("the order is vectors first: -fslgrad dwi.bvec dwi.bval", "flag -fslgrad needs two files, BVECS and BVALS")
		}
		a.flags = append(a.flags, "--bvec="+words[1], "--bval="+words[2])
		return 3, nil
	}
	name, known := t.canonical[spelling]
	switch {
	case !known:
		return 0, t.unknown(words[0])
	case name == "help":
		a.help = true
		return 1, nil
	case hasInline && inline == "":
		return 0, emptyValue(words[0])
	case hasInline:
		a.flags = append(a.flags, "--"+name+"="+inline)
		return 1, nil
	case !t.value[name]:
		a.flags = append(a.flags, "--"+name)
		return 1, nil
	case len(words) < 2 || words[1] == "--" || t.isFlag(words[1]):
		return 0, usagef("flag %s needs a value", words[0])
	case words[1] == "":
		return 0, emptyValue(words[0])
	}
	used := 2
	for t.list[name] && used < len(words) && !looksLikeFlag(words[used]) && words[used] != "" {
		used++
	}
	for _, word := range words[1:used] {
		a.flags = append(a.flags, "--"+name+"="+word)
	}
	return used, nil
}

// emptyValue refuses a flag with empty text: --mask "$MASK" of a variable that is not set would otherwise run without a
// mask.
func emptyValue(flag string) error {
	return usageHint("is a shell variable not set?", "flag %s has an empty value", strings.TrimSuffix(flag, "="))
}

// isFlag tells whether a word is one of the command's own flags.
func (t flagTable) isFlag(word string) bool {
	if !looksLikeFlag(word) {
		return false
	}
	spelling, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	return t.canonical[spelling] != "" || spelling == fslGradFlag && t.canonical["bvec"] != ""
}

func (t flagTable) unknown(word string) error {
	spelling, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	var spellings []string
	for s := range t.canonical {
		spellings = append(spellings, s)
	}
	if near := nearest(spelling, spellings); near != "" {
		return usageHint(fmt.Sprintf("did you mean --%s?", near), "unknown flag %q", word)
	}
	return usageHint("--help lists the flags; put -- before a file name that starts with a dash", "unknown flag %q", word)
}

func looksLikeFlag(word string) bool {
	if len(word) < 2 || word[0] != '-' {
		return false
	}
	_, err := strconv.ParseFloat(word, 64)
	return err != nil
}

// nearest returns the candidate that a mistyped word most likely meant: one that it begins, or that is at most two
// edits away (one for short words); "" if there is none. Ties go to the alphabetically first.
func nearest(word string, candidates []string) string {
	slices.Sort(candidates)
	limit := 2
	if len(word) <= 4 {
		limit = 1
	}
	best, bestDistance := "", limit+1
	for _, c := range candidates {
		d := editDistance(strings.ToLower(word), c)
		if len(word) >= 3 && strings.HasPrefix(c, word) {
			d = min(d, 1)
		}
		if len(c) > 1 && d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// editDistance counts insertions, deletions, replacements and swaps of neighbours.
func editDistance(a, b string) int {
	before, previous := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(previous[j]+1, row[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, previous = previous, row
	}
	return previous[len(b)]
}

const environmentPrefix = "DMRI_DENOISE_"

// withEnvironment lets DMRI_DENOISE_<FLAG> stand in for every flag; the command line wins.
func withEnvironment(flags []cli.Flag) []cli.Flag {
	for _, f := range flags {
		name := []string{environmentPrefix + strings.ToUpper(strings.ReplaceAll(f.Names()[0], "-", "_"))}
		switch f := f.(type) {
		case *cli.StringFlag:
			f.EnvVars = name
		case *cli.StringSliceFlag:
			f.EnvVars = name
		case *cli.BoolFlag:
			f.EnvVars = name
		case *cli.IntFlag:
			f.EnvVars = name
		case *cli.Uint64Flag:
			f.EnvVars = name
		case *cli.Float64Flag:
			f.EnvVars = name
		default:
			panic("dmri-denoise: flag type without an environment variable")
		}
	}
	return flags
}

func quietFlag() cli.Flag {
	return &cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print warnings and errors only"}
}

func verboseFlag() cli.Flag {
	return &cli.BoolFlag{Name: "verbose", Aliases: []string{"v", "info", "debug"}, Usage: "print what is read, chosen and estimated"}
}

func jsonFlag(what string) cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print " + what + " on standard output as JSON"}
}

func forceFlag() cli.Flag {
	return &cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "overwrite existing outputs"}
}

func seedFlag(usage string) cli.Flag {
	return &cli.Uint64Flag{Name: "seed", Value: 0, Usage: usage}
}

// oneOf refuses a value that is not in the list.
func oneOf(flag, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	remedy := ""
	if near := nearest(value, slices.Clone(allowed)); near != "" {
		remedy = fmt.Sprintf("did you mean --%s %s?", flag, near)
	}
	return usageHint(remedy, "--%s %q: must be one of %s", flag, value, strings.Join(allowed, ", "))
}

// parseTriple reads X,Y,Z as whole numbers from lowest to highest.
func parseTriple(flag, text string, lowest, highest int) ([3]int, error) {
	var out [3]int
	parts := strings.Split(text, ",")
	if len(parts) != 3 {
		return out, usagef("--%s %q: three numbers are needed, such as 64,64,24", flag, text)
	}
	for i, part := range parts {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n < lowest || n > highest {
			return out, usagef("--%s %q: %q is not a whole number from %d to %d", flag, text, part, lowest, highest)
		}
		out[i] = n
	}
	return out, nil
}
