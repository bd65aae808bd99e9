// Package galera begins and watches a cluster of MariaDB servers (Galera) on its own
// machines, without a manager beside it.
//
// Each machine has two small programs. The check answers over HTTP how the machine's
// server is, for HAProxy, and what data it has, for the others. The start runs before
// every start of the server: it joins a cluster that is there, and if there is none it
// begins one on exactly one machine, the one with the newest data, as soon as nobody who
// may have newer data is missing. A server that runs on without a majority takes part in
// that too: the check begins the cluster with it where it is the one.
//
//	os-apply-config galera-check   the unit galera-check
//	os-apply-config galera-start   ExecStartPre of mariadb.service
//	os-apply-config galera-force   by hand: begin here, without those that are lost
//
// What they tell one another beside the data are marks in /run/mysqld:
//
//	galera.claim     this machine is about to begin the cluster, and looks once more
//	galera.begun     it begins: whoever sees this waits for it
//	galera.allowed   Galera was told that it may begin with this data, and has not yet
//	galera.waiting   it waits for others; only then galera-force is heard
//	galera.force     it was given
//	galera.position  how new the data is, found by recovery, until the server starts
package galera

import (
	"encoding/json"
	"fmt"
	"os"

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
	Running bool    `json:"running"`         // it answers
	Primary bool    `json:"primary"`         // it is of a cluster that has a majority
	Alone   bool    `json:"alone,omitempty"` // it has left its cluster, and comes back only when it is told to
	Ready   bool    `json:"ready"`           // and lets clients in
	Comment string  `json:"comment"`         // Synced, Donor/Desynced, Joined …
	Age     float64 `json:"age"`             // seconds since it was asked
	Down    string  `json:"down,omitempty"`  // why it does not answer
	before  bool    // it was asked before the start of this machine's server, and may have been stopped with it

	// Of its data.
	UUID   string `json:"uuid"`             // of the cluster; empty: it has never been in one
	Seqno  int64  `json:"seqno"`            // of the last transaction; -1: not known
	Safe   bool   `json:"safe"`             // it was the last one in the cluster
	Doubt  bool   `json:"doubt,omitempty"`  // killed within a change of a table's definition, or found to differ from the others
	Unread bool   `json:"unread,omitempty"` // it was killed, and nobody has looked yet whether it has data of a cluster
	Lost   bool   `json:"lost,omitempty"`   // it is half of another's: the copying was broken off, or it cannot be read at all

	// Of the last majority that it was in, if it did not leave in order.
	Node string   `json:"node,omitempty"` // its own name there
	View []string `json:"view,omitempty"` // names of all

	Claim bool `json:"claim,omitempty"` // it is about to begin the cluster
	Begun bool `json:"begun,omitempty"` // it begins it
}

// Synced tells whether clients may be sent to the server.
func (s State) Synced() bool { return s.Primary && s.Ready && s.Comment == "Synced" }

// Unknown is the position of data that nobody has looked at.
const Unknown = -1

// with lays what the running server says over what lies on the disk: that is from
// before it started, and Galera takes the identity away from it around each change of a
// definition.
func (s State) with(vars map[string]string) State {
	s.Running = true
	s.Primary = vars["wsrep_cluster_status"] == "Primary"
	s.Alone = vars["wsrep_connected"] == "OFF"
	s.Ready = vars["wsrep_ready"] == "ON"
	s.Comment = vars["wsrep_local_state_comment"]
	s.Safe, s.Doubt = false, false
	if uuid := vars["wsrep_local_state_uuid"]; uuid != "" && uuid != nobody {
		s.UUID, s.Unread, s.Lost = uuid, false, false
	}
	if s.UUID != "" {
		s.Seqno = number(vars["wsrep_last_committed"])
	}
	return s
}
