package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// Inspection is the node file in TripleO's legacy form, byte for byte in the
// article's layout: strings for all numbers, pm_type pxe_ipmitool, and pm_port
// because all virtual BMCs share one address. Only the first card is listed: it
// is the one that boots. cpu counts, memory is in MiB, disk in GiB (the first).
func Inspection(machines []Sized, address string) []byte {
	var b bytes.Buffer
	b.WriteString("{\n    \"nodes\":[\n")
	for i, m := range machines {
		b.WriteString("        {\n            \"mac\":[\n                " + quote(m.NICs[0].MAC) + "\n            ]")
		for _, f := range [][2]string{
			{"cpu", strconv.Itoa(m.VCPUs)},
			{"memory", strconv.Itoa(m.RAM.MiB())},
			{"disk", strconv.Itoa(m.Disks[0].Size.GiB())},
			{"arch", "x86_64"},
			{"name", m.Name},
			{"pm_type", "pxe_ipmitool"},
			{"pm_user", m.VBMC.Username},
			{"pm_password", m.VBMC.Password},
			{"pm_addr", address},
			{"pm_port", strconv.Itoa(m.VBMC.Port)},
		} {
			fmt.Fprintf(&b, ",\n            %s:%s", quote(f[0]), quote(f[1]))
		}
		b.WriteString("\n        }")
		if i < len(machines)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString("    ]\n}\n")
	return b.Bytes()
}

func quote(s string) string {
	b, _ := json.Marshal(s) // a string always encodes
	return string(b)
}
