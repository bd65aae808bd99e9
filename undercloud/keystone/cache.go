package keystone

import (
	"container/list"
	"crypto/sha256"
	"time"
)

// digest stands for a token in memory.
type digest [sha256.Size]byte

// cache remembers answers for a time, at most size of them: the oldest goes first. Not
// safe for concurrent use.
type cache struct {
	size    int
	entries map[digest]*list.Element
	order   *list.List // of remembered, the oldest in front
}

type remembered struct {
	id    digest
	token *token
	until time.Time
}

func newCache(size int) *cache {
	return &cache{size: size, entries: map[digest]*list.Element{}, order: list.New()}
}

// get returns what is remembered at the time now.
func (c *cache) get(id digest, now time.Time) (*token, bool) {
	e, ok := c.entries[id]
	if !ok {
		return nil, false
	}
	r := e.Value.(remembered)
	if !now.Before(r.until) {
		c.drop(e)
		return nil, false
	}
	return r.token, true
}

// put remembers an answer until a time; one that is over already is not.
func (c *cache) put(id digest, t *token, now, until time.Time) {
	if e, ok := c.entries[id]; ok {
		c.drop(e)
	}
	if !now.Before(until) {
		return
	}
	for len(c.entries) >= c.size {
		c.drop(c.order.Front())
	}
	c.entries[id] = c.order.PushBack(remembered{id, t, until})
}

func (c *cache) drop(e *list.Element) {
	delete(c.entries, c.order.Remove(e).(remembered).id)
}
