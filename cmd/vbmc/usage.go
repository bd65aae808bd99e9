package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"trefoil/internal/nearest"
)

// words refuses a command line that has not n words behind the command (0 or 1), as
// argparse does.
func words(c *cli.Context, n int) error {
	if c.NArg() < n {
		return usageError{errors.New("the following arguments are required: domain_name")}
	}
	if c.NArg() > n {
		return usageError{fmt.Errorf("unrecognized arguments: %s", strings.Join(c.Args().Slice()[n:], " "))}
	}
	return nil
}

// flagError tells in argparse's words, and with the option as it was written, what Go's
// package flag found: that one writes each option with one dash.
func flagError(c *cli.Context, err error, args []string) error {
	if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
		return fmt.Errorf("unrecognized arguments: %s%s", written(name, args), nearOption(c, name))
	}
	if name, ok := strings.CutPrefix(err.Error(), "flag needs an argument: -"); ok {
		return fmt.Errorf("argument %s: expected one argument", written(name, args))
	}
	return err
}

// written is an option as it stands in the command line.
func written(name string, args []string) string {
	for _, a := range args {
		option, _, _ := strings.Cut(a, "=")
		if option == "-"+name || option == "--"+name {
			return option
		}
	}
	return "--" + name
}

// nearOption names the option of the command, or of all, that was most likely meant.
func nearOption(c *cli.Context, name string) string {
	var known []string
	for _, f := range slices.Concat(c.Command.Flags, c.App.Flags) {
		for _, n := range f.Names() {
			if len(n) > 1 {
				known = append(known, "--"+n)
			}
		}
	}
	return nearest.Hint("--"+name, known)
}
