package sqlite

import "sync"

// recent keeps rows of nodes that were asked for one by one until anything is written: clients ask for the same
// node again and again while they wait. While a transaction commits it knows nothing, so that nobody is told what
// another was told to be past. It holds texts, which nobody can change, and no nodes. Safe for concurrent use.
type recent struct {
	mu     sync.Mutex
	writes uint64                // begun and ended: it is odd while one commits
	rows   map[string]nodeRecord // by what was asked for, uuid or name
}

// Bounds of what is kept: rows, and bytes of each.
const (
	recentRows  = 1000
	recentBytes = 16 << 10
)

// get returns the row, if it is there, and otherwise what put needs to know.
func (c *recent) get(ident string) (row nodeRecord, ok bool, writes uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	row, ok = c.rows[ident]
	return row, ok, c.writes
}

// put keeps a row that was read after get, unless something was written since.
func (c *recent) put(ident string, row nodeRecord, writes uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if writes != c.writes || writes%2 == 1 || len(row.doc) > recentBytes {
		return
	}
	if len(c.rows) >= recentRows {
		clear(c.rows)
	}
	c.rows[ident] = row
}

// write is around a commit: it forgets all, and keeps nothing that was read before done is called.
func (c *recent) write() (done func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	clear(c.rows)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.writes++
	}
}
