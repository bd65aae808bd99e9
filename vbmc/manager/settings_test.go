package manager

import (
	"os"
	"os/user"
	"path/filepath"
	"testing"
)

// Without $HOME, as in a service, "~" is what /etc/passwd says, and not the current directory.
func TestHomeWithoutTheVariable(t *testing.T) {
	u, err := user.Current()
	if err != nil || u.HomeDir == "" {
		t.Skip("this user has none: ", err)
	}
	t.Setenv("HOME", "")
	file := filepath.Join(t.TempDir(), "virtualbmc.conf")
	if err := os.WriteFile(file, []byte("[log]\nlogfile = ~/log\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := LoadSettings(func(k string) string { return map[string]string{"VIRTUALBMC_CONFIG": file}[k] })
	if err != nil || s.ConfigDir != filepath.Join(u.HomeDir, ".vbmc") || s.LogFile != filepath.Join(u.HomeDir, "log") {
		t.Errorf("%+v, %v", s, err)
	}
}
