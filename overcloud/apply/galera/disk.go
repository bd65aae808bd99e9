package galera

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Folders of a machine.
type Folders struct {
	Data string // /var/lib/mysql
	Run  string // /run/mysqld: what is forgotten at a reboot
}

// Debian are the folders of Debian's packages.
func Debian() Folders { return Folders{Data: "/var/lib/mysql", Run: "/run/mysqld"} }

func (f Folders) grastate() string { return filepath.Join(f.Data, "grastate.dat") }
func (f Folders) gvwstate() string { return filepath.Join(f.Data, "gvwstate.dat") }
func (f Folders) transfer() string { return filepath.Join(f.Data, "sst_in_progress") }
func (f Folders) position() string { return filepath.Join(f.Run, "galera.position") }
func (f Folders) claim() string    { return filepath.Join(f.Run, "galera.claim") }
func (f Folders) begun() string    { return filepath.Join(f.Run, "galera.begun") }
func (f Folders) allowed() string  { return filepath.Join(f.Run, "galera.allowed") }
func (f Folders) waiting() string  { return filepath.Join(f.Run, "galera.waiting") }
func (f Folders) force() string    { return filepath.Join(f.Run, "galera.force") }
func (f Folders) env() string      { return filepath.Join(f.Run, "galera.env") }

// transferPIDs are of programs that copied data when the machine lost its power: whatever
// has such a number since would be waited for.
func (f Folders) transferPIDs() []string {
	return []string{filepath.Join(f.Data, "wsrep_sst.pid"), filepath.Join(f.Data, "rsync_sst.pid")}
}

// Socket is where the server answers on the machine itself.
func (f Folders) Socket() string { return filepath.Join(f.Run, "mysqld.sock") }

// nobody is the identity that Galera writes where there is none, and for as long as
// data is not whole: while a table's definition changes and while another's are copied.
const nobody = "00000000-0000-0000-0000-000000000000"

// torn is found in place of an identity where the data cannot be read.
const torn = "torn"

// OnDisk is the part of the state that lies on the disk.
func (f Folders) OnDisk() (State, error) {
	s := State{Seqno: Unknown, Claim: there(f.claim()), Begun: there(f.begun())}
	if there(f.transfer()) {
		s.Lost = true
		return s, nil
	}
	lines, err := fields(f.grastate(), ":")
	if err != nil || lines == nil {
		return s, err
	}
	for _, l := range lines {
		switch l[0] {
		case "uuid":
			s.UUID = l[1]
		case "seqno":
			s.Seqno = number(l[1])
		case "safe_to_bootstrap":
			s.Safe = l[1] == "1"
		}
	}
	if err := f.recovered(&s); err != nil || s.UUID == "" {
		return s, err
	}
	return s, f.lastView(&s)
}

// recovered adds what recovery found in the data: its position and, where Galera left
// no identity, that too. Without it data of a crash in the wrong second would count as
// none at all, and be overwritten.
func (f Folders) recovered(s *State) error {
	lines, err := fields(f.position(), ":")
	if err != nil {
		return err
	}
	found, at := "", int64(Unknown)
	if len(lines) == 1 {
		found, at = lines[0][0], number(lines[0][1])
	}
	if s.UUID == nobody {
		s.UUID = ""
	}
	switch {
	case s.UUID != "":
		if s.Seqno == Unknown && found == s.UUID {
			s.Seqno = at
		}
	case found == "":
		s.Unread, s.Safe = true, false
	case found == nobody: // it tried to join, and never did
		s.Seqno, s.Safe = Unknown, false
	case found == torn:
		s.Seqno, s.Safe, s.Lost = Unknown, false, true
	default:
		s.UUID, s.Seqno, s.Doubt, s.Safe = found, at, true, false
	}
	return nil
}

// lastView adds who was in the last majority.
func (f Folders) lastView(s *State) error {
	lines, err := fields(f.gvwstate(), ":")
	for _, l := range lines {
		name, _, _ := strings.Cut(l[1], " ")
		switch l[0] {
		case "my_uuid":
			s.Node = name
		case "member":
			s.View = append(s.View, name)
		}
	}
	return err
}

func there(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// forget removes files; those that are not there are passed over.
func forget(names ...string) error {
	for _, name := range names {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// mark makes an empty file.
func mark(name string) error {
	if there(name) {
		return nil
	}
	return write(name, "")
}

// write replaces a file as a whole.
func write(name, content string) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".galera-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	err = errors.Join(err, f.Chmod(0o660), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func number(s string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return Unknown
	}
	return n
}

// fields are the lines of a small file that have a key and a value; nil without the file.
func fields(name, separator string) ([][2]string, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what the last run left: %w", err)
	}
	out := [][2]string{}
	for line := range strings.Lines(string(data)) {
		if k, v, ok := strings.Cut(line, separator); ok && !strings.HasPrefix(line, "#") {
			out = append(out, [2]string{strings.TrimSpace(k), strings.TrimSpace(v)})
		}
	}
	return out, nil
}
