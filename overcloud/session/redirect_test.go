package session

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestRedirectsStayOnTheServer: a password in a header goes to nobody that a server names.
func TestRedirectsStayOnTheServer(t *testing.T) {
	stolen := ""
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { stolen += r.Header.Get("Authorization") }))
	defer other.Close()
	seen := 0
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/here", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/v1/there", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/v1/there", func(http.ResponseWriter, *http.Request) { seen++ })
	mux.HandleFunc("/v1/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/v1/there", http.StatusTemporaryRedirect)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	client := Options{}.client(nil)
	for _, path := range []string{"/v1/here", "/v1/away"} {
		r, err := http.NewRequest("GET", srv.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("admin", "s3cret")
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if want := strings.HasSuffix(path, "here"); (resp.StatusCode == 200) != want {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	if seen != 1 || stolen != "" {
		t.Errorf("followed %d times on the server; the other got %q", seen, stolen)
	}
}
