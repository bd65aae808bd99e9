// Package galera begins and watches a cluster of MariaDB servers (Galera) on its own
// machines, without a manager beside it.
//
// Each machine has two small programs. The check answers over HTTP how the machine's
// server is, for HAProxy, and what data lies on its disk, for the others. The start
// runs before every start of the server: it joins a cluster that is there, and if there
// is none it begins one on exactly one machine, the one with the newest data, as soon
// as nobody who may have newer data is missing.
//
//	os-apply-config galera-check   the unit galera-check
//	os-apply-config galera-start   ExecStartPre of mariadb.service
//	os-apply-config galera-force   by hand: begin here, without those that are lost
package galera

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"trefoil/internal/errs"
)

// ConfigFile says which machines the cluster is to have.
const ConfigFile = "/etc/mysql/galera.json"

// Config is what a deployment says of the cluster.
type Config struct {
	Address  string    `json:"address"` // of this machine
	Port     int       `json:"port"`    // of the check, on all machines
	Machines []Machine `json:"machines"`
}

// Machine is one of the cluster. The first one begins a cluster that never was.
type Machine struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

// LoadConfig reads a file and sees to it that this machine is among those of the cluster.
func LoadConfig(name string) (*Config, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the cluster's machines: %w", err)
	}
	var c Config
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "%s", name)
	}
	for _, m := range c.Machines {
		if m.Address == c.Address && c.Port > 0 {
			return &c, nil
		}
	}
	return nil, errs.New(errs.Invalid, "%s: the machine's own address %q is not one of the cluster, or there is no port", name, c.Address)
}

// State is what a machine tells the others of itself.
type State struct {
	// Of the server, if it runs.
	Primary bool   `json:"primary"` // it is of a cluster that has a majority
	Comment string `json:"comment"` // Synced, Donor/Desynced, Joined …; empty: it does not answer

	// Of its data.
	UUID  string `json:"uuid"`  // of the cluster; empty: it has never been in one
	Seqno int64  `json:"seqno"` // of the last transaction; -1: not known, the server runs or was killed
	Safe  bool   `json:"safe"`  // it was the last one to leave, in order

	// Of the last majority that it was in, if it did not leave in order.
	Node string   `json:"node,omitempty"` // its own name there
	View []string `json:"view,omitempty"` // names of all

	Claim bool `json:"claim,omitempty"` // it is about to begin the cluster
}

// Synced tells whether clients may be sent to the server.
func (s State) Synced() bool { return s.Primary && s.Comment == "Synced" }

// Unknown is the position of a server that runs or was killed.
const Unknown = -1

// Folders of a machine; the defaults are Debian's.
type Folders struct {
	Data string // /var/lib/mysql
	Run  string // /run/mysqld: what is forgotten at a reboot
}

// Debian are the folders of Debian's packages.
var Debian = Folders{Data: "/var/lib/mysql", Run: "/run/mysqld"}

func (f Folders) grastate() string { return filepath.Join(f.Data, "grastate.dat") }
func (f Folders) gvwstate() string { return filepath.Join(f.Data, "gvwstate.dat") }
func (f Folders) position() string { return filepath.Join(f.Run, "galera.position") } // found by recovery, until the server starts
func (f Folders) claim() string    { return filepath.Join(f.Run, "galera.claim") }
func (f Folders) force() string    { return filepath.Join(f.Run, "galera.force") }
func (f Folders) env() string      { return filepath.Join(f.Run, "galera.env") }
func (f Folders) socket() string   { return filepath.Join(f.Run, "mysqld.sock") }

// nobody is the identity that Galera writes where there is none.
const nobody = "00000000-0000-0000-0000-000000000000"

// OnDisk is the part of the state that lies on the disk.
func (f Folders) OnDisk() (State, error) {
	s := State{Seqno: Unknown}
	lines, err := fields(f.grastate(), ":")
	if err != nil {
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
	if s.UUID == nobody || s.UUID == "" { // it tried to join, and never did
		return State{Seqno: Unknown, Claim: there(f.claim())}, nil
	}
	if lines, err = fields(f.position(), ":"); err != nil {
		return s, err
	}
	if len(lines) == 1 && s.Seqno == Unknown && lines[0][0] == s.UUID {
		s.Seqno = number(lines[0][1])
	}
	if lines, err = fields(f.gvwstate(), ":"); err != nil {
		return s, err
	}
	for _, l := range lines {
		name, _, _ := strings.Cut(l[1], " ")
		switch l[0] {
		case "my_uuid":
			s.Node = name
		case "member":
			s.View = append(s.View, name)
		}
	}
	s.Claim = there(f.claim())
	return s, nil
}

func there(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func number(s string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return Unknown
	}
	return n
}

// fields are the lines of a small file that have a key and a value; none without the file.
func fields(name, separator string) ([][2]string, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what the last run left: %w", err)
	}
	var out [][2]string
	for line := range strings.Lines(string(data)) {
		if k, v, ok := strings.Cut(line, separator); ok && !strings.HasPrefix(line, "#") {
			out = append(out, [2]string{strings.TrimSpace(k), strings.TrimSpace(v)})
		}
	}
	return out, nil
}
