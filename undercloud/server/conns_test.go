package server_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trefoil/undercloud/server"
)

// crowded is a service of four connections in a synctest bubble. Requests of /slow wait until the test lets them
// go, /body takes a body, /endless writes as long as somebody reads.
type crowded struct {
	*testing.T
	pipes  *pipes
	log    *strings.Builder // of Warn and worse
	letGo  chan struct{}
	server *server.Server
	client *http.Client // where it has TLS; speaks HTTP/2
}

// crowd runs a test with such a service.
func crowd(t *testing.T, test func(*crowded)) { crowdOf(t, false, test) }

// secureCrowd is crowd with TLS.
func secureCrowd(t *testing.T, test func(*crowded)) { crowdOf(t, true, test) }

func crowdOf(t *testing.T, secure bool, test func(*crowded)) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowded{T: t, pipes: &pipes{make(chan net.Conn), make(chan struct{})}, log: &strings.Builder{}, letGo: make(chan struct{})}
		c.server = server.New(slog.New(slog.NewTextHandler(c.log, &slog.HandlerOptions{Level: slog.LevelWarn})))
		c.server.Limits.Connections = 4
		c.server.Stranger = func(r *http.Request) bool { return r.URL.Path == "/open" }
		svc := server.Service{Name: "baremetal", Handler: http.HandlerFunc(c.serve)}
		if secure {
			c.client, svc.TLS = selfSigned(t)
		}
		c.server.AddService(svc)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.server.Run(ctx, []net.Listener{c.pipes}) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		test(c)
	})
}

func (c *crowded) serve(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/slow":
		<-c.letGo
	case "/body", "/open":
		io.Copy(io.Discard, r.Body)
	case "/endless":
		for chunk := make([]byte, 1<<20); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
	io.WriteString(w, "hello")
}

// dial opens a connection that says no more than this, and waits until the service has nothing to do.
func (c *crowded) dial(says string) net.Conn {
	c.Helper()
	near, far := net.Pipe()
	c.Cleanup(func() { near.Close() })
	c.pipes.come <- far
	if says != "" {
		io.WriteString(near, says)
	}
	synctest.Wait()
	return near
}

// request is a whole one.
func request(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n" }

// answered reads an answer, and waits until the service waits for the next request.
func (c *crowded) answered(conn net.Conn) {
	c.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		c.Fatalf("no answer: %v", err)
	}
	if b, err := io.ReadAll(resp.Body); string(b) != "hello" {
		c.Fatalf("answered %q, %v", b, err)
	}
	synctest.Wait()
}

// open reports whether the service has not closed a connection that it has nothing to say on.
func (c *crowded) open(conn net.Conn) bool {
	c.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(time.Nanosecond)) // of the bubble's clock
	_, err := conn.Read(make([]byte, 1))
	_ = conn.SetReadDeadline(time.Time{})
	if err == nil {
		c.Fatal("the service says something")
	}
	return err != io.EOF
}

func (c *crowded) metric(name string) float64 {
	c.Helper()
	all, err := c.server.Registry.Gather()
	if err != nil {
		c.Fatal(err)
	}
	for _, f := range all {
		if m := f.GetMetric(); f.GetName() == name {
			return m[0].GetGauge().GetValue() + m[0].GetCounter().GetValue()
		}
	}
	c.Fatalf("no metric %s", name)
	return 0
}

func TestSilentConnectionsPushOutOneAnother(t *testing.T) {
	crowd(t, func(c *crowded) {
		working := c.dial(request("/slow"))
		var silent []net.Conn
		for range 40 {
			silent = append(silent, c.dial("GET /x HTTP/1.1\r\nX-Slow: ")) // a header that never ends
		}
		for i, conn := range silent {
			if open := c.open(conn); open != (i >= 37) {
				t.Errorf("silent connection %d is open: %t", i, open)
			}
		}
		spoke := []net.Conn{working}
		for range 4 { // who speaks gets in, each on a connection of its own
			conn := c.dial(request("/x"))
			c.answered(conn)
			spoke = append(spoke, conn)
		}
		close(c.letGo)
		c.answered(working)
		for range 3 { // of those that spoke, who waits longest goes
			c.dial("")
		}
		for i, conn := range spoke {
			if open := c.open(conn); open != (i == 0) {
				t.Errorf("connection %d of those that spoke is open: %t", i, open)
			}
		}
		if open, shed := c.metric("trefoil_http_connections"), c.metric("trefoil_http_connections_shed_total"); open != 4 || shed != 44 {
			t.Errorf("%v connections are open, %v were closed", open, shed)
		}
		if log := c.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, `service=baremetal connections=4 "most from"=pipe these=5`) {
			t.Errorf("the log says\n%s", log)
		}
	})
}

func TestRequestsUnderWayKeepTheirConnections(t *testing.T) {
	crowd(t, func(c *crowded) {
		var working []net.Conn
		for range 4 {
			working = append(working, c.dial(request("/slow")))
		}
		if c.open(c.dial("")) {
			t.Error("a fifth connection is open")
		}
		close(c.letGo)
		for _, conn := range working {
			c.answered(conn)
		}
		for _, conn := range working {
			conn.Close()
		}
		synctest.Wait()
		for range 5 { // the bound is met anew, and told anew
			c.dial("")
		}
		if log := c.log.String(); strings.Count(log, "\n") != 2 {
			t.Errorf("the log says\n%s", log)
		}
	})
}
