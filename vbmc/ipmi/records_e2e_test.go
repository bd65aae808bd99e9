//go:build e2e

package ipmi

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/fake"
)

// recordStep is a client's command and what its output must match.
type recordStep struct {
	args string // fields; ~ stands for a space inside one
	want string // regular expression, several lines
}

func (s recordStep) fields() []string {
	f := strings.Fields(s.args)
	for i := range f {
		f[i] = strings.ReplaceAll(f[i], "~", " ")
	}
	return f
}

func runSteps(t *testing.T, steps []recordStep, command func(args []string) *exec.Cmd) {
	t.Helper()
	for _, s := range steps {
		cmd := command(s.fields())
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", s.args, err, out)
		}
		if !regexp.MustCompile("(?s)" + s.want).Match(out) {
			t.Errorf("%s prints\n%s\nwant %q", s.args, out, s.want)
		}
	}
}

// powered starts a BMC over a machine of four processors and a quarter of its memory
// in use.
func powered(t *testing.T) (*fake.Machine, int) {
	t.Helper()
	m, port := startBMC(t)
	m.SetUsage(domain.Usage{VCPUs: 4, MemoryMax: 4 << 30, MemoryUsed: 1 << 30})
	return m, port
}

// TestRecordsByIpmitool shows values as ipmitool reads them.
func TestRecordsByIpmitool(t *testing.T) {
	_, port := powered(t)
	inventory := filepath.Join(t.TempDir(), "fru")
	runSteps(t, []recordStep{
		{"mc info", `Sensor Device\s+SDR Repository Device\s+SEL Device\s+FRU Inventory Device\s+Chassis Device`},
		{"sdr elist", `CPU Temp +\| 10h \| ns  \|  3.1 \| No Reading.*Power +\| 12h \| ok  \| 10.1 \| 0 Watts.*Power Unit +\| 01h \| ok  \| 10.1 \| Power off/down.*S5/G2: soft-off`},
		{"power on", ""},
		{"sdr elist", `35 degrees C.*2400 RPM.*60 Watts.*0 percent.*25 percent.*Hypervisor +\| 05h \| ok.*S0/G0: working`},
		{"sensor", `CPU Temp +\| 35.000 .*\| ok    \| na        \| na        \| na        \| 80.000    \| 90.000    \| 100.000.*Fan +\| 2400.000 .*\| na        \| 600.000   \| 1200.000`},
		{"sel info", `Version +: 1.5 .*Entries +: 5\n.*Overflow +: false.*'Delete' 'Reserve' 'Get Alloc Info'`},
		{"sel elist", `Power Unit Power Unit \| Power off/down \| Deasserted.*ACPI State \| S0/G0: working \| Asserted.*System Boot \| Initiated by power up`},
		{"sensor thresh CPU~Temp unc 30", "threshold to 30.000"},
		{"sensor get CPU~Temp", `Status +: Upper Non-Critical\n.*Upper Non-Critical +: 30.000`},
		{"sel elist last 1", `Temperature CPU Temp \| Upper Non-critical going high \| Asserted \| Reading 35 > Threshold 30 degrees C`},
		{"event 1", ""},
		{"sel list last 1", `Temperature #0x30 \| Upper Critical going high \| Asserted`},
		{"sel delete 2", "Deleted entry 2"},
		{"sel clear", ""},
		{"sel list", `^ +1 \|.*Log area reset/cleared \| Asserted\s*$`},
		{"fru print", `Product Manufacturer +: Trefoil\n.*Product Serial +: 12345678-9abc-4def-8001-020304050607\n.*Processors: 4\n.*Memory: 4096 MiB`},
		{"fru edit 0 field p 1 Another~Machine", ""},
		{"fru print 0", "Product Name +: Another Machine\n"},
		{"fru read 0 " + inventory, "1024 bytes"},
		{"fru write 0 " + inventory, "Size to Write +: 1024 bytes"},
		{"fru print 0", "Product Name +: Another Machine\n"},
		{"sdr dump " + inventory, "Dumping"},
		{"dcmi discover", `Power management available.*512 SEL entries.*Asset tag`},
		{"dcmi power reading", `Instantaneous power reading: +60 Watts.*Minimum during sampling period: +0 Watts.*activated`},
		{"dcmi asset_tag", `Asset tag: \s*$`},
		{"dcmi set_asset_tag rack~12~unit~4,~row~B", "row B"},
		{"dcmi asset_tag", "Asset tag: rack 12 unit 4, row B"},
		{"dcmi get_mc_id_string", "DCMI"},
		{"dcmi sensors", `CPU: 1 temperature sensor found:\s+Record ID 0x0003: CPU Temp +\| 35 degrees C`},
		{"dcmi power get_limit", "No Active Power Limit"},
		{"dcmi power set_limit limit 50", ""},
		{"dcmi power set_limit action sel_logging", ""},
		{"dcmi power activate", "activated"},
		{"dcmi power get_limit", `Power Limit Active.*Log Event to SEL.*50 Watts`},
		{"sensor list", ""},
		{"sel list last 1", `#0x12 \| Limit Exceeded \| Asserted`},
	}, func(args []string) *exec.Cmd {
		common := []string{"-I", "lanplus", "-C", "17", "-H", "127.0.0.1", "-p", strconv.Itoa(port), "-U", "admin", "-P", "secret"}
		return exec.Command("ipmitool", append(common, args...)...)
	})
}

