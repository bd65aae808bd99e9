package manager

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"trefoil/internal/errs"
)

// foreign is a file system where modes are another's to change: an NFS server that
// squashes root, or a directory of another owner.
func foreign() disk { return disk{chmod: func(int, uint32) error { return unix.EPERM }} }

// TestAForeignDirectoryIsUsed: where the daemon can read and write, it goes on, and says
// what is open and who can close it; but not where everybody may write.
func TestAForeignDirectoryIsUsed(t *testing.T) {
	owner := "(user " + strconv.Itoa(os.Geteuid()) + ")"
	for _, c := range []struct {
		mode       fs.FileMode
		warns      string
		refuses    bool
		pretending bool // to have changed it
	}{
		{mode: 0o700}, {mode: 0o755}, {mode: 0o777 | fs.ModeSticky},
		{mode: 0o770, warns: "has mode 0770 and cannot be closed to its group: operation not permitted"},
		{mode: 0o775, warns: "has mode 0775 and cannot be closed to its group: the file system does not keep the mode", pretending: true},
		{mode: 0o777, refuses: true},
		{mode: 0o757, refuses: true, pretending: true},
	} {
		s := Settings{ConfigDir: filepath.Join(t.TempDir(), "vbmc")}
		if err := errors.Join(os.Mkdir(s.ConfigDir, 0o700), os.Chmod(s.ConfigDir, c.mode)); err != nil {
			t.Fatal(err)
		}
		d := foreign()
		if c.pretending {
			d.chmod = func(int, uint32) error { return nil }
		}
		var said error
		release, err := s.claim(d, func(err error) { said = err })
		if c.refuses {
			if !errs.Is(err, errs.Forbidden) || !strings.Contains(err.Error(), s.ConfigDir) || !strings.Contains(errs.HintOf(err), owner) || !strings.Contains(errs.HintOf(err), "another config_dir") {
				t.Errorf("%v: %v, hint %q", c.mode, err, errs.HintOf(err))
			}
			if _, err := os.Lstat(filepath.Join(s.ConfigDir, "vbmcd.lock")); err == nil {
				t.Errorf("%v: a refused directory was written to", c.mode)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%v: %v", c.mode, err)
		}
		release()
		switch {
		case c.warns == "" && said != nil:
			t.Errorf("%v: %v", c.mode, said)
		case c.warns != "" && (said == nil || !strings.Contains(said.Error(), s.ConfigDir+" "+c.warns) || !strings.Contains(errs.HintOf(said), owner+" do: chmod go= '"+s.ConfigDir+"'")):
			t.Errorf("%v: %v, hint %q; want %q", c.mode, said, errs.HintOf(said), c.warns)
		}
	}
}

// TestAForeignConfigurationIsUsed, and its BMC runs; each time that the file is read the
// log says what is open to whom.
func TestAForeignConfigurationIsUsed(t *testing.T) {
	m, _ := newManager(t)
	var log bytes.Buffer
	m.log = slog.New(slog.NewTextHandler(&log, nil))
	m.store.disk = foreign()
	c := config("a", freePort(t))
	c.Active = true
	dir, file := m.store.dir("a"), m.store.file("a")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(file, []byte(c.ini()), 0o600), os.Chmod(dir, 0o770), os.Chmod(file, 0o664)); err != nil {
		t.Fatal(err)
	}
	m.Sync()
	if s := status(t, m, "a"); s != StatusRunning {
		t.Errorf("the BMC is %s", s)
	}
	said := log.String()
	for _, want := range []string{
		dir + " has mode 0770 and cannot be closed to its group: operation not permitted",
		file + " has mode 0664 and cannot be closed to its group and others: operation not permitted",
		"do: chmod go= '" + file + "'", "domain=a", "level=WARN",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("log: %s, want %q in it", said, want)
		}
	}
	if strings.Contains(said, "pa%") {
		t.Errorf("the password is in the log: %s", said)
	}
	if f := modeOf(t, file); f != 0o664 {
		t.Errorf("mode %04o", f)
	}
}

// TestADirectoryThatCannotBeWritten is of no use: the refusal says who must be let in.
func TestADirectoryThatCannotBeWritten(t *testing.T) {
	s := Settings{ConfigDir: t.TempDir()}
	if err := os.Mkdir(filepath.Join(s.ConfigDir, "vbmcd.lock"), 0o700); err != nil { // also root cannot open it for writing
		t.Fatal(err)
	}
	_, err := s.Claim(func(error) {})
	if !errs.Is(err, errs.Forbidden) || !strings.Contains(errs.HintOf(err), "must be able to write to "+s.ConfigDir) {
		t.Errorf("%v, hint %q", err, errs.HintOf(err))
	}
}
