package cliargs

import "github.com/urfave/cli/v2"

// PlainHelp has the help of an app and of all its commands show only defaults that say
// something: not that a switch is off, nor that a number which nobody gives is 0.
func PlainHelp(app *cli.App) {
	plain(app.Flags)
	plainCommands(app.Commands)
}

func plainCommands(cmds []*cli.Command) {
	for _, c := range cmds {
		plain(c.Flags)
		plainCommands(c.Subcommands)
	}
}

func plain(flags []cli.Flag) {
	for i, f := range flags {
		switch f := f.(type) {
		case *cli.BoolFlag:
			f.DisableDefaultText = f.DisableDefaultText || !f.Value
		case *cli.IntFlag:
			if f.Value == 0 && f.DefaultText == "" {
				flags[i] = number{f}
			}
		}
	}
}

// number is a flag whose absence is no number.
type number struct{ *cli.IntFlag }

// GetDefaultText is empty, which IntFlag's own text cannot be.
func (number) GetDefaultText() string { return "" }

// String is the line of the help, which IntFlag's own method would make of itself.
func (n number) String() string { return cli.FlagStringer(n) }
