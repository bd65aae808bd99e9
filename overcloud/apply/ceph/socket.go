package ceph

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
)

// maxReply bounds what a daemon may answer, in bytes.
const maxReply = 1 << 20

// InService asks a daemon of this node, mon.NAME or osd.NUMBER, through its
// socket below root: a monitor must be in the quorum, an OSD in the map. The
// error says what state it is in.
func InService(ctx context.Context, root, daemon string) error {
	kind, id, _ := strings.Cut(daemon, ".")
	command, good := "status", []string{"active"}
	if kind == "mon" {
		command, good = "mon_status", []string{"leader", "peon"}
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", filepath.Join(root, "run/ceph", "ceph-"+kind+"."+id+".asok"))
	if err != nil {
		return err
	}
	defer c.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return err
		}
	}
	b, err := exchange(c, command)
	if err != nil {
		return fmt.Errorf("ask %s: %w", daemon, err)
	}
	var is struct {
		State string `json:"state"`
	}
	if err := json.Unmarshal(b, &is); err != nil { // a daemon that is not that far answers with a sentence
		line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
		return fmt.Errorf("%s answers %s with %.200q; expected its state as JSON", daemon, command, line)
	}
	if !slices.Contains(good, is.State) {
		return fmt.Errorf("%s is %q, not %s", daemon, is.State, strings.Join(good, " or "))
	}
	return nil
}

// exchange speaks the protocol of Ceph's admin sockets: a JSON text that ends
// with a zero byte, then a length of four bytes, big endian, and the answer.
func exchange(c io.ReadWriter, command string) ([]byte, error) {
	if _, err := fmt.Fprintf(c, "{\"prefix\": %q, \"format\": \"json\"}\x00", command); err != nil {
		return nil, err
	}
	var length uint32
	if err := binary.Read(c, binary.BigEndian, &length); err != nil {
		return nil, err
	}
	if length > maxReply {
		return nil, fmt.Errorf("an answer of %d bytes; expected at most %d", length, maxReply)
	}
	b := make([]byte, length)
	_, err := io.ReadFull(c, b)
	return b, err
}
