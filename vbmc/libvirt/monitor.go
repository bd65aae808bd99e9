package libvirt

import (
	"context"
	"encoding/json"
	"fmt"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// MonitorError is a command that QEMU itself refused.
type MonitorError struct {
	Command string
	Msg     string
}

func (e *MonitorError) Error() string { return fmt.Sprintf("QEMU refuses %s: %s", e.Command, e.Msg) }

// Monitor gives a command to the monitor of a running QEMU and returns the
// answer's value. libvirt does not support what such a command changes and marks
// the domain as tainted.
func (c *Conn) Monitor(ctx context.Context, name, command string, args map[string]any) (json.RawMessage, error) {
	text, err := json.Marshal(map[string]any{"execute": command, "arguments": args})
	if err != nil {
		return nil, err
	}
	op := fmt.Sprintf("monitor command %s to domain %q", command, name)
	reply, err := invoke(ctx, c, op, c.call, func(l *golibvirt.Libvirt) (string, error) {
		d, err := l.DomainLookupByName(name)
		if err != nil {
			return "", err
		}
		return l.QEMUDomainMonitorCommand(d, string(text), 0)
	})
	if err != nil {
		return nil, err
	}
	return monitorReply(command, reply)
}

func monitorReply(command, reply string) (json.RawMessage, error) {
	var r struct {
		Return json.RawMessage `json:"return"`
		Error  *struct {
			Desc string `json:"desc"`
		} `json:"error"`
	}
	if err := json.Unmarshal([]byte(reply), &r); err != nil {
		return nil, fmt.Errorf("read QEMU's answer to %s: %w", command, err)
	}
	if r.Error != nil {
		return nil, &MonitorError{command, r.Error.Desc}
	}
	return r.Return, nil
}
