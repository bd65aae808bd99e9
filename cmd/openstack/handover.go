package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"trefoil/internal/nearest"
)

// handOver decides whether the command line is for the next openstack on PATH:
// a command or a flag that this program does not know. The function it returns
// runs it, or says what is unknown.
func (p *program) handOver(app *cli.App, args []string) (func() int, bool) {
	unknown, what := p.unknown(app, args)
	if unknown == "" {
		return nil, false
	}
	return func() int {
		if next := nextOnPath("openstack"); next != "" && !ours(app, args) {
			// exec returns only when it failed.
			err := syscall.Exec(next, append([]string{next}, args[1:]...), os.Environ())
			fmt.Fprintf(p.err, "run %s: %v\n", next, err)
			return exitFailed
		}
		if what == aGroup && ours(app, args) { // a script whose verb is empty has no success, as with the Python client
			app.Writer = p.err
			_ = app.Run(append(slices.Clone(args), "--help")) // it only prints
			return exitUsage
		}
		fmt.Fprintf(p.err, "openstack: %s is not %s, and there is no other openstack on PATH that has it.\n", quote(unknown), what)
		if near := nearCommand(app.Commands, strings.Fields(unknown)); near != "" && near != unknown && what == "a known command" {
			fmt.Fprintf(p.err, "Did you mean one of these?\n  %s\n", near)
		}
		if option, of := strings.CutPrefix(what, optionOf); of {
			if near := p.nearOption(app, option, unknown); near != "" {
				fmt.Fprintf(p.err, "Did you mean --%s?\n", near)
			}
			fmt.Fprintf(p.err, "hint: openstack %s --help lists the options\n", option)
			return exitUsage
		}
		if ours(app, args) {
			noun := strings.Fields(unknown)[0]
			fmt.Fprintf(p.err, "hint: openstack %s --help lists the commands%s\n", noun, fewOf(find(app.Commands, noun)))
			return exitUsage
		}
		fmt.Fprintf(p.err, "hint: openstack --help lists the commands; the Python client with this one is in Debian's %s\n", debianPackages(unknown))
		return exitUsage
	}, true
}

// aGroup is what a group alone is not.
const aGroup = "a whole command"

// optionOf begins what is said of an unknown option.
const optionOf = "a known option of openstack "

// nearOption is the option of a command that may be meant.
func (p *program) nearOption(app *cli.App, command, written string) string {
	known, cmds := names(app.Flags), app.Commands
	for _, word := range strings.Fields(command) {
		c := find(cmds, word)
		if c == nil {
			break
		}
		cmds = c.Subcommands
		maps.Copy(known, names(c.Flags))
	}
	name, _, _ := strings.Cut(strings.TrimLeft(written, "-"), "=")
	return nearest.Name(name, slices.Sorted(maps.Keys(known)))
}

// ours tells whether the first word is a noun that only this program has: the
// Python client's answer to a mistyped flag of it would mislead.
func ours(app *cli.App, args []string) bool {
	known, value := names(app.Flags), false
	for _, a := range args[1:] {
		switch {
		case value:
			value = false
		case strings.HasPrefix(a, "-"):
			name, _, joined := strings.Cut(strings.TrimLeft(a, "-"), "=")
			value = known[name] && !joined
		default:
			return a == "overcloud" || a == "undercloud" || a == "lab"
		}
	}
	return false
}

// helpOf makes `openstack help overcloud deploy`, as the Python client has it, the help of that command.
func helpOf(args []string) []string {
	if len(args) < 3 || args[1] != "help" {
		return args
	}
	return append(append(args[:1:1], args[2:]...), "--help")
}

func quote(s string) string { return "'" + s + "'" }

// unknown names the first thing on the command line that is not ours.
func (p *program) unknown(app *cli.App, args []string) (unknown, what string) {
	cmds, known := app.Commands, names(app.Flags)
	known["h"], known["help"], known["v"], known["version"] = false, false, false, false
	var path []string
	leaf := false
	for i := 1; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			break
		}
		if strings.HasPrefix(a, "-") && a != "-" {
			name, _, joined := strings.Cut(strings.TrimLeft(a, "-"), "=")
			takes, ok := known[name]
			if !ok {
				return a, optionOf + strings.Join(path, " ")
			}
			if name == "help" || name == "h" {
				return "", ""
			}
			if takes && !joined {
				i++
			}
			continue
		}
		if leaf {
			continue
		}
		c := find(cmds, a)
		if c == nil {
			if a == "help" || a == "h" {
				return "", ""
			}
			return strings.Join(append(path, rest(args[i:])...), " "), "a known command"
		}
		path, cmds, leaf = append(path, a), c.Subcommands, len(c.Subcommands) == 0
		for n, takes := range names(c.Flags) {
			known[n] = takes
		}
	}
	if !leaf && len(path) > 0 {
		return strings.Join(path, " "), aGroup
	}
	return "", ""
}

// rest is the words of a command line up to its first flag.
func rest(args []string) []string {
	for i, a := range args {
		if strings.HasPrefix(a, "-") || i == 4 {
			return args[:i]
		}
	}
	return args
}

func names(fs []cli.Flag) map[string]bool {
	m := map[string]bool{}
	for _, f := range fs {
		d, ok := f.(cli.DocGenerationFlag)
		for _, n := range f.Names() {
			// --templates may stand alone: what follows is judged by itself.
			m[n] = ok && d.TakesValue() && n != "templates"
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

// nearCommand is the command that may be meant by words of which one is none; what follows
// a whole command are its arguments. "": a word is not close to any that may stand there.
func nearCommand(cmds []*cli.Command, words []string) string {
	var path []string
	for _, word := range words {
		if len(cmds) == 0 {
			break
		}
		var there []string
		for _, c := range cmds {
			there = append(there, c.Names()...)
		}
		c := find(cmds, word)
		if c == nil {
			near := nearest.Name(word, there)
			if nearest.Distance(word, near) > max(1, len(word)/3) { // unset is no slip of set
				return ""
			}
			c = find(cmds, near)
		}
		if c == nil {
			return ""
		}
		path, cmds = append(path, c.Name), c.Subcommands
	}
	return strings.Join(path, " ")
}

// fewOf are the commands of a group that has only a few, as the end of a hint.
func fewOf(group *cli.Command) string {
	const few = 4
	var there []string
	for _, c := range group.Subcommands {
		if !c.Hidden && c.Name != "help" {
			there = append(there, c.Name)
		}
	}
	if len(there) > few {
		return ""
	}
	return ": " + strings.Join(there, ", ")
}

// debianPackages are those of the Python client that have a command.
func debianPackages(command string) string {
	packages := "package python3-openstackclient"
	switch {
	case strings.HasPrefix(command, "baremetal introspection"):
		packages = "packages python3-openstackclient and python3-ironic-inspector-client"
	case strings.HasPrefix(command, "baremetal"):
		packages = "packages python3-openstackclient and python3-ironicclient"
	}
	return packages
}

// nextOnPath finds a program of that name that is not this one.
func nextOnPath(name string) string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	me, err := os.Stat(self)
	if err != nil {
		return ""
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		st, err := os.Stat(path)
		if err == nil && !st.IsDir() && st.Mode()&0o111 != 0 && !os.SameFile(st, me) {
			return path
		}
	}
	return ""
}
