package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"trefoil/ironic/driver/fake"
	"trefoil/ironic/driver/ipmi"
)

// Conductor is what a standalone service's file says of the work on machines, in sections
// and options that are Ironic's: [conductor], [deploy], [inspector], [ipmi], [console] and [fake].
type Conductor struct {
	SyncInterval  int  // seconds between power syncs; 0: never
	SyncRetries   int  // without an answer until a BMC counts as dead
	ForcePower    bool // power sync sets the machine to what the node remembers
	PowerTimeout  int  // seconds for one power action
	SoftTimeout   int  // seconds for a soft one
	DeployTimeout int  // seconds for the ramdisk to call back; 0: no limit; and so on
	CleanTimeout  int
	RescueTimeout int
	ServeTimeout  int // of servicing
	InspectWait   int // seconds for the inventory to come; 0: no limit

	// ErasePriorities are those of automated cleaning's steps that a file changes, by interface.step; 0: left out.
	ErasePriorities map[string]int
	AddPorts        string // which cards of an inventory become ports

	CommandInterval time.Duration // between commands to one BMC; negative: the driver's own pace
	BMCPatience     int           // seconds with a BMC that does not answer during an action

	ConsoleAddress netip.Addr       // that serial consoles listen on; may be the zero value
	ConsolePorts   []ipmi.PortRange // for nodes that name no port
	ConsoleIdle    int              // seconds until a client without a character is sent away; 0: never

	FakeDelays map[string]fake.Span // by interface
}

// mostSeconds are ten years: nobody waits longer, and some hundred of them no longer fit a time.Duration.
const mostSeconds = 10 * 365 * 24 * 60 * 60

// seconds takes least to mostSeconds.
func seconds(dst *int, least int) setter {
	return func(c *Config, v string) error {
		if n, _ := strconv.Atoi(v); n > mostSeconds { // the greatest number there is, for one that is greater
			return fmt.Errorf("expected at most %d seconds, which are ten years", mostSeconds)
		}
		return number(dst, least)(c, v)
	}
}

// sections are those of the file, each with its options.
func (c *Conductor) sections() map[string][]entry {
	return map[string][]entry{"conductor": c.conductor(), "deploy": c.deploy(), "inspector": {
		{"add_ports", "pxe", func(v string) error { c.AddPorts = v; return oneOf("pxe", "active", "all", "disabled")(v) }}},
		"ipmi": c.ipmi(), "console": c.console(), "fake": c.fake()}
}

// conductorSections are their names, in the order in which the example has them.
func conductorSections() []string {
	return []string{"conductor", "deploy", "inspector", "ipmi", "console", "fake"}
}

func (c *Conductor) conductor() []entry {
	use := func(set setter) func(string) error { return func(v string) error { return set(nil, v) } }
	return []entry{
		{"sync_power_state_interval", "60", use(seconds(&c.SyncInterval, 0))},
		{"power_state_sync_max_retries", "3", use(number(&c.SyncRetries, 1))},
		{"force_power_state_during_sync", "false", use(truth(&c.ForcePower))},
		{"power_state_change_timeout", "60", use(seconds(&c.PowerTimeout, 2))},
		{"soft_power_off_timeout", "600", use(seconds(&c.SoftTimeout, 1))},
		{"deploy_callback_timeout", "1800", use(seconds(&c.DeployTimeout, 0))},
		{"clean_callback_timeout", "1800", use(seconds(&c.CleanTimeout, 0))},
		{"rescue_callback_timeout", "1800", use(seconds(&c.RescueTimeout, 0))},
		{"service_callback_timeout", "1800", use(seconds(&c.ServeTimeout, 0))},
		{"inspect_wait_timeout", "1800", use(seconds(&c.InspectWait, 0))},
	}
}

func (c *Conductor) deploy() []entry {
	priority := func(step string) func(string) error {
		return func(v string) error {
			n := 0
			if err := number(&n, 0)(nil, v); err != nil {
				return err
			}
			if c.ErasePriorities == nil {
				c.ErasePriorities = map[string]int{}
			}
			c.ErasePriorities[step] = n
			return nil
		}
	}
	return []entry{
		{"erase_devices_priority", "", priority("deploy.erase_devices")},
		{"erase_devices_metadata_priority", "", priority("deploy.erase_devices_metadata")},
	}
}

func (c *Conductor) ipmi() []entry {
	c.CommandInterval = -1
	return []entry{
		{"min_command_interval", "", func(v string) error {
			s, err := strconv.ParseFloat(v, 64)
			if err != nil || !(s >= 0 && s <= 3600) {
				return errors.New("expected seconds from 0 to 3600, such as 5 or 0.05")
			}
			c.CommandInterval = time.Duration(s * float64(time.Second))
			return nil
		}},
		{"command_retry_timeout", "30", func(v string) error { return seconds(&c.BMCPatience, 1)(nil, v) }},
	}
}

func (c *Conductor) console() []entry {
	return []entry{
		{"socat_address", "", addrInto(&c.ConsoleAddress)},
		{"port_range", "", func(v string) error { return portRanges(&c.ConsolePorts, v) }},
		{"terminal_timeout", "600", func(v string) error { return seconds(&c.ConsoleIdle, 0)(nil, v) }},
	}
}

// portRanges takes ranges as Ironic does: the port behind the colon is the first that is not in it.
func portRanges(dst *[]ipmi.PortRange, v string) error {
	*dst = nil
	for _, one := range split(v) {
		from, to, _ := strings.Cut(one, ":")
		first, ferr := strconv.Atoi(strings.TrimSpace(from))
		end, eerr := strconv.Atoi(strings.TrimSpace(to))
		if ferr != nil || eerr != nil || first < 1 || end <= first || end > math.MaxUint16 {
			return fmt.Errorf("expected a range of ports such as 10000:20000, which ends with 19999, or several with commas; found %q", one)
		}
		*dst = append(*dst, ipmi.PortRange{First: first, Last: end - 1})
	}
	return nil
}

// ConsoleAddr is the address of serial consoles: as [console] says, or that of the API, or,
// where that one is on all, the one that machines boot from. They ask for no password, so
// that nothing is opened to all by itself.
func (s *Standalone) ConsoleAddr() netip.Addr {
	api := s.Listen.Addr().Unmap()
	switch {
	case s.ConsoleAddress.IsValid():
		return s.ConsoleAddress
	case api.IsValid() && !api.IsUnspecified():
		return api
	case s.Netboot != nil:
		return s.Netboot.Address.Addr()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

func (c *Conductor) fake() []entry {
	var out []entry
	for _, kind := range fake.Interfaces() {
		out = append(out, entry{kind + "_delay", "", func(v string) error {
			span, err := fake.ParseSpan(strings.TrimSpace(v))
			if err != nil {
				return err
			}
			if c.FakeDelays == nil {
				c.FakeDelays = map[string]fake.Span{}
			}
			c.FakeDelays[kind] = span
			return nil
		}})
	}
	return out
}

// conductor reads the sections of Conductor that the file has, and the defaults of the others.
func (p *standaloneParser) conductor() {
	sections := p.s.Conductor.sections()
	for _, name := range conductorSections() {
		p.read(name, sections[name])
	}
}

// conductorKeys are the options of each section, for hints.
func (p *standaloneParser) conductorKeys() []sectionKeys {
	var out []sectionKeys
	sections := p.s.Conductor.sections()
	for _, name := range conductorSections() {
		out = append(out, sectionKeys{name, names(sections[name])})
	}
	return out
}
