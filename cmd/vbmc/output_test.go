package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"trefoil/internal/format"
)

// printed runs a command of a list's options; rows nil is an empty list.
func printed(t *testing.T, args string, rows [][]any) string {
	t.Helper()
	var out bytes.Buffer
	p := &program{out: &out, err: &out}
	app := &cli.App{Flags: formatFlags(), DisableSliceFlagSeparator: true, Action: func(c *cli.Context) error {
		return p.printList(c, []string{"Domain name", "Status", "Address", "Port"}, rows)
	}}
	if err := app.Run(append([]string{"list"}, strings.Fields(args)...)); err != nil {
		t.Errorf("%s: %v", args, err)
	}
	return out.String()
}

// TestListsAreThoseOfCliff compares with what cliff itself has printed (testdata/golden.py).
func TestListsAreThoseOfCliff(t *testing.T) {
	all := [][]any{
		{"controller-0.lab", "running", "::", 6230},
		{`a very long domain-name, "quoted" back\slash`, "down", "2001:db8:1234:5678:9abc:def0:1234:5678", 16231},
		{"nøde,x", "error", "127.0.0.1", 623},
		{"x", nil, "a\nb", 7},
	}
	cases := strings.Split("\n"+read(t, "testdata/cliff.txt"), "\n$ ")[1:]
	if len(cases) < 30 {
		t.Fatalf("only %d cases", len(cases))
	}
	for i, c := range cases {
		args, want, printsAny := strings.Cut(c, "\n")
		if i < len(cases)-1 && printsAny {
			want += "\n" // taken by the split
		}
		rows := all
		if of, empty := strings.CutPrefix(args, "empty"); empty {
			args, rows = of, nil
		}
		if got := printed(t, args, rows); got != want {
			t.Errorf("list %s: got\n%swant\n%s", args, got, want)
		}
	}
}

func TestMixedColumnsAreLeftAsTheyAre(t *testing.T) {
	rows := [][]any{{"b", nil, "1", 2}, {"a", "x", "y", "text"}}
	if got := printed(t, "-f value -c Port --sort-column Port", rows); got != "Could not sort on field 'Port'; unsortable types\n2\ntext\n" {
		t.Errorf("%q", got)
	}
}

func TestJSONOfCharactersBeyond16Bits(t *testing.T) {
	if got := printed(t, `-f json --noindent -c Status`, [][]any{{"", "\U0001f600\u007f", "", 1}}); got != `[{"Status": "\ud83d\ude00\u007f"}]`+"\n" {
		t.Errorf("%s", got)
	}
}

func TestShell(t *testing.T) {
	var out bytes.Buffer
	p := &program{out: &out}
	fields := []format.Field{{Name: "domain-name", Value: "a\"$(reboot)`x`\\"}, {Name: "Kg", Value: nil}, {Name: "port", Value: 6230}}
	p.printShell("vbmc_", nil, fields)
	want := `vbmc_domain_name="a\"\$(reboot)\` + "`x\\`" + `\\"` + "\nvbmc_kg=\"None\"\nvbmc_port=\"6230\"\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	out.Reset()
	if p.printShell("", []string{"port"}, fields); out.String() != "port=\"6230\"\n" {
		t.Errorf("%s", out.String())
	}
}
