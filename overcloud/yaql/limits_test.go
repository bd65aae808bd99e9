package yaql_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/yaql"
)

// TestErrorsPointIntoTheExpression pins our own wording.
func TestErrorsPointIntoTheExpression(t *testing.T) {
	tests := []struct{ name, expression, want string }{
		{"unknown function with the nearest", "coalese($.data, [])", `unknown function "coalese"; did you mean "coalesce"? (yaql, character 1: ▸coalese($.data, []))`},
		{"unknown method with the nearest", "$.data.flaten().distinct()", `unknown method "flaten"; did you mean "flatten"? (yaql, character 8: $.data.▸flaten().distinct())`},
		{"unknown function that is never called", "switch(true => 1, false => nothing())", `unknown function "nothing" (yaql, character 28: switch(true => 1, false => ▸nothing()))`},
		{"method called as a function", "where($.data, true)", `there is no function "where", but a method: write x.where(…) (yaql, character 1: ▸where($.data, true))`},
		{"function called as a method", "$.data.str()", `there is no method "str", but a function: write str(x) (yaql, character 8: $.data.▸str())`},
		{"operator called as a function", "not($.data)", `"not" is an operator: put a space before "(" (yaql, character 1: ▸not($.data))`},
		{"what changes at every evaluation", "random()", `random() is not available: its result changes at every evaluation, and with it what is deployed; use a parameter or OS::Heat::RandomString (yaql, character 1: ▸random())`},
		{"dates", "datetime('2020-01-01')", `datetime() is not available: date functions are left out; pass the date as text by a parameter (yaql, character 1: ▸datetime('2020-01-01'))`},
		{"missing key with the nearest", "$.data.list_of_thing", `the map has no key "list_of_thing"; did you mean "list_of_things"?; .get() gives null instead (yaql, character 8: $.data.▸list_of_thing)`},
		{"place inside a lambda", "$.data.list_of_things.select($.other)", `the map has no key "other"; .get() gives null instead (yaql, character 32: $.data.list_of_things.select($.▸other))`},
		{"wrong type of an argument", "$.data.list_of_things.take('1')", `argument "count" of take() must be an integer, got a string (yaql, character 23: $.data.list_of_things.▸take('1'))`},
		{"wrong receiver", "$.data.where(true)", `what where() is called on must be a list or a sequence, got a map (yaql, character 8: $.data.▸where(true))`},
		{"null receiver", "$.data.get(x).where(true)", `what where() is called on must be a list or a sequence, got null (yaql, character 15: $.data.get(x).▸where(true))`},
		{"several forms", "'a'.replace(1, 2)", `replace() does not take a string, an integer, an integer; it is replace(string string, old string, new string, count int = -1) or replace(string string, replacements map, count int = -1) or replace(string string, regexp regex, repl string, count int = 0) (yaql, character 5: 'a'.▸replace(1, 2))`},
		{"number of arguments", "$.data.list_of_things.where()", `where() does not take these arguments; it is where(collection iterable, predicate lambda) (yaql, character 23: $.data.list_of_things.▸where())`},
		{"lazy sequence has no items", "$.data.list_of_things.where(true)[0]", `[ ] takes an item of a list or a map, got a sequence; append .toList() first (yaql, character 34: $.data.list_of_things.where(true)▸[0])`},
		{"property of a text", "'ab'.len", `a string has no attribute "len": write len() (yaql, character 6: 'ab'.▸len)`},
		{"operator on other types", "1 + 'a'", `"+" does not take an integer and a string; use str() or int() (yaql, character 3: 1 ▸+ 'a')`},
		{"operator on null", "$.data.get(x) + [1]", `"+" does not take null and a list; use coalesce(x, …) for what may be null (yaql, character 15: $.data.get(x) ▸+ [1])`},
		{"two equals signs", "1 == 1", `expected a value, got "=": equality is one "=" (yaql, character 4: 1 =▸= 1)`},
		{"C operators", "$.data && true", `unexpected character '&': write "and" (yaql, character 8: $.data ▸&& true)`},
		{"open bracket", "$.data.where($ > 1", `expected "," or ")" for the bracket at character 8, got the end (yaql, character 19: $.data.where($ > 1▸)`},
		{"open string", "concat('a)", `the string that begins here has no closing ' (yaql, character 8: concat(▸'a))`},
		{"empty", "", `expected a value, got the end (yaql, character 1: ▸)`},
		{"long expression is cut, lines joined", strings.Repeat("1 +\n", 30) + "null", `"+" does not take an integer and null; use coalesce(x, …) for what may be null (yaql, character 119: …+ 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 ▸+ null)`},
		{"look-ahead", "'a'.matches('a(?!b)')", "the regex 'a(?!b)' does not compile: invalid or unsupported Perl syntax: `(?!`; look-ahead and look-behind are not supported: match what is around it in groups (yaql, character 5: 'a'.▸matches('a(?!b)'))"},
		{"back reference", "regex(`(a)\\1`)", "the regex '(a)\\\\1' does not compile: invalid escape sequence: `\\1`; back references are not supported (yaql, character 1: ▸regex(`(a)\\1`))"},
		{"result that is no value", "let(x => 1)", `the result holds variables of let(), which a template cannot use (yaql, character 1: ▸let(x => 1))`},
		{"text that is no number", "int('12a')", `int() cannot read this string as a number (yaql, character 1: ▸int('12a'))`},
		{"unknown named argument", "[1].zipLongest([2], other => 3)", `zipLongest() has no argument "other", but default (yaql, character 5: [1].▸zipLongest([2], other => 3))`},
		{"argument given twice", "'a'.split(',', separator => ',')", `split() does not take these arguments; it is split(string string, separator string? = null, maxSplits int = -1) or split(string string, regexp regex, maxSplit int = 0) (yaql, character 5: 'a'.▸split(',', separator => ','))`},
		{"list in the place of a map", "[1, 2].keys()", `what keys() is called on must be a map, got a list (yaql, character 8: [1, 2].▸keys())`},
		{"merge of a text and a map", "{a => x}.mergeWith({a => {}})", `mergeWith() cannot merge a string with a map at the key 'a' (yaql, character 10: {a => x}.▸mergeWith({a => {}}))`},
		{"message of more than one line", "'a'.assert(false, 'b\nc')", `b c (yaql, character 5: 'a'.▸assert(false, 'b c'))`},
		{"empty text", "int('')", `int() cannot read an empty string as a number (yaql, character 1: ▸int(''))`},
		{"group that is not there", "regex('a').replace('a', '\\\\2')", `the replacement names the group 2, which the regex has not (yaql, character 12: regex('a').▸replace('a', '\\2'))`},
		{"first of nothing", "[].first()", `first() of nothing: give it a default (yaql, character 4: [].▸first())`},
		{"map in the place of a list", "1 in {a => 1}", `"in" does not take an integer and a map; use .containsKey() (yaql, character 3: 1 ▸in {a => 1})`},
		{"number that JSON has not", "[float('nan')]", `the result holds the number nan, which JSON cannot write (yaql, character 1: ▸[float('nan')])`},
		{"infinite number", "float('-inf')", `the result holds the number -inf, which JSON cannot write (yaql, character 1: ▸float('-inf'))`},
		{"overflow", "9223372036854775807 + 1", `the number does not fit into 64 bits (yaql, character 21: 9223372036854775807 ▸+ 1)`},
	}
	data := map[string]any{"list_of_things": []any{map[string]any{"a": 1}}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := evaluate(tt.expression, data, yaql.Limits{})
			if err == nil || err.Error() != tt.want {
				t.Fatalf("\n got %v\nwant %s", err, tt.want)
			}
			if !errs.Is(err, errs.Invalid) {
				t.Errorf("the code is %s", errs.CodeOf(err))
			}
		})
	}
}

