package cliargs_test

import (
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"trefoil/internal/cliargs"
)

func TestWhole(t *testing.T) {
	app := &cli.App{
		Flags: []cli.Flag{&cli.BoolFlag{Name: "no-daemon"}, &cli.StringFlag{Name: "log-file"}},
		Commands: []*cli.Command{
			{Name: "add", Flags: []cli.Flag{
				&cli.StringFlag{Name: "username"}, &cli.StringFlag{Name: "password"}, &cli.StringFlag{Name: "password-file"},
				&cli.StringFlag{Name: "port"}, &cli.StringFlag{Name: "libvirt-uri"}, &cli.StringFlag{Name: "libvirt-sasl-username"},
				&cli.BoolFlag{Name: "all", Aliases: []string{"from-libvirt"}}, &cli.BoolFlag{Name: "hidden", Hidden: true}}},
			{Name: "list"},
		},
	}
	for in, want := range map[string]string{
		"p add a --user u":              "p add a --username u",
		"p add a --user=--pass":         "p add a --username=--pass",
		"p add --pass --user a":         "p add --password --user a",
		"p add --pass s":                "p add --password s",
		"p add --password-f s":          "p add --password-file s",
		"p add --pas=s --po 1":          "p add --password=s --port 1",
		"p add --log f --no-d --from-l": "p add --log-file f --no-daemon --from-libvirt",
		"p list --user u":               "p list --user u",
		"p add -user u --hid -- --user": "p add -user u --hid -- --user",
		"p add --username --user":       "p add --username --user",
		"p add --p 1":                   "ambiguous option: --p could match --password, --password-file, --port",
		"p add --libvirt=secret":        "ambiguous option: --libvirt could match --libvirt-uri, --libvirt-sasl-username",
	} {
		got, err := cliargs.Whole(app, strings.Fields(in))
		text := strings.Join(got, " ")
		if err != nil {
			text = err.Error()
		}
		if text != want {
			t.Errorf("%s:\n got %s\nwant %s", in, text, want)
		}
	}
}
