package sqlite

import (
	"path/filepath"
	"testing"

	"trefoil/ironic"
	"trefoil/undercloud/store/storetest"
)

func open1(t *testing.T, path string) *DB {
	t.Helper()
	d, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestStoreKeepsItsContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) ironic.Store { return open1(t, filepath.Join(t.TempDir(), "state.db")) })
}

func TestNodesSurviveReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	d := open1(t, path)
	if err := d.CreateNode(t.Context(), &ironic.Node{UUID: "u", Name: "a"}); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := open1(t, path).Node(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}
