package server_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"trefoil/undercloud/server"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestServer(t *testing.T) {
	s := server.New(slog.New(slog.DiscardHandler))
	var notReady error
	s.Add("identity", "127.0.0.1:0", s.Health(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/boom" {
			panic("boom")
		}
		io.WriteString(w, "hello")
	}), func() error { return notReady }))
	ctx, cancel := context.WithCancel(context.Background())
	ls, err := s.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, ls) }()
	base := "http://" + ls[0].Addr().String()

	if code, body := get(t, base+"/x"); code != 200 || body != "hello" {
		t.Errorf("%d %q", code, body)
	}
	if code, _ := get(t, base+"/boom"); code != 500 {
		t.Errorf("a panic gave %d", code)
	}
	if code, _ := get(t, base+"/healthz"); code != 200 {
		t.Errorf("healthy gave %d", code)
	}
	notReady = errors.New("jobs are not running")
	if code, body := get(t, base+"/healthz"); code != 503 || !strings.Contains(body, "jobs are not running") {
		t.Errorf("%d %q", code, body)
	}
	if _, body := get(t, base+"/metrics"); !strings.Contains(body, `trefoil_http_request_seconds_count{method="GET",service="identity",status="500"} 1`) {
		t.Errorf("metrics lack the panic:\n%s", body)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestTakenPortIsToldBeforeAnythingRuns(t *testing.T) {
	s := server.New(slog.New(slog.DiscardHandler))
	s.Add("one", "127.0.0.1:0", http.NotFoundHandler())
	ls, err := s.Listen(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer ls[0].Close()
	two := server.New(slog.New(slog.DiscardHandler))
	two.Add("image", ls[0].Addr().String(), http.NotFoundHandler())
	if _, err := two.Listen(context.Background()); err == nil || !strings.Contains(err.Error(), "listen for image on "+ls[0].Addr().String()) {
		t.Errorf("got %v", err)
	}
}
