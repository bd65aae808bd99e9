package manager

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Settings is the daemon's own configuration (virtualbmc.conf).
type Settings struct {
	ConfigDir     string
	PIDFile       string
	LogFile       string // "": stderr in the foreground, ConfigDir/vbmcd.log in the background
	Debug         bool
	ShowPasswords bool
	Metrics       string        // address of the Prometheus endpoint; "": none
	Rescan        time.Duration // server_spawn_wait: how often edited configurations are looked for
}

// Socket is the path of the control socket.
func (s Settings) Socket() string { return filepath.Join(s.ConfigDir, "vbmcd.sock") }

// Leftovers is the directory of boot orders that are still to be put back.
func (s Settings) Leftovers() string { return filepath.Join(s.ConfigDir, ".boot-orders") }

// DaemonLog is where a daemon in the background writes.
func (s Settings) DaemonLog() string {
	if s.LogFile != "" {
		return s.LogFile
	}
	return filepath.Join(s.ConfigDir, "vbmcd.log")
}

// LoadSettings reads the first that exists of $VIRTUALBMC_CONFIG,
// ~/.vbmc/virtualbmc.conf and /etc/virtualbmc/virtualbmc.conf; without any of
// them the defaults hold. A file named by the variable must exist.
func LoadSettings(getenv func(string) string) (Settings, error) {
	home := getenv("HOME")
	if home == "" {
		home, _ = os.UserHomeDir()
	}
	candidates := []string{filepath.Join(home, ".vbmc", "virtualbmc.conf"), "/etc/virtualbmc/virtualbmc.conf"}
	explicit := getenv("VIRTUALBMC_CONFIG")
	if explicit != "" {
		candidates = []string{explicit}
	}
	s := Settings{ConfigDir: filepath.Join(home, ".vbmc"), Rescan: 3 * time.Second}
	for _, path := range candidates {
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) && explicit == "" {
			continue
		}
		if err != nil {
			return s, fmt.Errorf("read configuration: %w", err)
		}
		if err := s.read(path, string(raw), home); err != nil {
			return s, err
		}
		break
	}
	if s.PIDFile == "" {
		s.PIDFile = filepath.Join(s.ConfigDir, "master.pid")
	}
	return s, nil
}

func (s *Settings) read(path, text, home string) error {
	ini, err := parseINI(path, text)
	if err != nil {
		return err
	}
	def, log := ini["default"], ini["log"]
	if v := def["config_dir"]; v != "" {
		s.ConfigDir = expand(v, home)
	}
	if v := def["pid_file"]; v != "" {
		s.PIDFile = expand(v, home)
	}
	s.LogFile = expand(log["logfile"], home)
	if v := ini["metrics"]["listen"]; v != "" {
		if _, _, err := net.SplitHostPort(v); err != nil {
			return fmt.Errorf("%s: [metrics] listen = %q: expected ADDRESS:PORT, for example 127.0.0.1:9290", path, v)
		}
		s.Metrics = v
	}
	if v := def["server_spawn_wait"]; v != "" {
		ms, err := strconv.Atoi(v)
		if err != nil || ms < 100 {
			return fmt.Errorf("%s: [default] server_spawn_wait = %q: expected milliseconds, at least 100", path, v)
		}
		s.Rescan = time.Duration(ms) * time.Millisecond
	}
	if s.ShowPasswords, err = boolean(path, "show_passwords", def["show_passwords"]); err != nil {
		return err
	}
	s.Debug, err = boolean(path, "debug", log["debug"])
	return err
}

func boolean(path, key, v string) (bool, error) {
	switch strings.ToLower(v) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, fmt.Errorf("%s: %s = %q: expected true or false", path, key, v)
}

func expand(path, home string) string {
	if path == "~" || strings.HasPrefix(path, "~/") {
		return filepath.Join(home, path[1:])
	}
	return path
}
