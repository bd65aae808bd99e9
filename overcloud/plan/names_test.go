package plan

import (
	"strings"
	"testing"
)

func TestNamesOfAText(t *testing.T) {
	runs := map[string][]string{"db": {"10.0.0.1", "10.0.0.2"}, "one": {"10.0.0.3"}}
	s := names{maps: []map[string]string{{"node.name": "c-0"}, {"db_vip": "10.0.0.9"}}, each: func(service string, peers bool) (out []map[string]string) {
		for i, a := range runs[service] {
			if !peers || i > 0 {
				out = append(out, map[string]string{"each.address": a})
			}
		}
		return out
	}}
	for text, want := range map[string]string{
		"%{literal('%')}{GLOBAL} %{each db ,}%{literal('%')}{x}%{end}": "%{GLOBAL} %{x},%{x}",
		"no names":                                                                "no names",
		"%{node.name} at %{db_vip}":                                               "c-0 at 10.0.0.9",
		"[%{db_node_ips}%{x_node_count}]":                                         "[0]",
		"bus://%{each db ,}u:p@%{each.address}:1%{end}/":                          "bus://u:p@10.0.0.1:1,u:p@10.0.0.2:1/",
		"%{each one ,}%{each.address}%{end}":                                      "10.0.0.3",
		"%{each none ,}%{each.address}%{end}.":                                    ".",
		"%{each db}%{each.number} %{node.name}\n%{end}end":                        "1 c-0\n2 c-0\nend",
		"%{each_peer db}peer %{each.address}\n%{end}":                             "peer 10.0.0.2\n",
		"{%{each db ,}{name%{each.number}}@x%{end}}":                              "{{name1}@x,{name2}@x}",
		"{%{each db ,}{name%{each.nth}}%{end} %{each one}{name%{each.nth}}%{end}": "{{name1},{name2} {name}",
		"%{each db , }%{each.address}%{end} %{each one}x%{end}":                   "10.0.0.1, 10.0.0.2 x",
	} {
		if got, err := s.fillIn(text); err != nil || got != want {
			t.Errorf("%q gives %q, %v; expected %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"%{nod.name}":                    `did you mean "node.name"`,
		"%{each.address}":                "means nothing here",
		"%{each db}%{each.addres}%{end}": `did you mean "each.address"`,
		"%{each db}without an end":       "is repeated",
	} {
		if _, err := s.fillIn(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
