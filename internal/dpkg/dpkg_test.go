package dpkg_test

import (
	"strings"
	"testing"

	"trefoil/internal/dpkg"
)

const status = `Package: chrony
Status: install ok installed
Version: 4.3-2+deb12u1
Provides: time-daemon
Description: versatile NTP
 Package: not-a-field

Package: removed
Status: deinstall ok config-files
Version: 1

Package: half
Status: install reinstreq half-installed
Version: 1

Package: nova-consoleproxy
Status: install ok installed
Provides: nova-novncproxy (= 2:26.0.0), proxy:any
Version: 2:26.0.0
`

func TestOnlyWhatIsInstalledCounts(t *testing.T) {
	in := dpkg.Parse(status)
	if got := strings.Join(in.Names(), " "); got != "chrony nova-consoleproxy nova-novncproxy proxy time-daemon" {
		t.Errorf("names %s", got)
	}
	if in.Versions["chrony"] != "4.3-2+deb12u1" || in.Versions["nova-consoleproxy"] != "2:26.0.0" {
		t.Errorf("versions %v", in.Versions)
	}
	for name, want := range map[string]bool{"chrony": true, "nova-novncproxy": true, "removed": false, "half": false, "not-a-field": false} {
		if in.Has(name) != want {
			t.Errorf("Has(%s) is not %v", name, want)
		}
	}
	if (dpkg.Installed{}).Has("chrony") {
		t.Error("nothing has chrony")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(status)
	f.Add("Package:\nStatus: a b installed\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		in := dpkg.Parse(text)
		for _, n := range in.Names() {
			if n == "" || !in.Has(n) {
				t.Errorf("name %q", n)
			}
		}
	})
}
