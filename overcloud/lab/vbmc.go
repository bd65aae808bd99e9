package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"trefoil/internal/errs"
)

// vbmcEnv points the vbmc command at the lab's daemon.
func (s *State) vbmcEnv() []string {
	return []string{"VIRTUALBMC_CONFIG=" + s.VBMCConfig(), "HOME=" + s.path("vbmc")}
}

// findVBMC looks for vbmc beside this program, then on PATH.
func findVBMC() (string, error) {
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "vbmc")
		if st, err := os.Stat(beside); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return beside, nil
		}
	}
	path, err := exec.LookPath("vbmc")
	if err != nil {
		return "", errs.New(errs.NotFound, "the vbmc program is neither beside openstack nor on PATH").
			WithHint("make build puts both into bin/")
	}
	return path, nil
}

// configureVBMC writes the daemon's configuration and a directory for each
// machine, in virtualbmc's own form. So the passwords are in files of mode 0600
// and never on a command line; active says that the daemon is to start it.
func configureVBMC(s *State) error {
	dir := s.path("vbmc")
	conf := fmt.Sprintf("[default]\nconfig_dir=%s\npid_file=%s/master.pid\n[log]\nlogfile=%s/vbmcd.log\n", dir, dir, dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the virtual BMCs' directory: %w", err)
	}
	if err := writeFile(s.VBMCConfig(), []byte(conf), 0o600); err != nil {
		return err
	}
	for i := range s.Machines {
		m := &s.Machines[i]
		if err := os.MkdirAll(filepath.Join(dir, m.Name), 0o700); err != nil {
			return fmt.Errorf("make the directory of vBMC %s: %w", m.Name, err)
		}
		if err := writeFile(filepath.Join(dir, m.Name, "config"), []byte(vbmcDomain(s, m)), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// vbmcDomain is one machine's file: an INI section whose values are read with
// Python's interpolation, where a percent sign is written twice.
func vbmcDomain(s *State, m *Sized) string {
	var b strings.Builder
	b.WriteString("[VirtualBMC]\n")
	for _, f := range [][2]string{
		{"domain_name", m.Name},
		{"username", m.VBMC.Username},
		{"password", m.VBMC.Password},
		{"port", strconv.Itoa(m.VBMC.Port)},
		{"address", s.Config.Network.HostAddress},
		{"libvirt_uri", s.LibvirtURI()},
		{"active", "True"},
	} {
		b.WriteString(f[0] + " = " + strings.ReplaceAll(f[1], "%", "%%") + "\n")
	}
	return b.String()
}

// vbmcStatus asks the daemon for each BMC's status by machine name. It must not
// start one that is not running: the lab's own daemon is known by its process.
func (m *Manager) vbmcStatus(ctx context.Context, s *State, vbmc string) (map[string]string, error) {
	out, err := m.inside(ctx, s, s.vbmcEnv(), vbmc, "--no-daemon", "list", "-f", "json")
	if err != nil {
		return nil, err
	}
	var rows []map[string]any
	if err := json.Unmarshal([]byte(out), &rows); err != nil {
		return nil, fmt.Errorf("read vbmc's list: %w", err)
	}
	status := map[string]string{}
	for _, r := range rows {
		status[fmt.Sprint(r["Domain name"])] = fmt.Sprint(r["Status"])
	}
	return status, nil
}

// awaitVBMC waits until every machine's BMC answers.
func (m *Manager) awaitVBMC(ctx context.Context, s *State, vbmc string) error {
	ctx, cancel := context.WithTimeout(ctx, vbmcPatience)
	defer cancel()
	begin := m.Now()
	for {
		status, err := m.vbmcStatus(ctx, s, vbmc)
		missing := ""
		for i := range s.Machines {
			if name := s.Machines[i].Name; status[name] != "running" {
				missing += fmt.Sprintf(" %s (%s)", name, orUnknown(status[name]))
			}
		}
		if err == nil && missing == "" {
			return nil
		}
		if err != nil && m.Now().Sub(begin) > vbmcStart && !s.vbmcAlive() {
			return fmt.Errorf("start the vbmc daemon: it ended (output: %s): %w", s.path("vbmc/vbmcd.out"), err)
		}
		select {
		case <-ctx.Done():
			if err != nil {
				return fmt.Errorf("ask the lab's vbmc daemon: %w (log: %s)", err, s.path("vbmc/vbmcd.log"))
			}
			return errs.New(errs.Unavailable, "virtual BMCs did not start in %s:%s", vbmcPatience, missing).
				WithHint("see %s; another program may hold the port", s.path("vbmc/vbmcd.log"))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func orUnknown(s string) string {
	if s == "" {
		return "not known"
	}
	return s
}

// startVBMC configures the daemon, starts it unless it runs, and waits for every BMC.
func (m *Manager) startVBMC(ctx context.Context, s *State, vbmc string) error {
	if !s.VBMCD.running() {
		if err := configureVBMC(s); err != nil {
			return err
		}
		if err := m.launchVBMC(ctx, s, vbmc); err != nil {
			return err
		}
	}
	if err := m.awaitVBMC(ctx, s, vbmc); err != nil {
		return err
	}
	return s.noteVBMCD()
}

// launchVBMC starts the lab's daemon in the background and notes its process.
func (m *Manager) launchVBMC(ctx context.Context, s *State, vbmc string) error {
	daemon := daemonCommand(vbmc)
	if s.Config.Private() {
		if err := m.endHalfStarted(ctx, s, "vbmc", "vbmcd"); err != nil {
			return err
		}
	}
	p, err := m.Start(s.vbmcEnv(), s.path("vbmc/vbmcd.out"), s.insideArgs(daemon...)...)
	if err != nil {
		return fmt.Errorf("start the vbmc daemon: %w", err)
	}
	s.VBMCD = p
	return s.save()
}

// daemonCommand is the daemon that belongs to a vbmc program: vbmcd beside it, as
// virtualbmc has it too and make build links it, else vbmc itself.
func daemonCommand(vbmc string) []string {
	vbmcd := filepath.Join(filepath.Dir(vbmc), "vbmcd")
	if st, err := os.Stat(vbmcd); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
		return []string{vbmcd, "--foreground"}
	}
	return []string{vbmc, "daemon", "--foreground"}
}

// vbmcAlive reports that the daemon runs, under the noted number or its own word.
func (s *State) vbmcAlive() bool {
	_, ok := processFromFile(s.path("vbmc/master.pid"))
	return ok || s.VBMCD.running()
}

// noteVBMCD takes the daemon's own word for its process, should it have gone to
// the background by itself.
func (s *State) noteVBMCD() error {
	p, ok := processFromFile(s.path("vbmc/master.pid"))
	if !ok || p == s.VBMCD {
		return nil
	}
	s.VBMCD = p
	return s.save()
}
