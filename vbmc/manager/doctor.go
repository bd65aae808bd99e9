package manager

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"trefoil/internal/errs"
	"trefoil/vbmc/ipmi"
	"trefoil/vbmc/ipmi/ipmiclient"
	"trefoil/vbmc/ipmi/wire"
	"trefoil/vbmc/libvirt"
)

// Verdict is what a check of Doctor found.
type Verdict string

// The verdicts. Only a fault keeps a BMC from working.
const (
	Good    Verdict = "ok"
	Warning Verdict = "warning"
	Fault   Verdict = "fault"
)

// Finding is the result of one check.
type Finding struct {
	Domain  string // "" for what concerns all
	Check   string
	Verdict Verdict
	Detail  string
	Hint    string
}

// examination gathers the findings of one BMC.
type examination struct {
	m       *Manager
	name    string
	config  Config
	fault   string // why the manager does not run it
	running bool
	runs    Config       // of the BMC that runs
	lockout ipmi.Lockout // of the BMC that runs
	other   string       // domain that is configured for the same port
	twin    string       // that another BMC has the same domain
	asked   error        // why its hypervisor does not have it; nil: it has
	found   []Finding
}

func (x *examination) say(check string, v Verdict, detail, hint string) {
	x.found = append(x.found, Finding{x.name, check, v, detail, hint})
}

func (x *examination) fail(check string, err error) {
	x.say(check, Fault, err.Error(), errs.HintOf(err))
}

// Doctor checks BMCs, all of them when no names are given: configuration, file
// modes, ports, libvirt, and a real login with each cipher suite. rules is the packet
// filter as who asks could read it, by FirewallRules, for a daemon that may not; nil: not
// even that.
func (m *Manager) Doctor(ctx context.Context, names []string, rules *string) ([]Finding, error) {
	exams, err := m.examinations(names)
	if err != nil {
		return nil, err
	}
	m.askHypervisors(ctx, exams)
	out := m.shared(ctx, exams, rules)
	for _, x := range exams {
		x.run(ctx)
		out = append(out, x.found...)
	}
	return out, nil
}

// examinations takes a picture of the BMCs, so that checks need no lock.
func (m *Manager) examinations(names []string) ([]*examination, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(names) == 0 {
		if err := m.store.each(func(name string, _ stamp, _ error) { names = append(names, name) }); err != nil {
			return nil, err
		}
	}
	p, err := m.configuredPorts()
	if err != nil {
		return nil, err
	}
	twins, err := m.allTwins()
	if err != nil {
		return nil, err
	}
	var out []*examination
	for _, name := range names {
		x := &examination{m: m, name: name, fault: m.faults[name].text}
		if in := m.running[name]; in != nil {
			x.running, x.runs, x.lockout = true, in.config, in.bmc.Lockout()
		}
		if err := m.Known(name); errs.Is(err, errs.NotFound) || errs.Is(err, errs.Invalid) {
			return nil, err
		}
		c, err := m.configured(name)
		x.config = c
		if err == nil {
			err = m.store.locate(name, c.Validate())
		}
		if err != nil {
			x.fail("configuration", err)
		} else {
			c.Domain = name
			x.other, x.twin = p.holder(c), twins[name]
		}
		out = append(out, x)
	}
	return out, nil
}

func (x *examination) run(ctx context.Context) {
	x.modes()
	odd := oddFindings(x.name, "configuration", x.m.store.oddities(x.name))
	x.found = append(x.found, odd...)
	if x.found != nil && x.found[0].Check == "configuration" && x.found[0].Verdict == Fault {
		return // nothing else can be asked
	}
	if odd == nil {
		x.say("configuration", Good, "user "+x.config.Username+", suites "+suiteList(x.config), "")
	}
	if x.twin != "" {
		x.say("domain", Warning, x.twin, "vbmc delete one of them, or mend domain_name in its file")
	}
	x.password()
	x.memory()
	x.port()
	x.libvirt()
	if !x.running {
		return
	}
	x.user()
	switch {
	case !x.runs.overlaps(x.config): // whoever has that port would answer
		x.say("login", Warning, "not tried: "+x.elsewhere(), "")
	case x.lockout.Level > 0:
		x.login(ctx)
	}
}

