package sqlite_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trefoil/overcloud/stack"
	"trefoil/undercloud/store/sqlite"
	"trefoil/undercloud/store/storetest"
)

func openDB(t *testing.T) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	check(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestPlans(t *testing.T) {
	storetest.RunPlans(t, func(t *testing.T) stack.Store { return openDB(t) })
}

// What was deployed before there were plans becomes the plan of its name, with its passwords.
func TestStacksBecomePlans(t *testing.T) {
	db := openDB(t)
	when := time.Date(2020, 8, 14, 8, 39, 21, 5, time.UTC)
	check(t, db.CreateStack(t.Context(), &stack.Stack{ID: "1", Name: "overcloud", CreatedAt: when, Passwords: map[string]string{"AdminPassword": "x"},
		Input: stack.Input{Environments: []string{"e.yaml"}}}))
	migration, err := os.ReadFile("migrations/00031_plan.sql")
	check(t, err)
	_, insert, _ := strings.Cut(string(migration), "INSERT INTO")
	check(t, db.Update(t.Context(), func(tx *sql.Tx) error { _, err := tx.ExecContext(t.Context(), "INSERT INTO"+insert); return err }))
	p, err := db.Plan(t.Context(), "overcloud")
	check(t, err)
	if p.Passwords["AdminPassword"] != "x" || p.Version != 1 || !p.CreatedAt.Equal(when) || len(p.Input.Environments) != 1 {
		t.Errorf("%+v", p)
	}
}
