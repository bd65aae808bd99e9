package hot

import (
	"slices"
	"strings"
)

// release is a heat_template_version: its date and the name that stands for it.
// Heat had no new version between Rocky and Wallaby and none after.
type release struct{ date, name string }

var releases = []release{
	{"2013-05-23", ""}, {"2014-10-16", ""}, {"2015-04-30", ""}, {"2015-10-15", ""}, {"2016-04-08", ""},
	{"2016-10-14", "newton"}, {"2017-02-24", "ocata"}, {"2017-09-01", "pike"}, {"2018-03-02", "queens"},
	{"2018-08-31", "rocky"}, {"2021-04-16", "wallaby"},
}

// Versions that other code asks for.
const (
	conditionsSince  = "2016-10-14"
	nullableIfSince  = "2021-04-16"
	repeatMapsSince  = "2016-10-14"
	permutationSince = "2017-09-01"
	jsonTextSince    = "2015-10-15" // str_replace and list_join take maps and lists
	allAttrsSince    = "2015-10-15" // get_attr without an attribute; list_join of several lists
)

// since says from which version something is known; what came with the first
// version is not listed. Source: the tables of Heat 19 (Zed), testdata/heat/versions.txt.
var since = map[string]string{
	"function repeat": "2015-04-30", "function digest": "2015-04-30", "function str_split": "2015-10-15",
	"function map_merge": "2016-04-08", "function yaql": "2016-10-14", "function map_replace": "2016-10-14",
	"function if": "2016-10-14", "function filter": "2017-02-24", "function str_replace_strict": "2017-02-24",
	"function str_replace_vstrict": "2017-09-01", "function make_url": "2017-09-01", "function contains": "2017-09-01",
	"function list_concat": "2017-09-01", "function list_concat_unique": "2017-09-01",

	"condition get_param": conditionsSince, "condition equals": conditionsSince, "condition not": conditionsSince,
	"condition and": conditionsSince, "condition or": conditionsSince,
	"condition yaql": "2017-09-01", "condition contains": "2017-09-01",

	"section conditions": conditionsSince, "output condition": conditionsSince,
	"resource condition": conditionsSince, "resource external_id": conditionsSince,
	"deletion_policy delete": conditionsSince, "deletion_policy retain": conditionsSince, "deletion_policy snapshot": conditionsSince,
	"parameter tags": "2018-03-02", "constraint modulo": "2017-02-24",
}

// removedFunctions are CloudFormation's functions, which HOT had in its first
// versions, with what stands for them.
var removedFunctions = map[string]string{
	"Fn::GetAZs": "a parameter with the names of the zones", "Fn::Join": "list_join", "Fn::Split": "str_split",
	"Fn::Replace": "str_replace", "Fn::Base64": "the text itself: it is encoded where it is needed",
	"Fn::MemberListToMap": "yaql", "Fn::ResourceFacade": "resource_facade", "Fn::Select": "get_param or get_attr with a path",
	"Fn::GetAtt": "get_attr", "Fn::FindInMap": "get_param with a path", "Fn::If": "if", "Fn::Equals": "equals",
	"Fn::Not": "not", "Fn::And": "and", "Fn::Or": "or", "Ref": "get_param or get_resource",
}

// versionDate returns the date of a heat_template_version that is given by
// date or name; "" where there is no such version.
func versionDate(version string) string {
	for _, r := range releases {
		if version == r.date || version == r.name && r.name != "" {
			return r.date
		}
	}
	return ""
}

// versionNames lists what heat_template_version may be.
func versionNames() []string {
	var dates, names []string
	for _, r := range releases {
		dates = append(dates, r.date)
		if r.name != "" {
			names = append(names, r.name)
		}
	}
	return append(dates, names...)
}

// sinceText names a version by its date and name.
func sinceText(date string) string {
	i := slices.IndexFunc(releases, func(r release) bool { return r.date == date })
	if i < 0 || releases[i].name == "" {
		return date
	}
	return date + " (" + releases[i].name + ")"
}

// needs says what is wrong with the use of something in a template of a
// version: kind is function, condition, section, resource, output,
// deletion_policy, parameter or constraint. It returns "" where nothing is.
func needs(kind, name, version string) string {
	date := versionDate(version)
	if date == "" {
		date = releases[len(releases)-1].date
	}
	from := since[kind+" "+name]
	if date >= from {
		return ""
	}
	what := strings.ReplaceAll(kind, "condition", "function") + " " + name
	if kind == "condition" && date >= since["function "+name] && since["function "+name] != "" {
		what += " in a condition"
	}
	return what + " needs heat_template_version " + sinceText(from) + " or later; this template is " + version
}