// elsewhere tells where a BMC listens that does not follow its file.
func (x *examination) elsewhere() string {
	return "this daemon listens on " + x.runs.endpoint() + ", the file says " + x.config.endpoint()
}

// user tells what a client cannot tell from a wrong password.
func (x *examination) user() {
	if x.lockout.Why == "" {
		return
	}
	verdict, hint := Warning, "vbmc stop "+x.name+" && vbmc start "+x.name
	if x.lockout.Lasts {
		hint = "vbmc edit " + x.name + " --password-file FILE with another password than now; or another administrator over IPMI: " +
			"ipmitool user enable 2, channel setaccess 1 2 ipmi=on privilege=4"
	}
	if x.lockout.Level == 0 {
		verdict = Fault
	}
	x.say("user", verdict, x.lockout.Why, hint)
}

// modes warns of a file that its group or others can read: the password is in it, as
// RAKP needs it.
func (x *examination) modes() {
	for _, path := range []string{x.m.store.dir(x.name), x.m.store.file(x.name)} {
		if i, err := os.Stat(path); err == nil && i.Mode().Perm()&notTheirs != 0 {
			x.say("file mode", Warning, fmt.Sprintf("%s has mode %04o: %s may get at the password", path, i.Mode().Perm(), whoElse(i.Mode(), notTheirs)), "chmod go= '"+path+"'")
		}
	}
}

func (x *examination) password() {
	ip, err := netip.ParseAddr(x.config.Address)
	open := err == nil && !ip.IsLoopback()
	switch {
	case open && x.config.Password == DefaultPassword:
		x.say("password", Warning, "the default password on an address that others can reach", "vbmc edit "+x.name+" --password-file FILE")
	case x.config.Password == "":
		x.say("password", Warning, "the password is empty: IPMI clients may refuse it", "vbmc edit "+x.name+" --password-file FILE")
	default:
		x.say("password", Good, fmt.Sprintf("%d of at most %d bytes", len(x.config.Password), ipmi.MaxPasswordLen), "")
	}
}

func (x *examination) port() {
	c := x.config
	at := c.endpoint()
	if x.other != "" {
		x.say("port", Fault, fmt.Sprintf("%s is also the port of the vBMC of domain %s", at, x.other), "vbmc edit "+x.name+" --port auto")
		return
	}
	switch {
	case x.running && x.runs.overlaps(c):
		x.say("port", Good, "this daemon listens on "+at, "")
		return
	case x.running && x.fault == "":
		x.say("port", Warning, x.elsewhere()+"; it follows in a moment", "")
		return
	case x.running:
		x.say("port", Fault, x.elsewhere()+", which it does not follow: "+x.fault, "")
		return
	}
	conn, err := ipmi.Listen(c.Address, c.Port)
	if notHere(err) {
		x.say("port", Fault, err.Error()+"; "+c.Address+" is not an address of this machine", "vbmc edit "+x.name+" --address A with one of those that 'ip address' shows")
		return
	}
	if err != nil {
		detail := err.Error()
		if who := udpHolders("/proc", c.Port); len(who) > 0 {
			detail += "; it is held by " + strings.Join(who, ", ")
		}
		x.say("port", Fault, detail, "vbmc edit "+x.name+" --port auto")
		return
	}
	conn.Close()
	switch {
	case x.fault != "":
		x.say("port", Fault, at+" is free, but the BMC does not run: "+x.fault, "")
	case c.Active:
		x.say("port", Warning, at+" is free; the BMC starts in a moment", "")
	default:
		x.say("port", Warning, at+" is free, but nobody listens: the BMC is stopped", "vbmc start "+x.name)
	}
}

