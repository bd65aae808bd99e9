package yaml

import "testing"

// Who wrote a file is told of its values, not of our types.
func TestWhatIsNotAsExpected(t *testing.T) {
	type machine struct {
		Name  string   `yaml:"name"`
		CPUs  int      `yaml:"cpus"`
		Disks []string `yaml:"disks"`
		On    bool     `yaml:"on_"`
	}
	var any1 map[string]any
	if err := Decode("f.yaml", []byte("[1]"), &any1); err == nil || err.Error() != "f.yaml:1: found a list; expected a map" {
		t.Error(err)
	}
	var plain []struct {
		Name string `yaml:"name"`
	}
	if err := Decode("f.yaml", []byte("a: 1"), &plain); err == nil || err.Error() != "f.yaml:1: found a map; expected a list" {
		t.Error(err)
	}
	for text, want := range map[string]string{
		"[1, 2]":              "f.yaml:1: found a list; expected a map",
		"name: a\ncpus: many": "f.yaml:2: found text `many`; expected a whole number",
		"name: [a]":           "f.yaml:1: found a list; expected text",
		"disks: {a: 1}":       "f.yaml:1: found a map; expected a list",
		"on_: perhaps":        "f.yaml:1: found text `perhaps`; expected true or false",
		"my key: a":           "f.yaml:1: unknown key my key",
		"cpus: a`b":           "f.yaml:1: found text `a`b`; expected a whole number",
		"nme: a":              "f.yaml:1: unknown key nme",
	} {
		var m machine
		if err := Decode("f.yaml", []byte(text), &m); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
