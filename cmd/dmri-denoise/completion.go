package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

func newCompletionCommand(u *ui, app *cli.App) *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print a completion script for bash, zsh or fish",
		ArgsUsage: "bash|zsh|fish",
		Description: `Prints a script that completes commands, flags, choices and file names. It is made from the program's own list of commands, so print it again after an update.

EXAMPLES
   dmri-denoise completion bash > ~/.local/share/bash-completion/completions/dmri-denoise
   dmri-denoise completion zsh  > "${fpath[1]}/_dmri-denoise"
   dmri-denoise completion fish > ~/.config/fish/completions/dmri-denoise.fish
`,
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 {
				return usageHint("dmri-denoise completion bash", "completion takes the name of one shell: bash, zsh or fish")
			}
			shell := c.Args().First()
			if err := oneOf("shell", shell, "bash", "zsh", "fish"); err != nil {
				return usagef("unknown shell %q: bash, zsh and fish are supported", shell)
			}
			write := map[string]func([]completionEntry) string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[shell]
			u.print("%s", write(completionEntries(app.Commands, nil)))
			return nil
		},
	}
}

// completionEntry is one node of the command tree: its path, the commands below it and its flags.
type completionEntry struct {
	path     []string
	usage    string
	commands []string
	flags    []completionFlag
}

type completionFlag struct {
	name    string // canonical long name
	usage   string
	choices []string // for --flag a|b|c
	value   bool     // takes a value
}

func completionEntries(commands []*cli.Command, path []string) []completionEntry {
	root := completionEntry{path: path}
	var below []completionEntry
	for _, c := range commands {
		root.commands = append(root.commands, c.Name)
		entries := completionEntries(c.Subcommands, append(slices.Clone(path), c.Name))
		entries[0].usage = c.Usage
		for _, f := range c.Flags {
			entries[0].flags = append(entries[0].flags, newCompletionFlag(f))
		}
		if c.Name == "completion" {
			entries[0].commands = []string{"bash", "zsh", "fish"}
		}
		below = append(below, entries...)
	}
	return append([]completionEntry{root}, below...)
}

func newCompletionFlag(f cli.Flag) completionFlag {
	doc := f.(cli.DocGenerationFlag)
	out := completionFlag{name: f.Names()[0], usage: strings.ReplaceAll(doc.GetUsage(), "`", ""), value: doc.TakesValue()}
	if _, rest, ok := strings.Cut(doc.GetUsage(), "`"); ok {
		if placeholder, _, _ := strings.Cut(rest, "`"); strings.Contains(placeholder, "|") && placeholder == strings.ToLower(placeholder) {
			out.choices = strings.Split(placeholder, "|")
		}
	}
	return out
}

func (e completionEntry) words() string {
	words := slices.Clone(e.commands)
	for _, f := range e.flags {
		words = append(words, "--"+f.name)
	}
	if len(e.path) > 0 {
		words = append(words, "--help")
	} else {
		words = append(words, "--help", "--version")
	}
	return strings.Join(words, " ")
}

// filesSwitch lets the shell offer file names where the words are not commands.
func (e completionEntry) filesSwitch() string {
	if len(e.commands) > 0 || len(e.flags) == 0 {
		return ""
	}
	return "; files=yes"
}

func bashCompletion(entries []completionEntry) string {
	var b strings.Builder
	b.WriteString(`# bash completion for dmri-denoise
_dmri_denoise() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path="" words="" files="" i word
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case "$path/$word" in
`)
	for _, e := range entries[1:] {
		parent := strings.Join(e.path[:len(e.path)-1], "/")
		if parent != "" {
			parent = "/" + parent
		}
		fmt.Fprintf(&b, "            %s/%s) path=/%s ;;\n", parent, e.path[len(e.path)-1], strings.Join(e.path, "/"))
	}
	b.WriteString("        esac\n    done\n    case \"$path:$prev\" in\n")
	for _, e := range entries {
		for _, f := range e.flags {
			if len(f.choices) > 0 {
				fmt.Fprintf(&b, "        /%s:--%s) COMPREPLY=($(compgen -W \"%s\" -- \"$cur\")); return ;;\n", strings.Join(e.path, "/"), f.name, strings.Join(f.choices, " "))
			}
		}
	}
	b.WriteString("    esac\n    case \"$path\" in\n")
	for _, e := range entries {
		path := strings.Join(e.path, "/")
		if path != "" {
			path = "/" + path
		}
		fmt.Fprintf(&b, "        \"%s\") words=\"%s\"%s ;;\n", path, e.words(), e.filesSwitch())
	}
	b.WriteString(`    esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
    if [[ $cur != -* && -n $files ]]; then
        COMPREPLY+=($(compgen -f -- "$cur"))
    fi
}
complete -o filenames -F _dmri_denoise dmri-denoise
`)
	return b.String()
}

