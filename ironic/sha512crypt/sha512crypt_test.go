package sha512crypt

import (
	"strings"
	"testing"
)

// The first is of the specification, the others of OpenSSL: openssl passwd -6 -salt SALT PASSWORD.
func TestHashesAreThoseOfCrypt(t *testing.T) {
	for _, c := range []struct{ password, salt, want string }{
		{"Hello world!", "saltstring", "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"},
		{"x", "ab12CD34ef56GH78", "$6$ab12CD34ef56GH78$rFjV1FrGrakB7GHWw6.E8pXFa5vN75KYROz5uSNan5bNfw69mPjOGloaqXORiJutviNTkZ.kKFNGr7Bneah1y0"},
		{"geheim", "ab12CD34ef56GH78", "$6$ab12CD34ef56GH78$O2L7vk9yozkLV0DuMVarnekRt4Uc5GeNiSnz02k4CRbWwi2aanguuxT2wCQ6obRbauZho9yleUf2lL3ghXR2N/"},
		{"Grüße und ein sehr langes Kennwort, länger als vierundsechzig Bytes, damit sich der Digest wiederholt", "ab12CD34ef56GH78", "$6$ab12CD34ef56GH78$mTnVRO8n3wzrxPU4jdcTobYJ.ir8T2Ukhk.4.Ozs7muHcX.u3ISu6AcOucjAMEIU7kEeedogS1pmkBCH5sr5g0"},
	} {
		if got := hash(c.password, c.salt); got != c.want {
			t.Errorf("%q: %s, want %s", c.password, got, c.want)
		}
	}
}

func TestEachHashHasASaltOfItsOwn(t *testing.T) {
	a, b := Hash("x"), Hash("x")
	if a == b || !strings.HasPrefix(a, "$6$") || strings.Count(a, "$") != 3 {
		t.Errorf("%s %s", a, b)
	}
}
