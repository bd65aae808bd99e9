package conductor

import (
	"context"
	"encoding/base64"
	"strings"

	"trefoil/ironic/agentapi"
	"trefoil/ironic/inspect"
)

// maxUnknown bounds the payload of an unknown machine that is kept, in bytes.
const maxUnknown = 8 << 20

// keepUnknown keeps a payload that fits no node, for whoever looks for the machine. It
// returns where, or why not.
func (c *Conductor) keepUnknown(d *agentapi.InspectionData, payload []byte) string {
	switch {
	case c.Payloads == nil:
		return "no"
	case len(payload) > maxUnknown:
		return "no: too large"
	}
	name := "no-address"
	if macs := inspect.MACs(d); len(macs) > 0 {
		name = strings.ReplaceAll(macs[0], ":", "-")
	}
	path, err := c.Payloads.Keep("unknown-"+name+".json", payload) // one a machine
	if err != nil {
		return "no: " + err.Error()
	}
	return path
}

// keepLogs keeps the logs that a ramdisk sent with its inventory.
func (c *Conductor) keepLogs(ctx context.Context, nodeUUID string, d *agentapi.InspectionData) {
	if c.Payloads == nil || d.Logs == "" {
		return
	}
	data, err := base64.StdEncoding.DecodeString(d.Logs)
	if err != nil {
		c.Log.Warn("a ramdisk's logs are not base64", "node", nodeUUID, "error", err)
		return
	}
	path, err := c.Payloads.Keep("logs-"+nodeUUID+"-"+c.Now().UTC().Format("20060102T150405")+".tar.gz", data)
	if err != nil {
		c.Log.Warn("a ramdisk's logs were not kept", "node", nodeUUID, "error", err)
		return
	}
	c.note(ctx, nodeUUID, "inspection", "INFO", "the ramdisk's logs are in "+path)
}
