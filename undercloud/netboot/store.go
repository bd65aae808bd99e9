package netboot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// loadEntries reads every entry of the directory. A file that cannot be parsed
// is an error: an entry that is silently lost is a machine that hangs in its firmware.
func loadEntries(dir string) (map[string]*state, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("list boot entries: %w", err)
	}
	all := map[string]*state{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read boot entry: %w", err)
		}
		s := &state{}
		if err := json.Unmarshal(data, s); err != nil {
			return nil, fmt.Errorf("read boot entry %s: %w", name, err)
		}
		if id := strings.TrimSuffix(filepath.Base(name), ".json"); id != s.Entry.NodeUUID {
			return nil, fmt.Errorf("read boot entry %s: it is about node %q", name, s.Entry.NodeUUID)
		}
		all[s.Entry.NodeUUID] = s
	}
	return all, nil
}

// save replaces the entry's file so that a crash leaves the old or the new one.
// Params may hold the agent's token, hence mode 0600 (CreateTemp's default).
func save(dir string, s *state) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode boot entry: %w", err)
	}
	f, err := os.CreateTemp(dir, ".entry-*")
	if err != nil {
		return fmt.Errorf("write boot entry: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write boot entry: %w", err)
	}
	if err := os.Rename(f.Name(), entryPath(dir, s.Entry.NodeUUID)); err != nil {
		return fmt.Errorf("write boot entry: %w", err)
	}
	return nil
}

func drop(dir, nodeUUID string) error {
	err := os.Remove(entryPath(dir, nodeUUID))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove boot entry: %w", err)
	}
	return nil
}

func entryPath(dir, nodeUUID string) string { return filepath.Join(dir, nodeUUID+".json") }
