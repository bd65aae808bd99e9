package api_test

import (
	"bytes"
	"encoding/json"
	"testing"
)

// Objects that clients store come back in the very bytes that encoding/json has for them.
func TestStoredObjectsAreWrittenAsEncodingJSONDoes(t *testing.T) {
	r := newRig(t)
	const extra = `{"z":1,"a":{"m":{},"l":[],"b":[1.5,-0.0,1e20,1e-9,123456789012345,1e15,-7,"<&>ü\u0001\"\\",null,true,false,{"x":[[]]}]},"":"empty","\"k\u00e4y<":0}`
	r.do("POST", "/v1/nodes", "1.82", `{"driver":"ipmi","name":"n","extra":`+extra+`}`).want(t, 201, "")
	var got struct{ Extra json.RawMessage }
	if err := json.Unmarshal([]byte(r.do("GET", "/v1/nodes/n", "1.82", "").body), &got); err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal([]byte(extra), &v); err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Extra, bytes.TrimSpace(want.Bytes())) {
		t.Errorf("got  %s\nwant %s", got.Extra, want.Bytes())
	}
}
