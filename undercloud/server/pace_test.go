package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"trefoil/undercloud/server"
)

// pipes is a listener without a kernel: its connections live in a synctest bubble, whose clock runs as
// soon as nobody has anything to do.
type pipes struct {
	come chan net.Conn
	over chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.come:
		return c, nil
	case <-p.over:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.over); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "pipe"} }

// piped serves h in the bubble with the limits that the undercloud has, and returns what connects and what
// runs a function beside the test, until the connections are closed.
func piped(t *testing.T, h http.HandlerFunc, secure ...*tls.Config) (dial func() net.Conn, beside func(func())) {
	s := server.New(slog.New(slog.DiscardHandler))
	s.Stranger = func(r *http.Request) bool { return r.URL.Path == "/open" }
	svc := server.Service{Name: "piped", Handler: h}
	if len(secure) > 0 {
		svc.TLS = secure[0]
	}
	s.AddService(svc)
	l := &pipes{make(chan net.Conn), make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, []net.Listener{l}) }()
	var others sync.WaitGroup
	t.Cleanup(func() {
		others.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return func() net.Conn {
		near, far := net.Pipe()
		t.Cleanup(func() { near.Close() })
		l.come <- far
		return near
	}, others.Go
}

// begin sends the head of a request and what follows.
func begin(c net.Conn, path string, length int, more string) {
	_, _ = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, length, more)
}

func answered(t *testing.T, c net.Conn) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// takes reads a body whole, as most of our handlers do.
func takes(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprint(w, len(b))
}

func TestWhoStopsSendingIsLetGo(t *testing.T) {
	for name, send := range map[string]func(net.Conn){
		"silence":                func(net.Conn) {},
		"a byte now and then":    func(c net.Conn) { trickle(c, "x", 10*time.Second) },
		"a few bytes, for hours": func(c net.Conn) { trickle(c, strings.Repeat("x", 400), 9*time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dial, beside := piped(t, takes)
				c := dial()
				began := time.Now()
				begin(c, "/", 32<<20, strings.Repeat("x", 1<<20))
				beside(func() { send(c) })
				if resp, text := answered(t, c); resp.StatusCode != http.StatusBadRequest || !strings.Contains(text, "timeout") {
					t.Errorf("%s %s", resp.Status, text)
				}
				if took := time.Since(began); took > 6*time.Minute {
					t.Errorf("let go after %s", took)
				}
				if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
					t.Errorf("the connection stays: %v", err)
				}
			})
		})
	}
}

// trickle sends text again and again until nobody listens.
func trickle(c net.Conn, text string, pause time.Duration) {
	for {
		time.Sleep(pause)
		if _, err := io.WriteString(c, text); err != nil {
			return
		}
	}
}

// What a stranger sends is held in memory until it is whole: slow is not enough.
func TestAStrangersPayloadComesSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, beside := piped(t, takes)
		c := dial()
		began := time.Now()
		begin(c, "/open", 1<<20, "x")
		beside(func() { trickle(c, strings.Repeat("x", 16<<10), 50*time.Second) })
		if resp, _ := answered(t, c); resp.StatusCode != http.StatusBadRequest || time.Since(began) > 6*time.Minute {
			t.Errorf("%s after %s", resp.Status, time.Since(began))
		}
	})
}

func TestASlowBodyComesWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, beside := piped(t, takes)
		c := dial()
		const step, steps = 16 << 10, 200
		beside(func() {
			begin(c, "/", step*steps, "")
			for range steps {
				time.Sleep(50 * time.Second)
				_, _ = io.WriteString(c, strings.Repeat("x", step))
			}
		})
		if resp, text := answered(t, c); resp.StatusCode != http.StatusOK || text != fmt.Sprint(step*steps) {
			t.Errorf("%s %s", resp.Status, text)
		}
		begin(c, "/", 3, "yes") // the connection is as good as new
		if resp, text := answered(t, c); resp.StatusCode != http.StatusOK || text != "3" {
			t.Errorf("%s %s", resp.Status, text)
		}
	})
}

// A handler that thinks long between two looks at the body, or behind its end, takes nobody's time.
func TestAHandlerMayThink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, beside := piped(t, func(w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadFull(r.Body, make([]byte, 10))
			time.Sleep(3 * time.Hour)
			for range 2 { // as decoders do that look for more
				if err == nil {
					_, err = io.ReadAll(r.Body)
				}
			}
			time.Sleep(3 * time.Hour)
			fmt.Fprint(w, err, r.Context().Err())
		})
		c := dial()
		beside(func() { begin(c, "/", 100<<10, strings.Repeat("x", 100<<10)) })
		if _, text := answered(t, c); text != "<nil> <nil>" {
			t.Error(text)
		}
	})
}

func TestASlowReaderGetsAllAndWhoReadsNothingIsLetGo(t *testing.T) {
	const size = 5 << 20
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 2)
		dial, _ := piped(t, func(w http.ResponseWriter, _ *http.Request) {
			_, err := w.Write(bytes.Repeat([]byte("x"), size))
			ended <- err
		})
		slow := dial()
		begin(slow, "/", 0, "")
		resp, err := http.ReadResponse(bufio.NewReaderSize(slow, 16), nil)
		if err != nil {
			t.Fatal(err)
		}
		for got := 0; got < size; {
			n, err := io.CopyN(io.Discard, resp.Body, min(64<<10, int64(size-got)))
			if got += int(n); err != nil {
				t.Fatalf("behind %d bytes: %v", got, err)
			}
			time.Sleep(2 * time.Minute)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		gone := dial()
		begin(gone, "/", 0, "")
		if err := <-ended; err == nil {
			t.Error("all was written to a client that reads nothing")
		}
	})
}

func TestAStreamMayBeSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, beside := piped(t, func(w http.ResponseWriter, r *http.Request) {
			for range 3 {
				fmt.Fprint(w, "tick\n")
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Error(err)
				}
				time.Sleep(2 * time.Hour)
			}
		})
		c := dial()
		beside(func() { begin(c, "/", 0, "") })
		if _, text := answered(t, c); text != "tick\ntick\ntick\n" {
			t.Errorf("%q", text)
		}
	})
}

// In HTTP/2 a deadline that passes ends a stream though nothing is being written.
func TestAStreamOfHTTP2MayBeSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, cfg := selfSigned(t)
		dial, _ := piped(t, func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				t.Error(err)
			}
			for range 3 {
				fmt.Fprint(w, "tick\n")
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Error(err)
				}
				time.Sleep(2 * time.Hour)
			}
		}, cfg)
		client.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) { return dial(), nil }
		defer client.CloseIdleConnections()
		resp, err := client.Post("https://127.0.0.1/", "text/plain", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "tick\ntick\ntick\n" || resp.ProtoMajor != 2 {
			t.Errorf("%s %q %v", resp.Proto, b, err)
		}
	})
}

// Nor does one that passes while a handler thinks between two reads.
func TestAHandlerOfHTTP2MayThink(t *testing.T) {
	const size = 3 << 20
	synctest.Test(t, func(t *testing.T) {
		client, cfg := selfSigned(t)
		dial, _ := piped(t, func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadFull(r.Body, make([]byte, 10)); err != nil {
				t.Error(err)
			}
			time.Sleep(3 * time.Hour)
			rest, err := io.ReadAll(r.Body)
			fmt.Fprint(w, len(rest), err)
		}, cfg)
		client.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) { return dial(), nil }
		defer client.CloseIdleConnections()
		resp, err := client.Post("https://127.0.0.1/", "text/plain", strings.NewReader(strings.Repeat("x", size)))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); err != nil || string(b) != fmt.Sprint(size-10, nil) || resp.ProtoMajor != 2 {
			t.Errorf("%s %q %v", resp.Proto, b, err)
		}
	})
}

// Of strangers' large payloads a few are in memory at once, each for a while; what is small, and what comes
// from whoever is known, passes by them.
func TestStrangersLargePayloadsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, beside := piped(t, takes)
		for range 4 {
			c := dial()
			begin(c, "/open", 32<<20, "x")
			beside(func() { trickle(c, strings.Repeat("x", 32<<10), 50*time.Second) }) // fast enough for a body
			beside(func() { _, _ = io.Copy(io.Discard, c) })
		}
		began := time.Now()
		post := func(path string, size, want int) *http.Response {
			t.Helper()
			c := dial()
			defer c.Close()
			beside(func() { begin(c, path, size, strings.Repeat("x", size)) })
			resp, text := answered(t, c)
			if resp.StatusCode != want {
				t.Errorf("%s with %d bytes: %s %s", path, size, resp.Status, text)
			}
			return resp
		}
		post("/open", 1<<20, http.StatusOK)
		post("/known", 2<<20, http.StatusOK)
		if time.Since(began) > 0 {
			t.Error("they waited")
		}
		if resp := post("/open", 2<<20, http.StatusServiceUnavailable); resp.Header.Get("Retry-After") != "11" {
			t.Errorf("Retry-After %q", resp.Header.Get("Retry-After"))
		}
		time.Sleep(2 * time.Minute)
		post("/open", 2<<20, http.StatusOK)
	})
}

// The same over real connections, with TLS and HTTP/2, where deadlines are a stream's and not a connection's.
func TestWhoDoesNotGoOnIsLetGoOverSockets(t *testing.T) {
	for _, secure := range []bool{false, true} {
		ended := make(chan error, 2)
		s := server.New(slog.New(slog.DiscardHandler))
		s.Limits.BodyIdle, s.Limits.AnswerIdle = 500*time.Millisecond, 500*time.Millisecond
		svc := server.Service{Name: "sockets", Addr: "127.0.0.1:0", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var err error
			if r.URL.Path == "/body" {
				_, err = io.ReadAll(r.Body)
			}
			for chunk := make([]byte, 1<<20); r.URL.Path == "/answer" && err == nil; {
				_, err = w.Write(chunk)
			}
			ended <- err
		})}
		client, scheme := &http.Client{}, "http://"
		if secure {
			client, svc.TLS = selfSigned(t)
			scheme = "https://"
		}
		s.AddService(svc)
		ctx, cancel := context.WithCancel(t.Context())
		ls, err := s.Listen(ctx)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx, ls) }()
		url := scheme + ls[0].Addr().String()

		half, more := io.Pipe()
		go more.Write([]byte("half")) // and nothing then
		if resp, err := client.Post(url+"/body", "text/plain", half); err == nil {
			resp.Body.Close()
		}
		if err := <-ended; err == nil {
			t.Errorf("%s: a body without an end was read whole", scheme)
		}
		more.Close()
		resp, err := client.Get(url + "/answer")
		if err != nil {
			t.Fatal(err)
		}
		if secure != (resp.ProtoMajor == 2) {
			t.Errorf("%s: %s", scheme, resp.Proto)
		}
		if err := <-ended; err == nil {
			t.Errorf("%s: all was written", scheme)
		}
		resp.Body.Close()
		client.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
