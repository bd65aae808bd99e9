package api

import (
	"bytes"
	"fmt"
	"net/http"
	"sync"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// Most requests are of clients that ask again and again about nodes that have not changed since. To read a
// node and to write it as JSON takes several times as long as to find it, so its text is kept.

// nodeTexts keeps nodes as they stand in answers to those who may see all. A text belongs to one version of
// one node, which never becomes another thing: none can be out of date, and none has to be taken
// back. Those that nobody has asked for in a while are let go. The zero value is ready; safe for concurrent use.
type nodeTexts struct {
	mu           sync.Mutex
	newer, older map[textKey][]byte
	size         int // of newer
}

// textKey is all that a text depends on.
type textKey struct {
	id, version int64
	minor       int    // of the API's version
	single      bool   // the node stands alone: see field.onDemand
	base        string // what its links begin with
}

const (
	keptTexts   = 8 << 20 // bytes in all: 4000 nodes in detail
	longestText = 64 << 10
	textCosts   = 100 // bytes of an entry beside its texts, about
)

func (t *nodeTexts) find(k textKey) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := t.newer[k]; text != nil {
		return text
	}
	text := t.older[k]
	if text != nil {
		t.put(k, text)
	}
	return text
}

// keep remembers a copy of a text and returns it; nobody may change that.
func (t *nodeTexts) keep(k textKey, text []byte) []byte {
	text = bytes.Clone(text) // as long as it is: written texts have room behind them
	if len(text)+len(k.base) <= longestText {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.put(k, text)
	}
	return text
}

// put adds to the newer texts. When they have their half of the room, the older ones go.
func (t *nodeTexts) put(k textKey, text []byte) {
	size := len(text) + len(k.base) + textCosts
	if t.newer == nil || t.size+size > keptTexts/2 {
		t.newer, t.older, t.size = map[textKey][]byte{}, t.newer, 0
	}
	t.newer[k] = text
	t.size += size
}

// nodeText is a whole node for a caller who may see all of it; for others it depends on who they are.
func (s *server) nodeText(c *call, stored ironic.StoredNode, single bool) ([]byte, error) {
	key := textKey{stored.ID, stored.Version, c.version, single, c.base()}
	if text := s.texts.find(key); text != nil {
		return text, nil
	}
	n, err := stored.Read()
	if err != nil {
		return nil, err
	}
	c.row = s.nodes.render(c.row[:0], c, n, nil, single)
	if c.text, err = appendObject(c.text[:0], c.row); err != nil {
		return nil, fmt.Errorf("encode node %s: %w", n.UUID, err)
	}
	return s.texts.keep(key, c.text), nil
}

// showWholeNode answers GET of a node.
func (s *server) showWholeNode(c *call) error {
	ident := c.r.PathValue("node")
	stored, err := s.store.StoredNode(c.ctx(), ident)
	if errs.Is(err, errs.NotFound) {
		return noNode(ident)
	}
	if err != nil {
		return fmt.Errorf("read node: %w", err)
	}
	text, err := s.nodeText(c, stored, true)
	if err != nil {
		return err
	}
	return c.raw(http.StatusOK, text)
}

// sendWholeNodes answers a list in detail.
func (s *server) sendWholeNodes(c *call, path string, l *listQuery, filter ironic.NodeFilter) (err error) {
	if filter.Page, err = pageOf(c, s.nodes, l); err != nil {
		return err
	}
	rows, err := s.store.StoredNodes(c.ctx(), filter)
	if err != nil {
		return err
	}
	texts, length := make([][]byte, len(rows)), 1<<10 // with the link to the next page
	for i, row := range rows {
		if texts[i], err = s.nodeText(c, row, false); err != nil {
			return err
		}
		length += len(texts[i]) + 1
	}
	body := append(make([]byte, 0, length), `{"nodes":[`...)
	for i, text := range texts {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, text...)
	}
	last := ""
	if len(rows) > 0 && len(rows) >= filter.Limit {
		last = rows[len(rows)-1].UUID
	}
	return c.endPage(body, path, l, nil, last)
}
