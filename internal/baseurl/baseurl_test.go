package baseurl_test

import (
	"net/http/httptest"
	"testing"

	"trefoil/internal/baseurl"
)

func TestOf(t *testing.T) {
	for url, want := range map[string]string{"http://192.0.2.1:5000/v3?a=b": "http://192.0.2.1:5000", "https://[fd00::2]:13000/v3": "https://[fd00::2]:13000"} {
		if got := baseurl.Of(httptest.NewRequest("GET", url, nil)); got != want {
			t.Errorf("%s: %s", url, got)
		}
	}
}
