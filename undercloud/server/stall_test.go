package server_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// head is a request whose body does not come.
func head(path string, length int) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", path, length)
}

// says sends more on a connection, and waits until the service has nothing to do.
func (c *crowded) says(conn net.Conn, text string) {
	c.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		c.Fatal(err)
	}
	synctest.Wait()
}

// left checks which of some connections the service has left open.
func (c *crowded) left(what string, conns []net.Conn, open ...bool) {
	c.Helper()
	for i, conn := range conns {
		if is := c.open(conn); is != open[i] {
			c.Errorf("%s %d is open: %t", what, i, is)
		}
	}
}

func TestWhoStallsGivesWay(t *testing.T) {
	for name, says := range map[string]string{
		"a body that a handler takes":             head("/body", 100),
		"a body that nobody takes":                head("/x", 100),
		"a payload that waits for a place":        head("/open", 2<<20),
		"an answer that its client does not take": request("/endless"),
	} {
		t.Run(name, func(t *testing.T) {
			crowd(t, func(c *crowded) {
				c.server.Limits.Large = 1
				conns := []net.Conn{c.dial(request("/slow"))}
				for range 3 {
					time.Sleep(time.Second)
					conns = append(conns, c.dial(says))
				}
				time.Sleep(time.Second)
				spoke := []net.Conn{c.dial(request("/x"))}
				c.answered(spoke[0])
				if says != request("/endless") { // it has begun to say something
					c.left("connection", conns, true, false, true, true)
				}
				time.Sleep(200 * time.Millisecond)
				spoke = append(spoke, c.dial(request("/x")))
				c.answered(spoke[1])
				c.left("connection of who speaks", spoke, true, true)
				close(c.letGo)
				c.answered(conns[0])
				if shed := c.metric("trefoil_http_connections_shed_total"); shed != 2 {
					t.Errorf("%v were closed", shed)
				}
			})
		})
	}
}

// A keep-alive connection costs its client nothing, half an image does.
func TestWhoWaitsBetweenRequestsGivesWayFirst(t *testing.T) {
	crowd(t, func(c *crowded) {
		half := c.dial(head("/body", 4))
		c.says(half, "12")
		time.Sleep(time.Minute)
		var idle []net.Conn
		for range 3 {
			idle = append(idle, c.dial(request("/x")))
			c.answered(idle[len(idle)-1])
		}
		time.Sleep(2 * time.Second)
		c.dial("")
		c.left("idle connection", idle, false, true, true)
		c.says(half, "34")
		c.answered(half)
	})
}

// A new client has a second to say something: who stalls in thousands does not push him out by a few new ones.
func TestANewClientIsNotPushedOutByWhoStalls(t *testing.T) {
	crowd(t, func(c *crowded) {
		for range 4 {
			c.dial(head("/body", 100))
		}
		time.Sleep(time.Second)
		slow := c.dial("GET /x HTT")
		for range 3 {
			time.Sleep(100 * time.Millisecond)
			c.dial(head("/body", 100))
		}
		c.says(slow, "P/1.1\r\nHost: h\r\n\r\n")
		c.answered(slow)
	})
}

// Who sends a byte now and then stalls as much as who sends none; a body that comes is not broken off.
func TestABodyThatComesIsNotBrokenOff(t *testing.T) {
	const step = 16 << 10
	crowd(t, func(c *crowded) {
		conns := []net.Conn{c.dial(request("/slow")), c.dial(request("/slow")), c.dial(head("/body", 1<<20)), c.dial(head("/body", 1<<20))}
		for range 50 {
			time.Sleep(time.Second)
			c.says(conns[2], strings.Repeat("x", step))
			c.says(conns[3], "x")
		}
		c.dial(head("/slow", 0))
		c.left("connection", conns, true, true, true, false)
		if c.open(c.dial("")) {
			t.Error("one more is open")
		}
		c.left("connection", conns[:3], true, true, true)
		time.Sleep(time.Second)
		c.dial("")
		c.left("connection", conns[:3], true, true, false)
		close(c.letGo)
		c.answered(conns[0])
	})
}

// TLS takes leave of a client before it closes, and waits for one that does not read.
func TestATLSClientThatDoesNotReadIsNotWaitedFor(t *testing.T) {
	secureCrowd(t, func(c *crowded) {
		raw := c.dial("")
		cfg := c.client.Transport.(*http.Transport).TLSClientConfig.Clone()
		cfg.ServerName = "127.0.0.1"
		conn := tls.Client(raw, cfg)
		c.says(conn, request("/x"))
		c.answered(conn)
		time.Sleep(time.Minute)
		began := time.Now()
		for range 4 {
			c.dial("")
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("new connections waited for %s", took)
		}
		c.left("connection", []net.Conn{raw}, false)
	})
}

func TestAConnectionOfHTTP2GivesWayWhenItIsIdleOrAllItsRequestsStall(t *testing.T) {
	secureCrowd(t, func(c *crowded) {
		dials := 0
		tr := c.client.Transport.(*http.Transport)
		tr.DialContext = func(context.Context, string, string) (net.Conn, error) { dials++; return c.dial(""), nil }
		defer tr.CloseIdleConnections()
		send := func(path string, body io.Reader) error {
			resp, err := c.client.Post("https://127.0.0.1"+path, "text/plain", body)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if b, err := io.ReadAll(resp.Body); string(b) != "hello" || resp.ProtoMajor != 2 {
				t.Errorf("%s: %s %q %v", path, resp.Proto, b, err)
			}
			return nil
		}
		fill := func() { // with new ones, one too many
			time.Sleep(2 * time.Second)
			for range 4 {
				c.dial("")
			}
			time.Sleep(20 * time.Second) // to the end of those that shook no hands
		}
		ask := func(path string, want int) {
			t.Helper()
			if err := send(path, nil); err != nil || dials != want {
				t.Errorf("%s: %v, on connection %d", path, err, dials)
			}
		}
		ask("/x", 1)
		fill()
		ask("/x", 2)
		later := make(chan error, 2)
		body, more := io.Pipe()
		go func() { later <- send("/slow", nil) }()
		go func() { later <- send("/body", body) }()
		synctest.Wait()
		fill() // one of its requests is worked on
		ask("/x", 2)
		close(c.letGo)
		if err := <-later; err != nil {
			t.Error(err)
		}
		fill()
		if err := <-later; err == nil {
			t.Error("a stalled request kept its place")
		}
		more.Close()
		ask("/x", 3)
	})
}
