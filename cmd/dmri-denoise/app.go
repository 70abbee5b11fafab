package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// newApp lists the commands; each has a file of its own.
func newApp(u *ui) *cli.App {
	app := &cli.App{
		Name:            programName,
		Usage:           "remove thermal noise from diffusion MRI scans with a diffusion-model prior",
		HideHelp:        true,
		HideHelpCommand: true,
		HideVersion:     true,
		Writer:          u.stdout,
		ErrWriter:       u.stderr,
		ExitErrHandler:  func(*cli.Context, error) {},
		Commands: []*cli.Command{
			newRunCommand(u),
			newBatchCommand(u),
			newImputeCommand(u),
			newTrainCommand(u),
			newUncertaintyCommand(u),
			newSampleCommand(u),
			newInfoCommand(u),
			newPhantomCommand(u),
			newCompareCommand(u),
			newQCCommand(u),
			newVersionCommand(u),
		},
	}
	app.Commands = append(app.Commands, newCompletionCommand(u, app))
	for _, c := range app.Commands {
		prepare(c, u)
	}
	return app
}

// prepare gives a command and those below it what all commands share: environment variables, the quiet and verbose
// switches, and errors of the flag parser as usage errors.
func prepare(c *cli.Command, u *ui) {
	c.HideHelp, c.HideHelpCommand = true, true
	c.Flags = withEnvironment(c.Flags)
	c.OnUsageError = func(_ *cli.Context, err error, _ bool) error { return usagef("%s", err) }
	if action := c.Action; action != nil {
		c.Action = func(cc *cli.Context) error {
			u.quiet, u.verbose = cc.Bool("quiet"), cc.Bool("verbose")
			return action(cc)
		}
	}
	for _, sub := range c.Subcommands {
		prepare(sub, u)
	}
}

// execute carries out one command line, without the program's name.
func execute(ctx context.Context, u *ui, words []string) error {
	app := newApp(u)
	if len(words) == 0 {
		writeAppHelp(u, app)
		return nil
	}
	switch words[0] {
	case "--version", "-version", "-V":
		u.print("%s %s\n", programName, programVersion())
		return nil
	case "--help", "-help", "-h":
		writeAppHelp(u, app)
		return nil
	case "help":
		words = append(words[1:len(words):len(words)], "--help")
		if len(words) == 1 {
			writeAppHelp(u, app)
			return nil
		}
	}
	if isBIDSApp(app, words) {
		words = append([]string{"batch"}, words...)
	}
	path, command, rest, err := findCommand(app, words)
	if err != nil {
		return err
	}
	line, err := newFlagTable(command.Flags).arrange(rest)
	if err != nil {
		return err
	}
	if line.help || command.Action == nil {
		if !line.help && len(rest) > 0 {
			return unknownCommand(rest[0], command.Subcommands, strings.Join(path, " ")+" ")
		}
		writeCommandHelp(u, path, command)
		return nil
	}
	return app.RunContext(ctx, append(append([]string{programName}, path...), line.words()...))
}

// isBIDSApp tells whether the words are those of a BIDS app, BIDS_DIR OUT_DIR participant, which is batch without its name.
func isBIDSApp(app *cli.App, words []string) bool {
	return byName(app.Commands, words[0]) == nil && (slices.Contains(words, levelParticipant) || slices.Contains(words, levelGroup))
}

// findCommand follows the leading words down the tree of commands and returns the command, the path to it and the
// words that are left.
func findCommand(app *cli.App, words []string) ([]string, *cli.Command, []string, error) {
	commands := app.Commands
	var found *cli.Command
	depth := 0
	for depth < len(words) {
		next := byName(commands, words[depth])
		if next == nil {
			break
		}
		found, commands = next, next.Subcommands
		depth++
	}
	if found == nil {
		return nil, nil, nil, unknownCommand(words[0], app.Commands, "")
	}
	return words[:depth], found, words[depth:], nil
}

func byName(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func unknownCommand(word string, commands []*cli.Command, parent string) error {
	var names []string
	for _, c := range commands {
		names = append(names, c.Name)
	}
	switch {
	case looksLikeFlag(word):
		return usageHint("flags come after the command: "+programName+" run IN.nii.gz "+word, "flag %q stands before any command", word)
	case strings.Contains(word, ".nii"):
		return usageHint(fmt.Sprintf("to denoise it: %s run %s", programName, word), "unknown command %q", parent+word)
	}
	if near := nearest(word, names); near != "" {
		return usageHint(fmt.Sprintf("did you mean %q?", parent+near), "unknown command %q", parent+word)
	}
	return usageHint("the commands are "+strings.Join(names, ", "), "unknown command %q", parent+word)
}

func newVersionCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:        "version",
		Usage:       "print the version, as --version does",
		Description: "Prints the program's name and version on one line.\n\nEXAMPLES\n   dmri-denoise version\n",
		Action: func(*cli.Context) error {
			u.print("%s %s\n", programName, programVersion())
			return nil
		},
	}
}
