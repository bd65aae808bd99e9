package ironic

import (
	"maps"
	"testing"
)

// Whoever read a port before keeps what was read.
func TestAVIFIsSetInACopy(t *testing.T) {
	read := map[string]any{"kept": "yes"}
	p := &Port{InternalInfo: read}
	p.SetVIF("v1")
	if p.VIF() != "v1" || p.InternalInfo["kept"] != "yes" || !maps.Equal(read, map[string]any{"kept": "yes"}) {
		t.Errorf("port %v, read before %v", p.InternalInfo, read)
	}
	p.SetVIF("")
	if _, there := p.InternalInfo[vifKey]; there || p.VIF() != "" {
		t.Errorf("after detaching %v", p.InternalInfo)
	}
	g := &Portgroup{}
	if g.SetVIF(""); g.VIF() != "" {
		t.Errorf("%v", g.InternalInfo)
	}
	if g.SetVIF("v2"); g.VIF() != "v2" {
		t.Errorf("%v", g.InternalInfo)
	}
}
