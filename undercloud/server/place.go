package server

import (
	"container/list"
	"context"
	"net"
	"time"
)

// place is what one connection takes of those that a service may have. HTTP/2 has many requests on one.
type place struct {
	of   *connections // whose mutex guards the rest
	conn net.Conn

	waits *list.Element // in of.waiting; nil: a request is under way
	since time.Time     // when waiting for the client began
	begun bool          // that a handler has the request (the first of several)
	// handled are the requests that handlers have; of awaited ones the handler waits for the client.
	handled, awaited int
}

// placeKey finds a connection in its requests' contexts.
type placeKey struct{}

// inContext is the ConnContext of an http.Server.
func inContext(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, placeKey{}, conn)
}

// placeOf is where a request is. That of a connection that was closed meanwhile counts no more.
func (c *connections) placeOf(ctx context.Context) *place {
	conn, _ := ctx.Value(placeKey{}).(net.Conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.all[conn]; p != nil {
		return p
	}
	return &place{of: c, conn: conn}
}

func (p *place) waitForRequest() {
	p.stopWaiting()
	p.since = time.Now()
	p.waits = p.of.waiting.PushBack(p)
}

func (p *place) stopWaiting() {
	if p.waits != nil {
		p.of.waiting.Remove(p.waits)
		p.waits = nil
	}
}

// stalls reports whether all that is under way waits for the client. Where handlers have ended and the connection
// is not idle yet, the client sends what nobody has read or takes the answer's rest.
func (p *place) stalls() bool { return p.waits == nil && p.begun && p.handled == p.awaited }

// begin says that a handler has a request.
func (p *place) begin() {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.begun = true
	p.handled++
}

// end says that the handler has ended.
func (p *place) end() {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.handled--
	p.noteWait(time.Now())
}

// await says that a handler waits for the client, since when; over ends it.
func (p *place) await(since time.Time) (over func()) {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.awaited++
	p.noteWait(since)
	return p.goOn
}

func (p *place) goOn() {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.awaited--
}

// noteWait keeps since of a place that does not wait for a request.
func (p *place) noteWait(since time.Time) {
	if p.waits == nil {
		p.since = since
	}
}