func zshCompletion(entries []completionEntry) string {
	var b strings.Builder
	b.WriteString(`#compdef dmri-denoise
# zsh completion for dmri-denoise
_dmri_denoise() {
    local entry_path="" files="" word
    for word in ${words[2,CURRENT-1]}; do
        case "$entry_path/$word" in
`)
	for _, e := range entries[1:] {
		parent := strings.Join(e.path[:len(e.path)-1], "/")
		if parent != "" {
			parent = "/" + parent
		}
		fmt.Fprintf(&b, "            %s/%s) entry_path=/%s ;;\n", parent, e.path[len(e.path)-1], strings.Join(e.path, "/"))
	}
	b.WriteString("        esac\n    done\n    case \"$entry_path:${words[CURRENT-1]}\" in\n")
	for _, e := range entries {
		for _, f := range e.flags {
			if len(f.choices) > 0 {
				fmt.Fprintf(&b, "        /%s:--%s) compadd -- %s; return ;;\n", strings.Join(e.path, "/"), f.name, strings.Join(f.choices, " "))
			}
		}
	}
	b.WriteString("    esac\n    case \"$entry_path\" in\n")
	for _, e := range entries {
		path := strings.Join(e.path, "/")
		if path != "" {
			path = "/" + path
		}
		fmt.Fprintf(&b, "        \"%s\") compadd -- %s%s ;;\n", path, e.words(), e.filesSwitch())
	}
	b.WriteString(`    esac
    if [[ -n $files && ${words[CURRENT]} != -* ]]; then
        _files
    fi
}
if [[ ${funcstack[1]} == _dmri-denoise ]]; then
    _dmri_denoise "$@"
else
    compdef _dmri_denoise dmri-denoise
fi
`)
	return b.String()
}

func fishCompletion(entries []completionEntry) string {
	quote := func(s string) string {
		return "'" + strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), "'", `\'`) + "'"
	}
	var b strings.Builder
	b.WriteString("# fish completion for dmri-denoise\n")
	b.WriteString("complete -c dmri-denoise -n __fish_use_subcommand -f -l help -d 'show help'\n")
	b.WriteString("complete -c dmri-denoise -n __fish_use_subcommand -f -l version -d 'show the version'\n")
	for _, e := range entries[1:] {
		condition := "__fish_use_subcommand"
		if len(e.path) > 1 {
			condition = quote("__fish_seen_subcommand_from " + e.path[len(e.path)-2])
		}
		fmt.Fprintf(&b, "complete -c dmri-denoise -n %s -f -a %s -d %s\n", condition, e.path[len(e.path)-1], quote(e.usage))
		seen := quote("__fish_seen_subcommand_from " + e.path[len(e.path)-1])
		if e.path[0] == "completion" {
			fmt.Fprintf(&b, "complete -c dmri-denoise -n %s -f -a %s\n", seen, quote(strings.Join(e.commands, " ")))
		}
		for _, f := range e.flags {
			fmt.Fprintf(&b, "complete -c dmri-denoise -n %s -l %s -d %s", seen, f.name, quote(f.usage))
			switch {
			case len(f.choices) > 0:
				fmt.Fprintf(&b, " -x -a %s", quote(strings.Join(f.choices, " ")))
			case f.value:
				b.WriteString(" -r")
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}