// askHypervisors asks each of them once, all at the same time: one that is gone takes
// until its time is over, and its BMCs may be many. The daemon itself has a connection to
// each, so that they are not too many to be asked at once.
func (m *Manager) askHypervisors(ctx context.Context, exams []*examination) {
	byURI := map[string][]*examination{}
	for _, x := range exams {
		if x.found == nil { // its configuration can be read
			byURI[x.config.LibvirtURI] = append(byURI[x.config.LibvirtURI], x)
		}
	}
	var wait sync.WaitGroup
	for uri, of := range byURI {
		wait.Go(func() {
			var domains []string
			for _, x := range of {
				domains = append(domains, x.config.Domain)
			}
			why := m.machines.Check(ctx, uri, domains...)
			for _, x := range of {
				x.asked = why[x.config.Domain]
			}
		})
	}
	wait.Wait()
}

func (x *examination) libvirt() {
	err := x.asked
	switch {
	case err == nil:
		x.say("libvirt", Good, libvirt.Shown(x.config.LibvirtURI)+" answers and has the domain", "")
	case wantsSASL(err):
		x.fail("libvirt", err)
	case strings.Contains(err.Error(), "permission denied") || strings.Contains(err.Error(), "authentication"):
		x.say("libvirt", Fault, err.Error(), "the daemon's user must be allowed: adduser USER libvirt, then restart the daemon")
	default:
		x.fail("libvirt", err)
	}
}

// loginTimeout bounds one login; it is to this machine itself.
const loginTimeout = 500 * time.Millisecond

// login opens a session with each suite, as a client would.
func (x *examination) login(ctx context.Context) {
	cred, err := x.config.Credentials()
	if err != nil {
		x.fail("login", err)
		return
	}
	suites := cred.Suites
	if suites == nil {
		suites = defaultSuites()
	}
	for _, addr := range x.config.Reachable() {
		for _, s := range suites {
			check := fmt.Sprintf("login, suite %d", s.ID)
			began := time.Now()
			c, err := ipmiclient.Dial(ctx, addr, ipmiclient.Options{
				Username: cred.Username, Password: cred.Password, KG: cred.KG, Suite: s, Timeout: loginTimeout,
				Privilege: x.lockout.Level,
			})
			if err != nil {
				x.say(check, Fault, addr+": "+err.Error(), "see: vbmc log "+x.name)
				continue
			}
			c.Close()
			x.say(check, Good, fmt.Sprintf("%s in %d ms", addr, time.Since(began).Milliseconds()), "")
		}
	}
}

func defaultSuites() []wire.Suite { return []wire.Suite{wire.Suite17(), wire.Suite3()} }

func suiteList(c Config) string {
	if c.CipherSuites == "" {
		return "17, 3"
	}
	return c.CipherSuites
}

// hypervisor is what there is to ask without any BMC: whether one could be added.
func (m *Manager) hypervisor(ctx context.Context) Finding {
	if _, err := m.machines.List(ctx, DefaultLibvirtURI); err != nil {
		return Finding{"", "libvirt", Warning, "there is no vBMC yet, and: " + err.Error(), errs.HintOf(err)}
	}
	return Finding{"", "libvirt", Good, "there is no vBMC yet; " + DefaultLibvirtURI + " answers", ""}
}

// shared checks what concerns all BMCs.
func (m *Manager) shared(ctx context.Context, exams []*examination, theirs *string) []Finding {
	out := oddFindings("", "settings", m.settings.Odd)
	if len(exams) == 0 {
		out = append(out, m.hypervisor(ctx))
	}
	if i, err := os.Stat(m.settings.ConfigDir); err == nil && i.Mode()&toWrite != 0 {
		v := Warning
		if i.Mode()&0o002 != 0 { // a daemon that cannot close it does not start
			v = Fault
		}
		out = append(out, Finding{"", "file mode", v, fmt.Sprintf("%s has mode %04o: %s can add BMCs", m.settings.ConfigDir, i.Mode().Perm(), whoElse(i.Mode(), toWrite)), "chmod go= '" + m.settings.ConfigDir + "'"})
	}
	rules, err := FirewallRules(ctx)
	return append(out, firewall(ctx, exams, rules, err, theirs))
}
