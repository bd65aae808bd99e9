package api

import "testing"

// TestTextsOfNodesTakeLittleRoom: what is asked for stays, the rest goes before there is too much of it.
func TestTextsOfNodesTakeLittleRoom(t *testing.T) {
	var kept nodeTexts
	room := func() (bytes int) {
		for _, texts := range []map[textKey][]byte{kept.newer, kept.older} {
			for k, text := range texts {
				bytes += cap(text) + len(k.base)
			}
		}
		return bytes
	}
	often := textKey{id: -1}
	kept.keep(often, []byte("x"))
	for i := range int64(3 * keptTexts / 2000) {
		kept.keep(textKey{id: i}, make([]byte, 2000, 4000))
		if kept.find(often) == nil {
			t.Fatalf("after %d texts the one that is asked for is gone", i)
		}
		if kept.find(textKey{id: i}) == nil {
			t.Fatalf("text %d is not there at once", i)
		}
		if got := room(); i%500 == 0 && got > keptTexts+keptTexts/20 { // sizes of allocations are a little above
			t.Fatalf("after %d texts there are %d bytes", i, got)
		}
	}
	if kept.find(textKey{id: 0}) != nil {
		t.Error("the first text is still there")
	}
	for what, k := range map[string]textKey{"a long text": {id: -2}, "long links": {id: -3, base: string(make([]byte, longestText))}} {
		kept.keep(k, make([]byte, 1+longestText*(1-len(k.base)/longestText)))
		if kept.find(k) != nil {
			t.Errorf("%s is kept", what)
		}
	}
}
