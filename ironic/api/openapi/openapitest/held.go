package openapitest

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Held passes on what h answers; an exchange that is not as the document says fails the test.
func (c *Contract) Held(t testing.TB, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(req.Method, req.RequestURI, "read the request:", err)
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		x := Exchange{Method: req.Method, Target: req.RequestURI, Body: string(body), Status: rec.Code, Header: rec.Header(), Answer: rec.Body.String()}
		if err := c.Check(x); err != nil {
			t.Error(err)
		}
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes()) // the test sees what it got
	})
}
