package sqlite

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"trefoil/ironic"
)

// whole is a node with something in every field, as far as one value a kind goes.
func whole(text string, number float64, flag bool) *ironic.Node {
	n := &ironic.Node{}
	at := time.Date(2026, 11, 27, 12, 0, 0, int(number)%1_000_000_000, time.UTC)
	v := reflect.ValueOf(n).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i).Addr().Interface().(type) {
		case *string:
			*f = text + v.Type().Field(i).Name
		case *bool:
			*f = flag
		case **bool:
			*f = &flag
		case *int64:
			*f = int64(number)
		case *time.Time:
			*f = at
		case **time.Time:
			*f = &at
		case *[]string:
			*f = []string{text, ""}
		case *map[string]string:
			*f = map[string]string{text: text}
		case *map[string]any:
			*f = map[string]any{text: text, "n": number, "b": flag, "null": nil, "list": []any{text, number, []any{}, map[string]any{}}, "object": map[string]any{"a": text}}
		}
	}
	return n
}

// same wants what encoding/json makes of a document, read the quick way.
func same(t *testing.T, doc string) {
	t.Helper()
	var want, got ironic.Node
	if err := json.Unmarshal([]byte(doc), &want); err != nil {
		t.Fatal(err)
	}
	if err := nodeShape().quick(doc, reflect.ValueOf(&got).Elem()); err != nil {
		t.Fatalf("left to encoding/json: %v\n%s", err, doc)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v\nof %s", got, want, doc)
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

func TestQuickDecodingIsThatOfEncodingJSON(t *testing.T) {
	for _, n := range []*ironic.Node{{}, whole("", 0, false), whole("plain", 1.5, true), whole("\"\\\n<&>\u2028ä\U0001F600\x00", -3e20, true),
		{Extra: map[string]any{}, Traits: []string{}, Interfaces: map[string]string{}}} {
		same(t, marshal(t, n))
	}
	same(t, `{"UUID":"u","Later":{"a":[1,{"b":null}]},"Name":"n"}`)
}

// What encode leaves out is what decode makes of nothing.
func TestEncodeAndDecodeAreThereAndBack(t *testing.T) {
	for what, n := range map[string]*ironic.Node{"nothing": {}, "falsehoods": whole("", 0, false), "all": whole("\"\\\n<&>ä\x00", -3e20, true),
		"empty": {Extra: map[string]any{}, Traits: []string{}, Interfaces: map[string]string{}}} {
		doc, err := encode(nodeShape(), n)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		same(t, doc)
		var back ironic.Node
		if err := decode(nodeShape(), doc, &back); err != nil || !reflect.DeepEqual(back, *n) {
			t.Errorf("%s: %v\n%s\ngot  %+v\nwant %+v", what, err, doc, back, *n)
		}
	}
	if doc, err := encode(nodeShape(), &ironic.Node{UUID: "u", Version: 2, CreatedAt: time.Unix(0, 0).UTC()}); doc != `{"UUID":"u","CreatedAt":"1970-01-01T00:00:00Z","Version":2}` {
		t.Errorf("%s, %v", doc, err)
	}
	if _, err := encode(nodeShape(), &ironic.Node{Extra: map[string]any{"n": math.NaN()}}); err == nil || !strings.Contains(err.Error(), "Extra") {
		t.Errorf("a number that JSON does not have: %v", err)
	}
}

func TestOddDocumentsAreLeftToEncodingJSON(t *testing.T) {
	for doc, want := range map[string]string{`{ "UUID": "u" }`: "u", `{"uuid":"u"}`: "", `{"UUID":"u","DriverInfo":{"a":1,}}`: "error",
		`{"UUID":1}`: "error", `{"UUID":"u"`: "error", ``: "error", `{"UUID":"u"}{`: "error", `{"UUID":"u\"}`: "error", `{"UUID":"`: "error", `{"Traits":["a" "b"]}`: "error", `{"Extra":{"n":-}}`: "error"} {
		var n ironic.Node
		err := decode(nodeShape(), doc, &n)
		if want == "error" {
			if err == nil {
				t.Errorf("%s gives %+v", doc, n)
			}
			continue
		}
		if err != nil || want != "" && n.UUID != want {
			t.Errorf("%s gives %q, %v", doc, n.UUID, err)
		}
	}
	var p ironic.Port
	if err := decode(portShape(), marshal(t, ironic.Port{UUID: "p", PXEEnabled: true}), &p); err != nil || p.UUID != "p" || !p.PXEEnabled {
		t.Errorf("%+v %v", p, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("text", 1.0, true)
	f.Add("\\u0041\"\xff", 1e300, false)
	f.Fuzz(func(t *testing.T, text string, number float64, flag bool) {
		n := whole(text, number, flag)
		if _, err := json.Marshal(n); err != nil {
			return // a number that JSON does not have
		}
		same(t, marshal(t, n))
		doc, err := encode(nodeShape(), n)
		if err != nil {
			t.Fatal(err)
		}
		same(t, doc)
		var back ironic.Node
		_ = decode(nodeShape(), text, &back) // must not panic
	})
}

func BenchmarkDecodeNode(b *testing.B) {
	doc, err := json.Marshal(&ironic.Node{UUID: "00000000-0000-4000-8000-000000000001", Name: "bm-0001", Driver: "ipmi", ProvisionState: "available",
		DriverInfo: map[string]any{"ipmi_address": "10.0.0.1", "ipmi_password": "x"}, CreatedAt: time.Now().UTC(),
		Interfaces: map[string]string{"power": "ipmitool", "management": "ipmitool", "boot": "ipxe", "deploy": "direct", "inspect": "agent"},
		Properties: map[string]any{"cpus": 4, "memory_mb": 8192, "local_gb": 100, "cpu_arch": "x86_64"}})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("quick", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var n ironic.Node
			if err := decode(nodeShape(), string(doc), &n); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var n ironic.Node
			if err := json.Unmarshal(doc, &n); err != nil {
				b.Fatal(err)
			}
		}
	})
}
