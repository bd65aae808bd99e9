package format_test

import (
	"strings"
	"testing"

	"trefoil/internal/format"
)

var (
	columns = []string{"ID", "Name", "RAM", "Is Public", "Extra"}
	rows    = [][]any{
		{"168af640", "swift-storage", 4096, true, nil},
		{"52148d1b", "x", 40, false, map[string]any{"a": []any{1, "b"}}},
	}
)

func TestList(t *testing.T) {
	cases := []struct {
		name string
		o    format.Options
		want string
	}{
		{"table: numbers stand right, values as Python shows them", format.Options{}, `
+----------+---------------+------+-----------+-----------------+
| ID       | Name          |  RAM | Is Public | Extra           |
+----------+---------------+------+-----------+-----------------+
| 168af640 | swift-storage | 4096 | True      | None            |
| 52148d1b | x             |   40 | False     | {'a': [1, 'b']} |
+----------+---------------+------+-----------+-----------------+
`},
		{"value with chosen columns in the user's order", format.Options{Format: "value", Columns: []string{"Name", "ID"}}, `
swift-storage 168af640
x 52148d1b
`},
		{"json keeps types and column order", format.Options{Format: "json", Columns: []string{"Name", "RAM", "Extra"}, Sort: "RAM"}, `
[
  {
    "Name": "x",
    "RAM": 40,
    "Extra": {
      "a": [
        1,
        "b"
      ]
    }
  },
  {
    "Name": "swift-storage",
    "RAM": 4096,
    "Extra": null
  }
]
`},
		{"yaml", format.Options{Format: "yaml", Columns: []string{"Name", "RAM"}}, `
- Name: swift-storage
  RAM: 4096
- Name: x
  RAM: 40
`},
		{"csv quotes all but numbers", format.Options{Format: "csv", Columns: []string{"Name", "RAM"}}, `
"Name","RAM"
"swift-storage",4096
"x",40
`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			if err := format.List(&b, c.o, columns, rows); err != nil {
				t.Fatal(err)
			}
			if got := "\n" + b.String(); got != c.want {
				t.Errorf("got:%s\nwant:%s", got, c.want)
			}
		})
	}
}

func TestEmptyListIsOneEmptyLine(t *testing.T) {
	var b strings.Builder
	if err := format.List(&b, format.Options{}, columns, nil); err != nil || b.String() != "\n" {
		t.Errorf("got %q, %v", b.String(), err)
	}
}

func TestUnknownColumnAndFormat(t *testing.T) {
	for _, o := range []format.Options{{Columns: []string{"Nope"}}, {Format: "xml"}, {Sort: "Nope"}} {
		if err := format.List(&strings.Builder{}, o, columns, rows); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}

func TestControlCharactersAreShownNotObeyed(t *testing.T) {
	var b strings.Builder
	if err := format.List(&b, format.Options{}, []string{"Name"}, [][]any{{"a\x1b[2J\u009b\r"}}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), `| a\x1b[2J\u009b\r |`) {
		t.Errorf("%q", b.String())
	}
}
