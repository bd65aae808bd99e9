package cliargs_test

import (
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
