package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

const helpWidth = 96

const exitStatusText = `EXIT STATUS
   0  done
   1  error
   2  the command line is wrong
   3  an input is missing or is not what it should be
   4  some inputs failed, the others are done
   5  out of memory or disk space
   129, 130, 141, 143  stopped by SIGHUP, SIGINT, SIGPIPE, SIGTERM
`

const environmentText = `ENVIRONMENT
   Every flag can be given as DMRI_DENOISE_<FLAG>, such as DMRI_DENOISE_NTHREADS=4; the command line wins.
`

func writeAppHelp(u *ui, app *cli.App) {
	var b strings.Builder
	fmt.Fprintf(&b, "NAME\n   %s - %s\n\nUSAGE\n   %s COMMAND [flags] [arguments]\n\nCOMMANDS\n", app.Name, app.Usage, app.Name)
	var walk func(prefix string, commands []*cli.Command)
	walk = func(prefix string, commands []*cli.Command) {
		for _, c := range commands {
			if c.Action != nil {
				fmt.Fprintf(&b, "   %-12s %s\n", prefix+c.Name, c.Usage)
			}
			walk(prefix+c.Name+" ", c.Subcommands)
		}
	}
	walk("", app.Commands)
	fmt.Fprintf(&b, "\nEXAMPLES\n   %[1]s run dwi.nii.gz            # finds dwi.bval and dwi.bvec, writes dwi_denoised.nii.gz\n"+
		"   %[1]s info dwi.nii.gz\n   %[1]s help run\n\n%[2]s\n%[3]s", app.Name, environmentText, exitStatusText)
	u.print("%s", b.String())
}

// writeCommandHelp prints a command's page. Its Description may go on with headed sections (EXAMPLES, REFERENCES);
// the flags are set between the description proper and those.
func writeCommandHelp(u *ui, path []string, c *cli.Command) {
	name := programName + " " + strings.Join(path, " ")
	description, sections, _ := strings.Cut(c.Description, "\nEXAMPLES\n")
	var b strings.Builder
	fmt.Fprintf(&b, "NAME\n   %s - %s\n\nUSAGE\n   %s%s\n\nDESCRIPTION\n%s\n", name, c.Usage, name, spaced(c.ArgsUsage, c.Flags), wrap(description, 3))
	for _, sub := range c.Subcommands {
		fmt.Fprintf(&b, "\n   %-12s %s\n", sub.Name, sub.Usage)
	}
	category := ""
	for i, f := range c.Flags {
		if got := categoryOf(f); i == 0 || got != category {
			category = got
			heading := "OPTIONS"
			if category != "" {
				heading += ": " + category
			}
			fmt.Fprintf(&b, "\n%s\n", heading)
		}
		b.WriteString(describeFlag(f))
	}
	if sections != "" {
		fmt.Fprintf(&b, "\nEXAMPLES\n%s\n", strings.TrimRight(sections, "\n"))
	}
	if len(c.Flags) > 0 {
		b.WriteString("\n" + environmentText)
	}
	b.WriteString("\n" + exitStatusText)
	u.print("%s", b.String())
}

func spaced(arguments string, flags []cli.Flag) string {
	if len(flags) > 0 {
		arguments += " [flags]"
	}
	if arguments != "" && arguments[0] != ' ' {
		arguments = " " + arguments
	}
	return arguments
}

func categoryOf(f cli.Flag) string {
	if c, ok := f.(cli.CategorizableFlag); ok {
		return c.GetCategory()
	}
	return ""
}

// describeFlag gives the lines of one flag: its spellings with the backquoted word of its usage as placeholder, then
// the usage with the default.
func describeFlag(f cli.Flag) string {
	doc := f.(cli.DocGenerationFlag)
	placeholder, usage := "", doc.GetUsage()
	if before, rest, ok := strings.Cut(usage, "`"); ok {
		inside, after, _ := strings.Cut(rest, "`")
		placeholder, usage = " "+inside, before+inside+after
	}
	var spellings []string
	for _, n := range f.Names() {
		dashes := "--"
		if len(n) == 1 {
			dashes = "-"
		}
		spellings = append(spellings, dashes+n)
	}
	if text := doc.GetDefaultText(); text != "" && doc.TakesValue() && text != "0" && text != `""` {
		usage += " (default " + strings.Trim(text, `"`) + ")"
	}
	return "   " + strings.Join(spellings, ", ") + placeholder + "\n" + wrap(usage, 9) + "\n"
}

// wrap breaks paragraphs at helpWidth and indents them. Lines that are indented already stay as they are.
func wrap(text string, indent int) string {
	margin := strings.Repeat(" ", indent)
	var out []string
	for _, paragraph := range strings.Split(strings.TrimSpace(text), "\n") {
		if strings.HasPrefix(paragraph, " ") || paragraph == "" {
			out = append(out, strings.TrimRight(margin+paragraph, " "))
			continue
		}
		line := margin
		for _, word := range strings.Fields(paragraph) {
			if len(line) > indent && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > helpWidth {
				out = append(out, line)
				line = margin
			}
			if len(line) > indent {
				line += " "
			}
			line += word
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}
