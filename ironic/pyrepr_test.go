package ironic

import (
	"encoding/json"
	"testing"
)

func TestPyRepr(t *testing.T) {
	var v any
	if err := json.Unmarshal([]byte(`{"b":[1,2.5,true,null],"a":{"it's":"c:\\\\d"}}`), &v); err != nil {
		t.Fatal(err)
	}
	if got, want := PyRepr(v), `{'a': {'it\'s': 'c:\\\\d'}, 'b': [1, 2.5, True, None]}`; got != want {
		t.Errorf("%s, Python has %s", got, want)
	}
}
