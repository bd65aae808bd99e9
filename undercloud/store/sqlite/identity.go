package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"trefoil/undercloud/identity"
)

// Revocations keeps revoked tokens across restarts.
type Revocations struct {
	db  *DB
	now func() time.Time
}

var _ identity.Revocations = (*Revocations)(nil)

// NewRevocations returns the store of revoked tokens in db.
func NewRevocations(db *DB) *Revocations { return &Revocations{db: db, now: time.Now} }

// Revoke implements identity.Revocations; it also forgets what has expired.
func (r *Revocations) Revoke(ctx context.Context, id string, expires time.Time) error {
	return r.db.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM revoked_tokens WHERE expires_at < ?", r.now().Unix()); err != nil {
			return fmt.Errorf("forget expired tokens: %w", err)
		}
		_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO revoked_tokens (id, expires_at) VALUES (?, ?)", id, expires.Unix())
		if err != nil {
			return fmt.Errorf("write revoked token: %w", err)
		}
		return nil
	})
}

// Revoked implements identity.Revocations.
func (r *Revocations) Revoked(ctx context.Context, id string) (bool, error) {
	var one int
	err := r.db.read.QueryRowContext(ctx, "SELECT 1 FROM revoked_tokens WHERE id = ?", id).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
