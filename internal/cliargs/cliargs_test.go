package cliargs_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"trefoil/internal/cliargs"
)

func TestReorder(t *testing.T) {
	app := &cli.App{
		Flags: []cli.Flag{&cli.StringFlag{Name: "os-cloud"}, &cli.BoolFlag{Name: "debug"}},
		Commands: []*cli.Command{
			{Name: "node", Subcommands: []*cli.Command{
				{Name: "import", Flags: []cli.Flag{&cli.BoolFlag{Name: "provide"}, &cli.StringFlag{Name: "format", Aliases: []string{"f"}}}},
			}},
			{Name: "deploy", Flags: []cli.Flag{&cli.StringFlag{Name: "templates"}, &cli.IntFlag{Name: "control-scale"}, &cli.StringSliceFlag{Name: "e"}}},
		},
	}
	opt := cliargs.Optional{"templates": "DEFAULT"}
	cases := []struct{ name, in, want string }{
		{"flags behind arguments", "p node import x.json --provide -f json", "p node import --provide -f json -- x.json"},
		{"flags before arguments", "p node import --provide x.json", "p node import --provide -- x.json"},
		{"global flags anywhere", "p node import x --os-cloud u --debug", "p --os-cloud u --debug node import -- x"},
		{"optional value missing before a flag", "p deploy --templates --control-scale 1", "p deploy --templates=DEFAULT --control-scale 1"},
		{"optional value missing at the end", "p deploy --control-scale 1 --templates", "p deploy --control-scale 1 --templates=DEFAULT"},
		{"optional value given", "p deploy --templates dir -e a -e b", "p deploy --templates dir -e a -e b"},
		{"an argument that is also a command's name", "p node import import", "p node import -- import"},
		{"what follows -- is never a flag", "p node import -- --provide", "p node import -- --provide"},
		{"a value missing at the end", "p --debug node import x.json --provide -f", "p --debug node import --provide -f"},
		{"of a global flag", "p node import x.json --provide --os-cloud", "p --os-cloud"},
		{"an unknown word stays", "p nope --provide", "p --provide nope"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(cliargs.Reorder(app, opt, strings.Fields(c.in)), " "); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// Help shows a default where it says something; flags work as before.
func TestPlainHelp(t *testing.T) {
	var out bytes.Buffer
	got := 0
	app := &cli.App{Name: "a", Writer: &out, Flags: []cli.Flag{&cli.BoolFlag{Name: "debug"}}, Commands: []*cli.Command{{Name: "b", Subcommands: []*cli.Command{{Name: "c",
		Flags: []cli.Flag{&cli.IntFlag{Name: "scale", Aliases: []string{"s"}, Usage: "how many"}, &cli.IntFlag{Name: "timeout", Value: 240}, &cli.BoolFlag{Name: "off"}, &cli.BoolFlag{Name: "on", Value: true}},
		Action: func(c *cli.Context) error {
			if got = c.Int("scale"); c.IsSet("scale") != (got == 7) {
				t.Errorf("set %v with %d", c.IsSet("scale"), got)
			}
			return nil
		}}}}}}
	cliargs.PlainHelp(app)
	for _, line := range [][]string{{"a", "--help"}, {"a", "b", "c", "--help"}, {"a", "b", "c"}, {"a", "b", "c", "-s", "7"}} {
		if err := app.Run(line); err != nil {
			t.Error(err)
		}
	}
	text := out.String()
	for _, there := range []string{"--scale value, -s value  how many\n", "(default: 240)", "(default: true)", "--debug"} {
		if !strings.Contains(text, there) {
			t.Errorf("%q is not in\n%s", there, text)
		}
	}
	if got != 7 || strings.Contains(text, "default: 0") || strings.Contains(text, "default: false") {
		t.Errorf("scale %d\n%s", got, text)
	}
}
