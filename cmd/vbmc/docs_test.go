package main

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"trefoil/vbmc/control"
)

// alone is the README's section on vbmc.
func alone(t *testing.T) string {
	t.Helper()
	_, text, _ := strings.Cut(read(t, "../../README.md"), "\n## Use vbmc alone\n")
	text, _, found := strings.Cut(text, "\n## ")
	if !found {
		t.Fatal("README has no section Use vbmc alone")
	}
	return text
}

// TestDocumentedCommandsExist: each command and option that the README and docs/vbmc.md tell
// people to type is there.
func TestDocumentedCommandsExist(t *testing.T) {
	commands := map[string]*cli.Command{}
	for _, c := range (&program{}).commands() {
		commands[c.Name] = c
	}
	typed := regexp.MustCompile("(?:`|[(#$] ?|&& )vbmc ([a-z-]+)([^`\n)|]*)")
	option := regexp.MustCompile(`(?:^| )--?([a-z][a-z-]*)`)
	seen := 0
	for _, text := range []string{alone(t), read(t, "../../docs/vbmc.md")} {
		for _, found := range typed.FindAllStringSubmatch(text, -1) {
			c := commands[found[1]]
			if c == nil {
				t.Errorf("%q: there is no such command", found[0])
				continue
			}
			seen++
			for _, o := range option.FindAllStringSubmatch(found[2], -1) {
				if !slices.ContainsFunc(slices.Concat(c.Flags, globalFlags()), func(f cli.Flag) bool { return slices.Contains(f.Names(), o[1]) }) {
					t.Errorf("%q: vbmc %s has no option %s", found[0], c.Name, o[1])
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("%d commands were found only", seen)
	}
}

// TestOptionsHaveTexts: the help of each says what it does, also where that is nothing.
func TestOptionsHaveTexts(t *testing.T) {
	for _, c := range (&program{}).commands() {
		for _, f := range c.Flags {
			if d, ok := f.(cli.DocGenerationFlag); ok && d.GetUsage() == "" && !slices.Contains(f.Names(), "detached") {
				t.Errorf("vbmc %s --%s has no text", c.Name, f.Names()[0])
			}
		}
	}
}

// TestDocumentedOutput: what the README shows behind `vbmc start` is what it prints, but for time and process.
func TestDocumentedOutput(t *testing.T) {
	var out bytes.Buffer
	p := &program{err: &out}
	if err := p.tell(&control.Reply{Messages: []string{"Started vBMC instance for domain node1"}}); err != nil {
		t.Fatal(err)
	}
	digits := regexp.MustCompile(`[0-9]+`)
	printed := digits.ReplaceAllString(strings.ReplaceAll(out.String(), "node1", "NODE"), "0")
	if shown := digits.ReplaceAllString(strings.ReplaceAll(alone(t), "node1", "NODE"), "0"); !strings.Contains(shown, "\n"+printed) {
		t.Errorf("the README does not show %q", out.String())
	}
}
