package manager

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"trefoil/internal/errs"
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
	Patience      time.Duration // server_response_timeout: how long a command waits until the daemon takes it

	Odd []error // what may not be as it was meant; none of it keeps a daemon from working
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
	home, err := homeOf(getenv)
	if err != nil {
		return Settings{}, err
	}
	candidates := []string{filepath.Join(home, ".vbmc", "virtualbmc.conf"), "/etc/virtualbmc/virtualbmc.conf"}
	explicit := getenv("VIRTUALBMC_CONFIG")
	if explicit != "" {
		candidates = []string{explicit}
	}
	s := Settings{ConfigDir: filepath.Join(home, ".vbmc"), Rescan: 3 * time.Second, Patience: 5 * time.Second}
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

// homeOf is where "~" leads, as in Python's expanduser: a service, or what it starts, may
// have no $HOME, and a directory of secrets below whatever is current must not be made.
func homeOf(getenv func(string) string) (string, error) {
	if home := getenv("HOME"); home != "" {
		return home, nil
	}
	u, err := user.Current()
	if err != nil || u.HomeDir == "" {
		return "", errs.New(errs.Invalid, "user %d has no home directory: HOME is not set and /etc/passwd does not tell it", os.Getuid()).
			WithHint("set HOME; .vbmc is looked for there")
	}
	return u.HomeDir, nil
}

func (s *Settings) read(path, text, home string) error {
	f, err := parseINI(path, text)
	if err != nil {
		return err
	}
	s.Odd = oddSettings(f)
	if v := f.text("default", "config_dir"); v != "" {
		s.ConfigDir = expand(v, home)
	}
	if v := f.text("default", "pid_file"); v != "" {
		s.PIDFile = expand(v, home)
	}
	if v := f.text("log", "logfile"); v != "" {
		if s.LogFile, err = filepath.Abs(expand(v, home)); err != nil { // the daemon works in another directory
			return fmt.Errorf("%s: [log] logfile: %w", f.place("log", "logfile"), err)
		}
	}
	if v := f.text("metrics", "listen"); v != "" {
		if _, _, err := net.SplitHostPort(v); err != nil {
			return f.wrong("metrics", "listen", "ADDRESS:PORT, for example 127.0.0.1:9290")
		}
		s.Metrics = v
	}
	if err := f.milliseconds("default", "server_spawn_wait", &s.Rescan); err != nil {
		return err
	}
	if err := f.milliseconds("default", "server_response_timeout", &s.Patience); err != nil {
		return err
	}
	if s.ShowPasswords, err = f.boolean("default", "show_passwords"); err != nil {
		return err
	}
	s.Debug, err = f.boolean("log", "debug")
	return err
}

// milliseconds reads a time, if it is there.
func (f iniFile) milliseconds(section, key string, into *time.Duration) error {
	v := f.text(section, key)
	if v == "" {
		return nil
	}
	ms, err := strconv.Atoi(v)
	if err != nil || ms < 100 {
		return f.wrong(section, key, "milliseconds, at least 100")
	}
	*into = time.Duration(ms) * time.Millisecond
	return nil
}

func expand(path, home string) string {
	if path == "~" || strings.HasPrefix(path, "~/") {
		return filepath.Join(home, path[1:])
	}
	return path
}
