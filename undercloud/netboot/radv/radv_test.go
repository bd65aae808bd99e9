package radv

import "testing"

func TestSolicitorReadsTheSourceLinkLayerAddress(t *testing.T) {
	rs := []byte{133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0x52, 0x54, 0, 0xaa, 0xbb, 1}
	if got := Solicitor(rs); got != "52:54:00:aa:bb:01" {
		t.Errorf("got %q", got)
	}
	for name, msg := range map[string][]byte{
		"empty":              nil,
		"an advertisement":   append([]byte{134}, rs[1:]...),
		"no option":          rs[:8],
		"option of length 0": {133, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 2, 3, 4, 5, 6},
		"option cut short":   {133, 0, 0, 0, 0, 0, 0, 0, 1, 2, 1, 2, 3, 4, 5, 6},
	} {
		if got := Solicitor(msg); got != "" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestAdvertisementOffersNothing(t *testing.T) {
	msg := Advertisement()
	if len(msg) != 16 || msg[0] != 134 {
		t.Fatalf("not a router advertisement: %x", msg)
	}
	for i, b := range msg[1:] {
		if b != 0 {
			t.Errorf("byte %d is %d: hosts would take something from it", i+1, b)
		}
	}
}

func FuzzSolicitor(f *testing.F) {
	f.Add([]byte{133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 3, 4, 5, 6})
	f.Fuzz(func(_ *testing.T, msg []byte) { Solicitor(msg) })
}
