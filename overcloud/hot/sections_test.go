package hot

import (
	"strings"
	"testing"
)

// TestSectionsTellEverythingAtOnce: every mistake in the sections of a template,
// each with its line, in the order of the file.
func TestSectionsTellEverythingAtOnce(t *testing.T) {
	_, err := ParseTemplate("t.yaml", []byte(`heat_template_version: 2015-10-15
parameters:
  A: {type: string, tags: [x]}
  R: {type: string}
parameter_groups:
- {label: one, parameters: [A, Z]}
- {label: two, parameters: [A], more: x}
- [A]
conditions: {}
resources:
  R: {type: OS::Heat::Value, deletion_policy: retain, external_id: x}
  S: {type: [x], properties: [a], depends_on: [R, Q, {a: b}], metadata: text}
  U: {type: OS::Heat::Value, deletion_policy: Keep, depends_on: {a: b}, update_policy: 5, description: [x]}
  V: {propertys: {}}
outputs:
  o: {value: 1, condition: true}
  p: {vaule: 1}
`))
	want := `t.yaml:3: parameter A: parameter tags needs heat_template_version 2018-03-02 (queens) or later; this template is 2015-10-15
t.yaml:6: parameter_groups: the template has no parameter "Z"; did you mean "A"?
t.yaml:7: parameter group: unknown key "more"
t.yaml:7: parameter_groups: parameter A is also in the group of line 6
t.yaml:8: a parameter group must be a map
t.yaml:8: a parameter group must have a list parameters
t.yaml:9: section conditions needs heat_template_version 2016-10-14 (newton) or later; this template is 2015-10-15
t.yaml:11: deletion_policy retain needs heat_template_version 2016-10-14 (newton) or later; this template is 2015-10-15
t.yaml:11: resource external_id needs heat_template_version 2016-10-14 (newton) or later; this template is 2015-10-15
t.yaml:11: resource R has the name of the parameter in line 4; a template has one name for one thing
t.yaml:12: resource S: type must be text
t.yaml:12: resource S: properties must be a map, got a list
t.yaml:12: resource S depends on "Q", which is not in the template; did you mean "R"?
t.yaml:12: resource S: depends_on must be the name of a resource or a list of names
t.yaml:12: resource S: metadata must be a map, got text
t.yaml:12: resource S has no type
t.yaml:13: resource U: unknown deletion_policy "Keep"; expected one of Delete, Retain, Snapshot, delete, retain, snapshot
t.yaml:13: resource U: depends_on must be the name of a resource or a list of names
t.yaml:13: resource U: update_policy must be a map, got a number
t.yaml:13: resource U: description must be text, got a list
t.yaml:14: resource V: unknown key "propertys"; did you mean "properties"?
t.yaml:14: resource V has no type
t.yaml:16: output condition needs heat_template_version 2016-10-14 (newton) or later; this template is 2015-10-15
t.yaml:17: output p: unknown key "vaule"; did you mean "value"?
t.yaml:17: output p has no value`
	if err == nil || err.Error() != want {
		t.Fatalf("got\n%v\nwant\n%s", err, want)
	}
}

func TestUnknownVersionNamesThoseThereAre(t *testing.T) {
	_, err := ParseTemplate("t.yaml", []byte("heat_template_version: walaby\n"))
	if err == nil || !strings.HasPrefix(err.Error(), `t.yaml:1: unknown heat_template_version "walaby"; did you mean "wallaby"?; expected one of 2013-05-23, `) {
		t.Fatalf("got %v", err)
	}
}
