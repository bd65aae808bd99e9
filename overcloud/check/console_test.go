package check

import (
	"slices"
	"strings"
	"testing"
)

func TestParseConsole(t *testing.T) {
	c := parseConsole("SeaBIOS\r\n\r\ncheck dhcp 10.213.1.5\r\n[   70.1] random: crng init done\r\n\r\ncheck metadata check-1a2b3c4d-a.novalocal\r\nudhcpc: check dhcp 10.9.9.9\r\n")
	if missing := c.without("dhcp 10.213.1.5", "ping 10.213.1.6 ok"); missing != "ping 10.213.1.6 ok" {
		t.Errorf("missing %q", missing)
	}
	if !c.called("check-1a2b3c4d-a") || c.called("check-1a2b3c4d") || c.facts["dhcp 10.9.9.9"] || c.panicked != "" {
		t.Errorf("%+v", c)
	}
	if p := parseConsole("[ 1.0] Kernel panic - not syncing: No working init found.\r\n").panicked; p != "Kernel panic - not syncing: No working init found." {
		t.Errorf("panic %q", p)
	}
}

// Whatever a guest writes: facts are lines of it, and what is shown of it is short in lines.
func FuzzParseConsole(f *testing.F) {
	f.Add("check dhcp 10.0.0.1\r\ncheck metadata a.b\nKernel panic")
	f.Add("check \ncheck  \n\x00\xff\r\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := parseConsole(text)
		for fact := range c.facts {
			if !strings.Contains(text, fact) {
				t.Errorf("fact %q is not in the text", fact)
			}
		}
		if len(c.tail) > tailLines || len(c.tail) > 0 && c.lastLine != c.tail[len(c.tail)-1] || slices.Contains(c.tail, "") {
			t.Errorf("tail %q, last %q", c.tail, c.lastLine)
		}
	})
}
