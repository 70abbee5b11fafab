package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"
)

func TestArrange(t *testing.T) {
	table := newFlagTable([]cli.Flag{
		&cli.StringFlag{Name: "bval"}, &cli.StringFlag{Name: "bvec"}, &cli.StringFlag{Name: "mask"},
		&cli.StringFlag{Name: "noise-out", Aliases: []string{"noise"}}, &cli.IntFlag{Name: "nthreads"},
		&cli.Float64Flag{Name: "scale"}, &cli.BoolFlag{Name: "force"}, &cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}},
	})
	for _, test := range []struct {
		name    string
		words   string
		want    string // the words for the flag parser
		wantErr string
		help    bool
	}{
		{name: "nothing", words: "", want: "--"},
		{name: "flags first", words: "--mask m.nii in.nii", want: "--mask=m.nii -- in.nii"},
		{name: "flags after", words: "in.nii out.nii --mask m.nii --force", want: "--mask=m.nii --force -- in.nii out.nii"},
		{name: "between", words: "in.nii -q out.nii", want: "--quiet -- in.nii out.nii"},
		{name: "equals sign", words: "in.nii --mask=a=b.nii", want: "--mask=a=b.nii -- in.nii"},
		{name: "boolean with value", words: "in.nii --force=false", want: "--force=false -- in.nii"},
		{name: "boolean takes no word", words: "--force in.nii", want: "--force -- in.nii"},
		{name: "MRtrix single dash", words: "in.nii -nthreads 4 -mask m.nii -noise n.nii -force out.nii", want: "--nthreads=4 --mask=m.nii --noise-out=n.nii --force -- in.nii out.nii"},
		{name: "MRtrix fslgrad", words: "-fslgrad v b in.nii", want: "--bvec=v --bval=b -- in.nii"},
		{name: "fslgrad lacks one", words: "in.nii -fslgrad v", wantErr: "needs two files"},
		{name: "fslgrad runs into a flag", words: "in.nii -fslgrad v --force", wantErr: "needs two files"},
		{name: "negative value", words: "in.nii --scale -1.5", want: "--scale=-1.5 -- in.nii"},
		{name: "negative positional", words: "-3 --force", want: "--force -- -3"},
		{name: "value that starts with a dash", words: "--mask -odd.nii in.nii", want: "--mask=-odd.nii -- in.nii"},
		{name: "double dash ends flags", words: "--force -- --mask -q", want: "--force -- --mask -q"},
		{name: "single dash is a name", words: "- out.nii", want: "-- - out.nii"},
		{name: "repeated flag stays in order", words: "--scale 1 in.nii --scale 2", want: "--scale=1 --scale=2 -- in.nii"},
		{name: "value missing at the end", words: "in.nii --mask", wantErr: "--mask needs a value"},
		{name: "value missing before a flag", words: "--mask --force in.nii", wantErr: "--mask needs a value"},
		{name: "value missing before double dash", words: "--mask -- in.nii", wantErr: "--mask needs a value"},
		{name: "empty value", words: "in.nii --mask=", wantErr: "--mask has an empty value"},
		{name: "unknown", words: "in.nii --bogus", wantErr: `unknown flag "--bogus"`},
		{name: "help anywhere", words: "in.nii --force -h", want: "--force -- in.nii", help: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := table.arrange(strings.Fields(test.words))
			if test.wantErr != "" {
				var usage *usageError
				if !errors.As(err, &usage) || !strings.Contains(err.Error(), test.wantErr) {
					t.Fatalf("arrange(%q): error %v, want a usage error with %q", test.words, err, test.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatalf("arrange(%q): %v", test.words, err)
			}
			if diff := cmp.Diff(test.want, strings.Join(got.words(), " ")); diff != "" || got.help != test.help {
				t.Errorf("arrange(%q): help %v, want %v (-want +got):\n%s", test.words, got.help, test.help, diff)
			}
		})
	}
}

func TestUnknownFlagSuggestion(t *testing.T) {
	table := newFlagTable(runFlags())
	for _, test := range []struct{ word, want string }{
		{"--nthread", "--nthreads"},
		{"--mak", "--mask"},
		{"-fource", "--force"},
		{"--sheduel", "--schedule"},
		{"--timestep=100", "--timesteps"},
		{"--zzzzzzzz", "--help"},
	} {
		t.Run(test.word, func(t *testing.T) {
			_, err := table.arrange([]string{test.word})
			if err == nil || !strings.Contains(remedyFor(err), test.want) {
				t.Errorf("arrange(%q): error %v, hint %q; want the hint to name %s", test.word, err, remedyFor(err), test.want)
			}
		})
	}
}

func TestEditDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "ab", 2}, {"mask", "mask", 0}, {"mak", "mask", 1}, {"mask", "maks", 1}, {"seed", "sead", 1}, {"kitten", "sitting", 3},
	} {
		if got := editDistance(test.a, test.b); got != test.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
		if got := editDistance(test.b, test.a); got != test.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", test.b, test.a, got, test.want)
		}
	}
}

func TestEveryFlagHasEnvironmentAndHelp(t *testing.T) {
	app := newApp(newUI(nil, nil))
	var visit func(commands []*cli.Command)
	visit = func(commands []*cli.Command) {
		for _, c := range commands {
			seen := map[string]bool{}
			for _, f := range c.Flags {
				doc := f.(cli.DocGenerationFlag)
				want := environmentPrefix + strings.ToUpper(strings.ReplaceAll(f.Names()[0], "-", "_"))
				if diff := cmp.Diff([]string{want}, doc.GetEnvVars()); diff != "" {
					t.Errorf("%s --%s: environment (-want +got):\n%s", c.Name, f.Names()[0], diff)
				}
				if doc.GetUsage() == "" {
					t.Errorf("%s --%s has no usage text", c.Name, f.Names()[0])
				}
				for _, name := range f.Names() {
					if seen[name] {
						t.Errorf("%s: two flags are spelt %q", c.Name, name)
					}
					seen[name] = true
				}
			}
			visit(c.Subcommands)
		}
	}
	visit(app.Commands)
}
