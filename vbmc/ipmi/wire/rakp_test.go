package wire

import "testing"

// TestLengthOfCode4: it follows the authentication algorithm, also where there is no
// integrity algorithm.
func TestLengthOfCode4(t *testing.T) {
	for _, c := range []struct {
		suite Suite
		want  int
	}{
		{Suite{ID: 1, Auth: AuthRAKPHMACSHA1}, 12},
		{Suite3(), 12},
		{Suite{ID: 6, Auth: AuthRAKPHMACMD5}, 16},
		{Suite{ID: 15, Auth: AuthRAKPHMACSHA256}, 16},
		{Suite17(), 16},
	} {
		e := Exchange{Suite: c.suite}
		if code, _ := e.Finish(); len(code) != c.want {
			t.Errorf("suite %d: %d bytes, want %d", c.suite.ID, len(code), c.want)
		}
	}
}
