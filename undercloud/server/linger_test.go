package server_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"trefoil/undercloud/server"
)

const tooLong = 24 << 20 // more than sockets hold between them

// limited serves an API that refuses long bodies; behind lies a wrapper, as each of ours has one.
func limited(t *testing.T) (addr string) {
	s := server.New(slog.New(slog.DiscardHandler))
	s.Add("limited", "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusOK
		if _, err := io.ReadAll(http.MaxBytesReader(struct{ http.ResponseWriter }{w}, r.Body, 1<<10)); err != nil {
			status = http.StatusRequestEntityTooLarge
		}
		w.WriteHeader(status)
	}))
	ctx, cancel := context.WithCancel(context.Background())
	ls, err := s.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, ls) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ls[0].Addr().String()
}

// A client that sends its whole body before it looks for an answer, as Python's do, finds one.
func TestARefusalIsSeenByWhoSendsAllFirst(t *testing.T) {
	addr := limited(t)
	chunk := bytes.Repeat([]byte("x"), 64<<10)
	for name, frame := range map[string][3]string{
		"of a length": {"Content-Length: " + strconv.Itoa(tooLong), "", ""},
		"in chunks":   {"Transfer-Encoding: chunked", "10000\r\n", "\r\n"},
	} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		w := bufio.NewWriter(c)
		w.WriteString("POST / HTTP/1.1\r\nHost: x\r\n" + frame[0] + "\r\n\r\n")
		for range tooLong / len(chunk) {
			w.WriteString(frame[1])
			w.Write(chunk)
			w.WriteString(frame[2])
		}
		if frame[1] != "" {
			w.WriteString("0\r\n\r\n")
		}
		if err := w.Flush(); err != nil {
			t.Fatalf("%s: the body could not be sent whole: %v", name, err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
}

// net/http's client sees the refusal each time, and the next request on its connection is answered.
func TestARefusalIsSeenByNetHTTP(t *testing.T) {
	url := "http://" + limited(t)
	body := strings.Repeat("x", 4<<20)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	post := func(body string, want int) {
		t.Helper()
		resp, err := client.Post(url, "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%d", resp.StatusCode)
		}
	}
	for range 100 {
		post(body, http.StatusRequestEntityTooLarge)
		post("short", http.StatusOK)
	}
}

// Who asks before he sends is answered, and nothing of the body is waited for.
func TestARefusalOfWhoAsksFirst(t *testing.T) {
	s := server.New(slog.New(slog.DiscardHandler))
	s.Add("closed", "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	ctx, cancel := context.WithCancel(context.Background())
	ls, err := s.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, ls) }()
	c, err := net.Dial("tcp", ls[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("%v %v", resp, err)
	}
	c.Close() // or the server would wait for it
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Who stalls in the middle of a body that nobody wants is answered and let go, though the connection stays open.
func TestARefusalOfWhoStalls(t *testing.T) {
	addr := limited(t)
	for name, head := range map[string]string{"unasked": "", "asked first": "Expect: 100-continue\r\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\n"+head+"Content-Length: 4000\r\n\r\n"+strings.Repeat("x", 2000))
			in := bufio.NewReader(c)
			for {
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode == http.StatusContinue {
					continue
				}
				if resp.StatusCode != http.StatusRequestEntityTooLarge {
					t.Error(resp.Status)
				}
				break
			}
			if _, err := in.ReadByte(); err != io.EOF {
				t.Errorf("the connection is kept: %v", err)
			}
		})
	}
}