// limitCases would cost too much or never end.
func limitCases() []limitCase {
	return []limitCase{
		{"endless sequence", "sequence().where(false)", "more than 1000 items"},
		{"endless sequence as the result", "1.repeat()", "more than 1000 items"},
		{"endless cycle", "[1].cycle().len()", "more than 1000 items"},
		{"steps", "range(900).select(range(900).where(false).len())", "more than 100000 steps"},
		{"endless generator", "generateMany(1, [$], decycle => false)", "more than 1000 items"},
		{"generator of nothing new", "generateMany(1, [1, 1], decycle => true).len() + generateMany(1, range(900).where(false).len() or [$ + 1], decycle => true).len()", "more than"},
		{"text times a number", "'ab' * 1000000000", "bytes of text and lists"},
		{"text times the largest number", "'ab' * 9223372036854775807", "bytes of text and lists"},
		{"list times a number", "[1, 2] * 1000000000", "more than 1000 items"},
		{"doubling text", "range(60).reduce($1 + $1, 'x')", "bytes of text and lists"},
		{"doubling a list", "range(60).reduce($1 + $1, [1])", "more than 1000 items"},
		{"join", "('x' * 1000).repeat(900).join('')", "bytes of text and lists"},
		{"replace", "('x' * 1000).replace('', 'y' * 1000)", "bytes of text and lists"},
		{"replace by regex", "regex('').replace('x' * 1000, 'y' * 1000)", "more than"},
		{"format width", "'{0:99999999}'.format(1)", "wider than 1000"},
		{"nested mergeWith", "range(60).reduce($1.mergeWith({a => $1, b => $1, c => $1}), {a => {}, b => {}, c => {}})", "more than"},
		{"recursion", "def(f, f($ + 1)) -> f(1)", "nested more than 1000 deep"},
		{"lazy sequences in one another", "range(999).reduce($1.where(true), [1])", "nested more than 1000 deep"},
		{"deep data", "range(999).reduce([[$1]], 1)", "nested more than 1000 deep"},
		{"parentheses", strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000), "nested more than 250 deep"},
		{"chain of calls", "$" + strings.Repeat(".toList()", 5000), "nested more than 250 deep"},
		{"chain of operators", "1" + strings.Repeat("+1", 5000), "nested more than 250 deep"},
		{"chain of signs", strings.Repeat("-", 5000) + "1", "nested more than 250 deep"},
		{"length of the expression", strings.Repeat(" ", 70000), "longer than 65536 bytes"},
		{"power", "pow(10, 1000000)", "does not fit"},
		{"flatten", "range(900).select(range(900)).flatten()", "more than 1000 items"},
		{"regex repeats", "regex('((a{100}){100}){100}')", "does not compile"},
		{"regex with many parts", "regex('(' + 'a' * 100 + '){900}')", "more than 10000 parts"},
		{"search in a long text", "range(900).select(('x' * 10000).matches('(x{30}){20}y'))", "more than 100000 steps"},
		{"reading a long text", "let(s => 'x' * 400000) -> range(900).where('y' in $s)", "more than 100000 steps"},
		{"long keys", "let(s => 'x' * 400000) -> range(900).select({$s => 1}).len()", "more than 100000 steps"},
		{"trim", "let(s => 'x' * 400000) -> range(900).select($s.trim('x')).len()", "more than 100000 steps"},
		{"a list of one long text as a key", "let(s => 'x' * 400000) -> {[$s, $s, $s] => 1}", "bytes of text and lists"},
		{"float of a huge text", "float('1' * 400000)", "float() reads texts of up to 4300 bytes"},
		{"smallest integer by -1", "(-9223372036854775807 - 1) / -1", "does not fit"},
		{"control characters", "'a'.assert(false, '\x1b[2J\u202e')", `\x1b[2J\u202e`},
		{"set of many", "range(900).select(range(900).toSet()).len()", "more than"},
		{"many small maps", "range(900).select([{}, {}, {}, {}, {}, {}, {}, {}, {}, {}]).toList()", "bytes of text and lists"},
		{"many sequences", "range(900).select([$.repeat(), $.repeat(), $.repeat(), $.repeat(), $.repeat()]).toList()", "bytes of text and lists"},
		{"join of lists", "range(900).join(range(900), false, 1)", "more than 100000 steps"},
	}
}

