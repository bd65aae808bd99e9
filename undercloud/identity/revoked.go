package identity

import (
	"context"
	"sync"
	"time"
)

// memory keeps revoked tokens until they expire or the process ends.
type memory struct {
	now func() time.Time
	mu  sync.Mutex
	ids map[string]time.Time
}

var _ Revocations = (*memory)(nil)

func newMemory(now func() time.Time) *memory {
	return &memory{now: now, ids: map[string]time.Time{}}
}

// Revoke implements Revocations.
func (m *memory) Revoke(_ context.Context, id string, expires time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, t := range m.ids {
		if !m.now().Before(t) {
			delete(m.ids, k)
		}
	}
	m.ids[id] = expires
	return nil
}

// Revoked implements Revocations.
func (m *memory) Revoked(_ context.Context, id string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.ids[id]
	return ok, nil
}