// TestRecordsByFreeIPMI shows values as FreeIPMI reads them.
func TestRecordsByFreeIPMI(t *testing.T) {
	_, port := powered(t)
	runSteps(t, []recordStep{
		{"ipmipower --on --wait-until-on", "ok"},
		{"ipmi-sensors", `CPU Temp +\| Temperature +\| 35.00 +\| C +\| 'OK'.*Fan +\| Fan +\| 2400.00 +\| RPM.*60.00 +\| W .*25.00 +\| %.*'S0/G0'`},
		{"ipmi-sel", `Power Unit +\| Power Unit +\| Power Off/Power Down.*System Boot Initiated +\| Initiated by power up`},
		{"ipmi-sel --info", `Number of log entries +: 5\n.*Events dropped due to lack of space +: No`},
		{"ipmi-sel --delete=2", ""},
		{"ipmi-sel --clear", ""},
		{"ipmi-sel", `Event\n1 .*Log Area Reset/Cleared\s*$`},
		{"ipmi-fru", `FRU Product Serial Number: 12345678-9abc-4def-8001-020304050607\n.*Memory: 4096 MiB`},
		{"ipmi-dcmi --get-dcmi-capability-info", `Number of SEL entries +: 512\nRecord Level SEL Flush upon Rollover +: Available`},
		{"ipmi-dcmi --get-system-power-statistics", `Current Power +: 60 Watts.*Power Measurement +: Active`},
		{"ipmi-dcmi --set-asset-tag=A1", ""},
		{"ipmi-dcmi --get-asset-tag", "A1"},
		{"ipmi-dcmi --set-management-controller-identifier-string=bmc-7", ""},
		{"ipmi-dcmi --get-management-controller-identifier-string", "bmc-7"},
		{"ipmi-dcmi --get-dcmi-sensor-info", `CPU Temperature SDR Record IDs\n3\n`},
		{"ipmi-config --category=sensors --checkout", `Section 3_CPU_Temp.*Upper_Non_Critical_Threshold +80.0`},
	}, func(args []string) *exec.Cmd {
		common := []string{"-D", "LAN_2_0", "-I", "17", "-h", "127.0.0.1:" + strconv.Itoa(port), "-u", "admin", "-p", "secret"}
		return exec.Command(args[0], append(common, args[1:]...)...)
	})
}
