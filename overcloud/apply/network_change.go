package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"trefoil/overcloud/apply/networkd"
)

// networkChange is the way from one configuration of the network to another. A run that
// was killed while it tried one has left what it tried, beside what the machine had.
type networkChange struct {
	kept, tried           map[string]string // files
	bridges, triedBridges []networkd.Bridge // as far as they were written down
	before                ovsState
	want                  *networkd.Result
	answered              []string // addresses that answered before
}

// written tells whether all that lacks is in the records: which card has which number, and,
// where older releases did not write it, Open vSwitch's part.
func (c *networkChange) written() bool {
	known := c.kept[networkd.OVSFile] == "" || c.kept[networkd.OVSFile] == c.want.Files[networkd.OVSFile]
	return len(c.tried) == 0 && known && maps.Equal(networkd.WithoutRecords(c.kept), networkd.WithoutRecords(c.want.Files))
}

// onlyRecords tells whether the machine's network is as it is wanted and not all of it written
// down: nothing has to be tried for that.
func (s *step) onlyRecords(ctx context.Context, c *networkChange) (bool, error) {
	if !c.written() {
		return false, nil
	}
	missing, err := s.missing(ctx, c.want.Addresses)
	return err == nil && len(missing) == 0, err
}

// linkless names the cards that are to be used and have no link, for the end of a hint.
func (c *networkChange) linkless() string {
	var out []string
	for i, n := range c.want.NICs {
		if !n.Link && c.want.Files[n.Name+".network"] != "" {
			out = append(out, fmt.Sprintf("nic%d, %s, has no link", i+1, n.Name))
		}
	}
	if len(out) == 0 {
		return ""
	}
	return " " + strings.Join(out, "; ")
}

// try is what is written for the time of a try. What the machine had and is to have no more
// is there without a configuration: its file of before would hold else, and two devices have
// one address.
func (c *networkChange) try() map[string]string {
	out := maps.Clone(c.want.Files)
	for name := range c.kept {
		if device, is := strings.CutSuffix(name, ".network"); is && c.want.Files[name] == "" {
			out[name] = fmt.Sprintf("[Match]\nName=%s\n\n[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n", device)
		}
	}
	return out
}

// bringUp makes the machine's network as it is wanted, below /run.
func (s *step) bringUp(ctx context.Context, c *networkChange) error {
	if err := s.setNetworkFiles(tryNetwork, c.try()); err != nil {
		return err
	}
	if err := s.ovsUp(ctx, c); err != nil {
		return err
	}
	for _, had := range []map[string]string{c.kept, c.tried} {
		if err := s.dropDevices(ctx, had, c.want.Files); err != nil {
			return err
		}
	}
	if err := s.reload(ctx); err != nil {
		return err
	}
	if err := s.until(ctx, addressWait, "the addresses", func() (string, error) {
		missing, err := s.missing(ctx, c.want.Addresses)
		return strings.Join(missing, ", "), err
	}); err != nil {
		return err
	}
	return s.answerAgain(ctx, c.answered)
}

// keep makes what was tried what the machine boots with.
func (s *step) keep(ctx context.Context, c *networkChange) error {
	if err := s.setNetworkFiles(keptNetwork, c.want.Files); err != nil {
		return err
	}
	err := errors.Join(s.setNetworkFiles(tryNetwork, nil), s.reload(ctx))
	// Until now networkd had the files of before, too, and made again what they name.
	gone := maps.Clone(c.kept)
	maps.DeleteFunc(gone, func(name, _ string) bool { _, wanted := c.want.Files[name]; return wanted })
	return errors.Join(err, s.dropDevices(ctx, gone, nil))
}

// goBack makes the network what it was.
func (s *step) goBack(ctx context.Context, c *networkChange) error {
	err := s.setNetworkFiles(tryNetwork, nil)
	err = errors.Join(err, s.ovsBack(ctx, c))
	for _, made := range []map[string]string{c.want.Files, c.tried} {
		err = errors.Join(err, s.dropDevices(ctx, made, c.kept))
	}
	return errors.Join(err, s.reload(ctx), s.answerAgain(ctx, c.answered))
}

// dropDevices takes away the VLANs, bonds and bridges of some files that others have not, or
// have otherwise: networkd makes devices, and neither changes those that are there nor removes any.
func (s *step) dropDevices(ctx context.Context, from, to map[string]string) error {
	var all error
	for _, name := range slices.Sorted(maps.Keys(from)) {
		device, made := strings.CutSuffix(name, ".netdev")
		if !made || from[name] == to[name] && under(from, device) == under(to, device) {
			continue
		}
		if _, err := os.Stat(s.path("sys/class/net/" + device)); err != nil {
			continue
		}
		_, err := s.System.Run(ctx, Command{Args: []string{"ip", "link", "delete", "dev", device}, Timeout: 10 * time.Second})
		all = errors.Join(all, err)
	}
	return all
}

// under is the file of what a VLAN lies on.
func under(files map[string]string, vlan string) string {
	for name, text := range files {
		if strings.Contains(text, "\nVLAN="+vlan+"\n") {
			return name
		}
	}
	return ""
}
