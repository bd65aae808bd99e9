package virt

import (
	"os"
	"path/filepath"
	"testing"
)

// TestStateOfAnEarlierVersion: what it still had to put back is not forgotten.
func TestStateOfAnEarlierVersion(t *testing.T) {
	f := FileStore{filepath.Join(t.TempDir(), "state.json")}
	if err := os.WriteFile(f.Path, []byte(`{"repair":{"before":{},"wrote":{}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := f.Load()
	if err != nil || len(s.Undo) != 1 || !s.Undo[0].Start {
		t.Errorf("%+v, %v", s, err)
	}
}
