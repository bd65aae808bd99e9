package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"trefoil/ironic"
)

// sample is one recorded exchange with Debian's Ironic 21.4.4.
type sample struct {
	title, method, url, body string
	header                   [][2]string
	status                   int
	answer                   http.Header
	text                     string
}

var requestLine = regexp.MustCompile(`^(?:-X (\S+) )?http://127\.0\.0\.1:6385(\S*)(.*)$`)

func readSamples(t *testing.T) []sample {
	t.Helper()
	data, err := os.ReadFile("testdata/wire-samples.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []sample
	for _, block := range strings.Split("\n"+string(data), "\n### ")[1:] {
		head, rest, _ := strings.Cut(block, "\n")
		m := requestLine.FindStringSubmatch(head)
		if m == nil {
			t.Fatalf("unreadable request line %q", head)
		}
		s := sample{title: head, method: "GET", url: m[2], answer: http.Header{}}
		if m[1] != "" {
			s.method = m[1]
		}
		args, body, _ := strings.Cut(m[3], " -d ")
		s.body = body
		for _, h := range strings.Split(args, " -H ")[1:] {
			k, v, _ := strings.Cut(h, ": ")
			s.header = append(s.header, [2]string{k, v})
		}
		headers, text, _ := strings.Cut(strings.ReplaceAll(rest, "\r", ""), "\n\n")
		s.text = strings.TrimSpace(text)
		for i, line := range strings.Split(headers, "\n") {
			if i == 0 {
				s.status, _ = strconv.Atoi(strings.Fields(line)[1])
			} else if k, v, ok := strings.Cut(line, ": "); ok {
				s.answer.Set(k, v)
			}
		}
		out = append(out, s)
	}
	return out
}

// betterOrLater has the samples that we answer differently on purpose: the
// status we give, and why.
var betterOrLater = map[string]struct {
	status int
	why    string
}{
	"/v1/nodes?fields=bogus":              {400, "the peer crashes"},
	"{bad json":                           {400, "the peer crashes"},
	"/v1/nodes/bm-0500/vendor_passthru/m": {200, "the peer's fake driver has demonstration methods"},
	"/v1/drivers/ipmi/properties":         {200, "the properties are the driver's own"},
	"/v1/drivers/fake-hardware":           {200, "the interfaces are the driver's own"},
}

// The peer's highest version is an age of its own: where it stands in an answer,
// ours is expected.
const (
	recordedMaximum = "1.82"
	headerMaximum   = "X-OpenStack-Ironic-API-Maximum-Version"
	headerVersion   = "X-OpenStack-Ironic-API-Version"
)

// recordedAllocation is the id that the peer gave the allocation al1.
const recordedAllocation = "381a413c-62f5-4e1a-bc59-aee48c6adf0e"

func TestRecordedRequestsGetTheRecordedAnswers(t *testing.T) {
	r := newRig(t)
	known := map[int]string{0: "75e85f1a-7305-4d7e-a86e-02b2822c857a", 2: "60665831-2dd2-4f6e-90a1-f4f5354e003f",
		500: "182740b8-c4b2-4952-b3f0-c423af88a5bc"}
	for i := range 1000 {
		n := ironic.Node{Name: fmt.Sprintf("bm-%04d", i), UUID: known[i], ResourceClass: "baremetal",
			Properties: map[string]any{"cpus": 4, "memory_mb": 8192, "local_gb": 100, "cpu_arch": "x86_64"}}
		if n.UUID == "" {
			n.UUID = fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
		}
		if i < 10 {
			n.ProvisionState = "available"
		}
		r.add(n)
	}
	for _, s := range readSamples(t) {
		t.Run(s.title, func(t *testing.T) { replay(t, r, s) })
	}
}

func replay(t *testing.T, r *rig, s sample) {
	req, err := http.NewRequest(s.method, r.url+s.url, strings.NewReader(s.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "127.0.0.1:6385"
	for _, h := range s.header {
		req.Header.Set(h[0], h[1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.ReplaceAll(s.title, "http://127.0.0.1:6385", "")
	for part, other := range betterOrLater {
		if strings.HasPrefix(line, part) || strings.Contains(s.body, part) {
			if resp.StatusCode != other.status {
				t.Fatalf("status %d, want %d (%s): %s", resp.StatusCode, other.status, other.why, data)
			}
			return
		}
	}
	if a, err := r.store.Allocation(t.Context(), "al1"); err == nil { // its id is the service's choice
		s.text = strings.ReplaceAll(s.text, recordedAllocation, a.UUID)
		s.answer.Set("Location", strings.ReplaceAll(s.answer.Get("Location"), recordedAllocation, a.UUID))
	}
	if resp.StatusCode != s.status {
		t.Fatalf("status %d, recorded %d: %s", resp.StatusCode, s.status, data)
	}
	ours := resp.Header.Get(headerMaximum)
	if s.answer.Get(headerMaximum) == recordedMaximum {
		s.answer.Set(headerMaximum, ours)
	}
	if slices.Contains(s.header, [2]string{headerVersion, "latest"}) {
		s.answer.Set(headerVersion, ours)
	}
	s.text = strings.ReplaceAll(s.text, "[1.1, "+recordedMaximum+"]", "[1.1, "+ours+"]")
	for _, h := range []string{"X-Openstack-Ironic-Api-Minimum-Version", headerMaximum, headerVersion, "Location"} {
		if got, want := resp.Header.Get(h), s.answer.Get(h); got != want {
			t.Errorf("header %s is %q, recorded %q", h, got, want)
		}
	}
	if resp.Header.Get("Openstack-Request-Id") == "" {
		t.Error("no request id")
	}
	if s.text == "" {
		if len(data) > 0 {
			t.Errorf("body %s, recorded none", data)
		}
		return
	}
	compareBodies(t, data, []byte(s.text))
}

// compareBodies wants every recorded member, with its value; recorded bodies
// that were cut count as far as they go.
func compareBodies(t *testing.T, got, recorded []byte) {
	t.Helper()
	have, _ := members(got)
	want, whole := members(recorded)
	for key, w := range want {
		h, ok := have[key]
		if !ok {
			t.Errorf("answer lacks %q", key)
		} else if !same(key, h, w) {
			t.Errorf("%s is\n  %v, recorded\n  %v", key, h, w)
		}
	}
	if whole && len(have) != len(want) {
		t.Errorf("answer has members %v, recorded %v", keys(have), keys(want))
	}
}

// same compares two values; times by their form, errors by their inner text.
func same(key string, got, want any) bool {
	switch key {
	case "created_at", "updated_at", "provision_updated_at":
		// The stand-in's clock differs, and nodes of this test never went through a transition.
		return true
	case "reservation", "driver_internal_info":
		return true // the peer's lock while it patched; its own notes
	case "power_state", "provision_state":
		return got == want
	case "error_message": // a hint beside Ironic's own members is ours
		got = ironics(got)
		var g, w any
		return json.Unmarshal([]byte(got.(string)), &g) == nil && json.Unmarshal([]byte(want.(string)), &w) == nil &&
			reflect.DeepEqual(g, w)
	case "next":
		return strings.ReplaceAll(got.(string), ",name", "") == strings.ReplaceAll(want.(string), ",name", "")
	}
	return reflect.DeepEqual(got, want)
}

// ironics is an error's text without what we add.
func ironics(text any) any {
	s, _ := text.(string)
	if i := strings.Index(s, `,"hint":"`); i > 0 {
		return s[:i] + "}"
	}
	return text
}

// members reads an object's members up to where the text was cut.
func members(data []byte) (m map[string]any, whole bool) {
	m = map[string]any{}
	dec := json.NewDecoder(bytes.NewReader(data))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return m, false
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return m, false
		}
		var v any
		if err := dec.Decode(&v); err != nil {
			return m, false
		}
		m[key.(string)] = v
	}
	_, err := dec.Token()
	return m, err == nil
}

func keys(m map[string]any) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}
