package cliargs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// Whole returns args (args[0] is the program) with the long options written out that are
// abbreviated, as argparse takes them: a beginning that only one option of the command has, or
// else of the program. Where all that begin so begin with one of them, as --password-file does
// with --password, that one is meant. What may be several is refused in argparse's words.
func Whole(app *cli.App, args []string) ([]string, error) {
	out, cmds, own := slices.Clone(args), app.Commands, []cli.Flag(nil)
	for i := 1; i < len(out) && out[i] != "--"; i++ {
		a := out[i]
		if !strings.HasPrefix(a, "-") || a == "-" {
			if c := find(cmds, a); c != nil {
				cmds, own = c.Subcommands, c.Flags
			}
			continue
		}
		name, value, joined := strings.Cut(strings.TrimLeft(a, "-"), "=")
		kinds := flagKinds(slices.Concat(app.Flags, own))
		takesValue, known := kinds[name]
		if !known && strings.HasPrefix(a, "--") && name != "" {
			whole, err := wholeName(name, own, app.Flags)
			if err != nil {
				return nil, err
			}
			if takesValue = kinds[whole]; whole != "" {
				out[i] = "--" + whole
			}
			if whole != "" && joined {
				out[i] += "=" + value
			}
		}
		if takesValue && !joined {
			i++
		}
	}
	return out, nil
}

// wholeName is the option that a beginning means, of the first list that has any; "" is none.
func wholeName(beginning string, lists ...[]cli.Flag) (string, error) {
	for _, flags := range lists {
		all := beginningWith(beginning, flags)
		if len(all) == 0 {
			continue
		}
		shortest := slices.MinFunc(all, func(a, b string) int { return len(a) - len(b) })
		for _, name := range all {
			if !strings.HasPrefix(name, shortest) {
				return "", fmt.Errorf("ambiguous option: --%s could match --%s", beginning, strings.Join(all, ", --"))
			}
		}
		return shortest, nil
	}
	return "", nil
}

// beginningWith are the long names of options that people may use.
func beginningWith(beginning string, flags []cli.Flag) (names []string) {
	for _, f := range flags {
		if v, ok := f.(cli.VisibleFlag); ok && !v.IsVisible() {
			continue
		}
		for _, n := range f.Names() {
			if len(n) > 1 && strings.HasPrefix(n, beginning) {
				names = append(names, n)
			}
		}
	}
	return names
}
