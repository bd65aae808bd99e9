package ansible_test

import (
	"os"
	"strings"
	"testing"

	"trefoil/overcloud/jinja"
	"trefoil/overcloud/jinja/ansible"
)

func env() jinja.Env {
	return ansible.Env(jinja.Env{Limits: jinja.Limits{Steps: 200_000, Output: 1 << 20, Memory: 1 << 24}})
}

type goldenCase struct{ title, template, want string }

func goldenCases(t testing.TB) []goldenCase {
	t.Helper()
	data, err := os.ReadFile("testdata/cases.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []goldenCase
	cases := strings.Split(string(data), "=== ")[1:]
	for i, c := range cases {
		title, rest, _ := strings.Cut(c, "\n")
		template, want, ok := strings.Cut(rest, "\n---\n")
		if !ok {
			t.Fatalf("case %q has no line ---", title)
		}
		want = strings.TrimSuffix(want, "\n")
		if i < len(cases)-1 {
			want = strings.TrimSuffix(want, "\n")
		}
		out = append(out, goldenCase{title, template, want})
	}
	return out
}

// TestGoldens holds the filters to what the real Ansible made (testdata/golden.py).
func TestGoldens(t *testing.T) {
	for _, c := range goldenCases(t) {
		t.Run(c.title, func(t *testing.T) {
			e := env()
			got, err := e.Render("case.j2", c.template, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Fatalf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestAddresses: no oracle is packaged for ipaddr; the wanted values are worked
// out by hand from the documentation of ansible.utils.ipaddr.
func TestAddresses(t *testing.T) {
	for template, want := range map[string]string{
		"{{ '192.0.2.7'|ipaddr }}":                                            "192.0.2.7",
		"{{ 'nonsense'|ipaddr }}":                                             "False",
		"{{ ['192.0.2.7', 'x', 'fd00::1', 5]|ipaddr }}":                       "['192.0.2.7', 'fd00::1']",
		"{{ ['192.0.2.7', 'fd00::1']|ipv6 }}{{ 'fd00::1'|ipv4 }}":             "['fd00::1']False",
		"{{ '192.0.2.7/24'|ipaddr('address') }}":                              "192.0.2.7",
		"{{ '192.0.2.7/24'|ipaddr('network') }}":                              "192.0.2.0",
		"{{ '192.0.2.7/24'|ipaddr('netmask') }}":                              "255.255.255.0",
		"{{ '192.0.2.7/24'|ipaddr('subnet') }}":                               "192.0.2.0/24",
		"{{ '192.0.2.7/255.255.255.0'|ipaddr('prefix') }}":                    "24",
		"{{ '192.0.2.0/24'|ipaddr('broadcast') }}":                            "192.0.2.255",
		"{{ '192.0.2.0/24'|ipaddr(1) }} {{ '192.0.2.0/24'|ipaddr(-1) }}":      "192.0.2.1/24 192.0.2.255/24",
		"{{ '192.0.2.0/24'|ipaddr('size') }}":                                 "256",
		"{{ 'fd00::1/64'|ipaddr('network') }}":                                "fd00::",
		"{{ 'fd00::1'|ipwrap }} {{ '192.0.2.1'|ipwrap }} {{ 'host'|ipwrap }}": "[fd00::1] 192.0.2.1 host",
		"{{ '192.0.2.7'|ipaddr('192.0.2.0/24') }}":                            "192.0.2.7",
		"{{ '10.0.0.1'|ipaddr('private') }}":                                  "10.0.0.1",
	} {
		e := env()
		got, err := e.Render("t.j2", template, nil)
		if err != nil || got != want {
			t.Errorf("%s\n got %q, %v\nwant %q", template, got, err, want)
		}
	}
}

func TestWorkedOutByHand(t *testing.T) {
	for template, want := range map[string]string{
		"{{ '10.0.0.1/0.0.0.255'|ipaddr('prefix') }}":                              "24",
		"{{ '10.0.0.1/255.0.255.0'|ipaddr }}":                                      "False",
		"{{ '10.0.0.1/0.0.0.0'|ipaddr('prefix') }}":                                "0",
		"{{ [1, 2]|map('int') is all }} {{ [1, 0]|map('int') is all }}":            "True False",
		"{{ 'ab' is regex('a|ab', match_type='fullmatch') }}":                      "True",
		"{{ 'abc' is regex('a|ab', match_type='fullmatch') }}":                     "False",
		"{{ 'a\nb' is regex('(?s)a|a.b', match_type='fullmatch') }}":               "True",
		"{{ '1Kb'|human_to_bytes(isbits=true) }} {{ '1KB'|human_to_bytes }}":       "1024 1024",
		"{{ '2 kilobits'|human_to_bytes(isbits=true) }} {{ '5B'|human_to_bytes }}": "2048 5",
		"{{ {'a\nb': 1}|to_nice_yaml }}":                                           "\"a\\nb\": 1\n",
		"{{ ({'a\nb': 1}|to_yaml|from_yaml).keys()|list }}":                        "['a\\nb']",
		"{{ [1, 2]|permutations(3)|list }} {{ '1e3'|from_json }}":                  "[] 1000.0",
	} {
		e := env()
		got, err := e.Render("t.j2", template, nil)
		if err != nil || got != want {
			t.Errorf("%s\n got %q, %v\nwant %q", template, got, err, want)
		}
	}
}

func TestWhatCannotBeIsRefusedWithAReason(t *testing.T) {
	for template, want := range map[string]string{
		"{{ 'x'|password_hash('sha512') }}":                 "password_hash is not supported: its salt is random",
		"{{ [1]|random }}":                                  "the same input has to give the same output",
		"{{ '/x' is exists }}":                              "it looks at files",
		"{{ nothing|mandatory }}":                           "mandatory variable: 'nothing' is undefined",
		"{{ nothing|mandatory('say x') }}":                  "say x",
		"{{ 'a'|regex_search('a(?!b)') }}":                  "looks ahead or behind",
		"{{ 'aa'|regex_search('(a)\\\\1') }}":               "refers back to a group",
		"{{ 'a'|regex_search('(') }}":                       "bad pattern",
		"{{ '{'|from_json }}":                               "from_json",
		"{{ 'a: [1'|from_yaml }}":                           "from_yaml",
		"{{ '%%'|b64decode }}":                              "not base64",
		"{{ {'a': 1}|combine(5) }}":                         "combine needs a dict, got int",
		"{{ 'abc'|union([1]) }}":                            "union needs a list, got the string 'abc'",
		"{{ 'x' is version('1') }}":                         "cannot be compared",
		"{{ 'x'|ipadr }}":                                   "unknown filter \"ipadr\"; did you mean \"ipaddr\"?",
		"{{ range(2000)|product(range(2000))|list }}":       "more than",
		"{{ range(1001)|permutations(1)|list }}":            "at most 1000 items",
		"{{ [1]|permutations(-1)|list }}":                   "must not be negative",
		"{{ '9Y'|human_to_bytes }}":                         "more than 64 bits",
		"{{ '1Kb'|human_to_bytes }}":                        "must end with B or byte",
		"{{ '1KB'|human_to_bytes(isbits=true) }}":           "must end with b or bit",
		"{{ '9223372036854775808'|from_json }}":             "more than 64 bits",
		"{{ 'a' is regex('a)(', match_type='fullmatch') }}": "bad pattern",
		"{{ range(30)|permutations|list }}":                 "more than",
		"{{ ('a' * 1000)|regex_replace('', 'x' * 9000) }}":  "a string is larger",
	} {
		e := env()
		_, err := e.Render("t.j2", template, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant an error with %q", template, err, want)
		}
	}
}

// TestPlainJinja2HasNoneOfThem: a tree is rendered as TripleO renders it.
func TestPlainJinja2HasNoneOfThem(t *testing.T) {
	for name := range ansible.Filters() {
		if name == "unique" || name == "random" || strings.Contains(name, ".") {
			continue
		}
		e := jinja.Env{}
		if _, err := e.Parse("t.j2", "{{ 1|"+name+" }}"); err == nil {
			t.Errorf("plain Jinja2 has the filter %s", name)
		}
	}
}

func FuzzExpression(f *testing.F) {
	for _, c := range goldenCases(f) {
		for _, line := range strings.Split(c.template, "\n") {
			f.Add(line)
		}
	}
	f.Fuzz(func(t *testing.T, template string) {
		e := ansible.Env(jinja.Env{Limits: jinja.Limits{Steps: 20_000, Output: 1 << 16, Memory: 1 << 22}})
		_, _ = e.Render("f.j2", template, nil) // must not panic nor hang
	})
}
