package install

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/go-multierror"

	"trefoil/internal/errs"
	"trefoil/undercloud/config"
)

// What this undercloud needs, in MiB. TripleO asks for 7680 and 8192: its
// services are dozens of Python processes, ours is one program.
const (
	neededMemory      = 512
	recommendedMemory = 1024
)

// preflight checks the machine and changes nothing. It finds all that is wrong.
func (in *installer) preflight(ctx context.Context) error {
	in.log.info("Checking this machine")
	var all *multierror.Error
	for _, check := range []func(context.Context) error{in.checkConfig, in.checkAuth, in.checkMemory, in.checkPrograms, in.checkIPXE,
		in.checkAddress, in.checkPorts, in.checkLocalIP, in.checkPasswords} {
		if err := check(ctx); err != nil {
			all = multierror.Append(all, err)
		}
	}
	if name, err := os.Hostname(); err == nil && name != in.conf.Hostname {
		in.log.warn("undercloud_hostname is %s, but this machine calls itself %s", in.conf.Hostname, name)
	}
	return all.ErrorOrNil()
}

func (in *installer) checkConfig(context.Context) error { return in.conf.Validate(in.Interfaces) }

func (in *installer) checkMemory(context.Context) error {
	mb, err := in.MemoryMB()
	if err != nil {
		return err
	}
	if mb < neededMemory {
		return errs.New(errs.Unavailable, "At least %d MB of memory is required for undercloud installation.  A minimum of %d GB is recommended. Only detected %d MB",
			neededMemory, recommendedMemory/1024, mb)
	}
	return nil
}

func memoryMB() (int, error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, fmt.Errorf("read memory size: %w", err)
	}
	defer f.Close()
	kb := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Fields(s.Text())
		if len(fields) > 1 && (fields[0] == "MemTotal:" || fields[0] == "SwapTotal:") {
			n, err := strconv.Atoi(fields[1])
			if err != nil {
				return 0, fmt.Errorf("read memory size: %w", err)
			}
			kb += n
		}
	}
	return kb / 1024, nil
}

func (in *installer) checkPrograms(context.Context) error {
	names := in.Commands
	if len(in.conf.MasqueradeNetworks()) > 0 {
		names = append(names, "nft")
	}
	var missing []string
	for _, n := range names {
		if _, err := in.LookPath(n); err != nil {
			missing = append(missing, n)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return errs.New(errs.NotFound, "Required command(s) not found: %s", strings.Join(missing, ", ")).
		WithHint("install them with the package manager; nft is in the package nftables")
}

func (in *installer) checkIPXE(context.Context) error {
	var missing []string
	for _, n := range []string{"undionly.kpxe", "ipxe.efi"} {
		if _, err := os.Stat(filepath.Join(in.IPXEDir, n)); err != nil {
			missing = append(missing, filepath.Join(in.IPXEDir, n))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return errs.New(errs.NotFound, "Required file(s) do not exist: %s", strings.Join(missing, ", ")).
		WithHint("apt-get install ipxe")
}

// checkAddress refuses a local_ip that another interface of this machine has.
func (in *installer) checkAddress(context.Context) error {
	list, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("list network interfaces: %w", err)
	}
	wanted := append(in.conf.VirtualHosts(), in.conf.LocalIP.Addr())
	for _, i := range list {
		if i.Name == in.conf.LocalInterface || i.Name == config.Bridge {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			return fmt.Errorf("list addresses of %s: %w", i.Name, err)
		}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err != nil {
				continue
			}
			for _, w := range wanted {
				if p.Addr() == w {
					return errs.New(errs.Conflict, "Address %s is on %s already, which is not local_interface (%s)", w, i.Name, in.conf.LocalInterface)
				}
			}
		}
	}
	return nil
}

// checkPorts refuses to start where another program listens. A running
// undercloud of ours is no other program.
func (in *installer) checkPorts(context.Context) error {
	if st, err := in.process(nil).Status(); err == nil && st.Running {
		return nil
	}
	busy, err := taken(in.conf.LocalIP.Addr(), config.DefaultPorts())
	if err != nil {
		return err
	}
	if in.conf.TLS() {
		public, err := netip.ParseAddr(in.conf.PublicHost)
		if err != nil {
			public = in.conf.LocalIP.Addr() // a name's
		}
		more, err := taken(public, config.DefaultTLSPorts())
		if err != nil {
			return err
		}
		busy = append(busy, more...)
	}
	if len(busy) == 0 || in.serviceHealthy() {
		return nil
	}
	return errs.New(errs.Conflict, "Another program listens on port(s) %s", strings.Join(busy, ", ")).
		WithHint("find it with: ss -ltnp, and stop it")
}

// taken are those of the services' ports at which something listens.
func taken(ip netip.Addr, ports map[string]int) ([]string, error) {
	busy, err := listening(ip)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(ports)) {
		if busy[ports[name]] {
			out = append(out, fmt.Sprintf("%d (%s)", ports[name], name))
		}
	}
	return out, nil
}

// listening returns the TCP ports on which something listens at ip or at every address.
func listening(ip netip.Addr) (map[int]bool, error) {
	out := map[int]bool{}
	for _, path := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // no IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("list listening ports: %w", err)
		}
		for _, line := range strings.Split(string(data), "\n") {
			if addr, ok := listenLine(line); ok && (addr.Addr().IsUnspecified() || addr.Addr() == ip) {
				out[int(addr.Port())] = true
			}
		}
	}
	return out, nil
}

// listenLine reads one line of /proc/net/tcp: state 0A is LISTEN, addresses are
// 32-bit words in the machine's (little-endian) order.
func listenLine(line string) (netip.AddrPort, bool) {
	f := strings.Fields(line)
	if len(f) < 4 || f[3] != "0A" {
		return netip.AddrPort{}, false
	}
	host, portHex, _ := strings.Cut(f[1], ":")
	port, err := strconv.ParseUint(portHex, 16, 16)
	if err != nil || len(host) != 8 && len(host) != 32 {
		return netip.AddrPort{}, false
	}
	raw := make([]byte, 0, 16)
	for w := 0; w < len(host); w += 8 {
		v, err := strconv.ParseUint(host[w:w+8], 16, 32)
		if err != nil {
			return netip.AddrPort{}, false
		}
		raw = append(raw, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
	}
	addr, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), ok
}

// checkLocalIP refuses to renumber an undercloud whose nodes know the old address.
func (in *installer) checkLocalIP(context.Context) error {
	old, err := config.LoadService(config.ServicePath(in.StateDir))
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if old.LocalIP != in.conf.LocalIP {
		return errs.New(errs.Conflict, "Changing the local_ip is not allowed.  Existing IP: %s, Configured IP: %s", old.LocalIP, in.conf.LocalIP).
			WithHint("nodes and images refer to the old address; uninstall the undercloud first")
	}
	return nil
}

func (in *installer) checkPasswords(context.Context) error {
	_, errRC := os.Stat(in.stackrcPath())
	_, errPW := os.Stat(in.passwordsPath())
	if errRC == nil && errors.Is(errPW, os.ErrNotExist) {
		return errs.New(errs.Conflict, "The %s file is missing. This will cause all service passwords to change and break the existing undercloud.", in.passwordsPath()).
			WithHint("restore it from a backup, or remove %s to start with new passwords", in.stackrcPath())
	}
	return nil
}