type limitCase struct{ name, expression, want string }

func TestLimitsEndWhatWouldNotEnd(t *testing.T) {
	for _, tt := range limitCases() {
		t.Run(tt.name, func(t *testing.T) {
			_, err := evaluate(tt.expression, nil, yaql.Limits{Steps: 100_000, Items: 1000, Bytes: 500_000})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestExpressionIsSafeForConcurrentUse(t *testing.T) {
	x, err := yaql.Parse("$.data.where($ > 1).select($ * 2).orderBy(-$)")
	if err != nil {
		t.Fatal(err)
	}
	root := map[string]any{"data": []any{1, 2, 3}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				got, err := x.Eval(root, yaql.Limits{})
				if err != nil || encode(got) != "[6, 4]" {
					t.Errorf("got %v, %v", got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// fuzzSeeds are some of the golden cases, which are tested whole elsewhere: Go
// runs every seed before it tries anything new, and a short run would try nothing.
func fuzzSeeds(f *testing.F) []goldenCase {
	var out []goldenCase
	for _, file := range []string{"cases.txt", "trees.txt"} {
		for i, c := range goldenCases(f, file) {
			if i%8 == 0 {
				out = append(out, c)
			}
		}
	}
	return out
}

func FuzzParse(f *testing.F) {
	for _, c := range fuzzSeeds(f) {
		f.Add(c.expression)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		_, err := yaql.Parse(expression)
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("error has more than one line: %q", err)
		}
	})
}

func FuzzEval(f *testing.F) {
	for _, c := range fuzzSeeds(f) {
		f.Add(c.expression, c.data)
	}
	for _, c := range limitCases() {
		f.Add(c.expression, "null")
	}
	f.Fuzz(func(t *testing.T, expression, data string) {
		if !json.Valid([]byte(data)) {
			return
		}
		v := decode(t, data)
		before := encode(v)
		got, err := evaluate(expression, v, yaql.Limits{Steps: 20_000, Items: 2000, Bytes: 1 << 20})
		if err == nil {
			_ = encode(got)
		}
		if after := encode(v); after != before {
			t.Errorf("%q changed its data from %s to %s", expression, before, after)
		}
	})
}
