// Package cliargs puts a command line into the order that urfave/cli v2 needs:
// flags first. Users of OpenStack's clients write flags anywhere.
package cliargs

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// Optional maps a flag that may stand without a value (argparse's nargs="?")
// to the value it then has.
type Optional map[string]string

// Reorder returns args (args[0] is the program) with global flags in front,
// then the words that name the command, then its flags, then "--" and its
// arguments. Words that are unknown stay where they are: the parser will name them.
// A flag whose value is missing at the end stays the last, so that no other word is taken for it.
func Reorder(app *cli.App, optional Optional, args []string) []string {
	if len(args) == 0 {
		return args
	}
	global := flagKinds(app.Flags)
	cmds, leaf := app.Commands, map[string]bool{}
	var front, path, flags, words []string
	for i := 1; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			words = append(words, args[i+1:]...)
			break
		}
		if !strings.HasPrefix(a, "-") || a == "-" {
			if c := find(cmds, a); c != nil && len(words) == 0 {
				path, cmds, leaf = append(path, a), c.Subcommands, flagKinds(c.Flags)
				if len(cmds) == 0 {
					cmds = nil
				}
			} else {
				words = append(words, a)
			}
			continue
		}
		name, _, joined := strings.Cut(strings.TrimLeft(a, "-"), "=")
		takesValue, known := leaf[name]
		dst := &flags
		if !known {
			if takesValue, known = global[name]; known {
				dst = &front
			}
		}
		if def, ok := optional[name]; ok && !joined && (i+1 == len(args) || strings.HasPrefix(args[i+1], "-")) {
			*dst = append(*dst, a+"="+def)
			continue
		}
		*dst = append(*dst, a)
		switch {
		case takesValue && !joined && i+1 < len(args):
			i++
			*dst = append(*dst, args[i])
		case takesValue && !joined && dst == &front:
			return append([]string{args[0]}, front...)
		case takesValue && !joined:
			return slices.Concat(args[:1], front, path, flags)
		}
	}
	out := append([]string{args[0]}, front...)
	out = append(append(out, path...), flags...)
	if len(words) > 0 {
		if len(cmds) == 0 { // only a leaf may hide words from the command search
			out = append(out, "--")
		}
		out = append(out, words...)
	}
	return out
}

// flagKinds tells of every name whether it takes a value.
func flagKinds(fs []cli.Flag) map[string]bool {
	m := map[string]bool{"h": false, "help": false}
	for _, f := range fs {
		takes := false
		if d, ok := f.(cli.DocGenerationFlag); ok {
			takes = d.TakesValue()
		}
		for _, n := range f.Names() {
			m[n] = takes
		}
	}
	return m
}

func find(cmds []*cli.Command, name string) *cli.Command {
	for _, c := range cmds {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}
