package manager

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"trefoil/internal/errs"
)

// dirStore is the directory of all domains' configurations.
type dirStore struct {
	root string
	disk disk
}

func (d dirStore) dir(name string) string  { return filepath.Join(d.root, name) }
func (d dirStore) file(name string) string { return filepath.Join(d.root, name, "config") }

// state is where the machine's boot state is kept.
func (d dirStore) state(name string) string { return filepath.Join(d.root, name, "state.json") }

// bmc is where the BMC's own memory is kept.
func (d dirStore) bmc(name string) fileStore {
	return fileStore{filepath.Join(d.root, name, "bmc"), d.disk}
}

// clear removes what lies in a domain's directory beside its configuration: boot
// state, the BMC's memory, and files whose writer was killed. What is not ours stays.
func (d dirStore) clear(name string) error {
	entries, err := os.ReadDir(d.dir(name))
	for _, e := range entries {
		n := e.Name()
		if n == "state.json" || unfinished(n) {
			err = errors.Join(err, os.Remove(filepath.Join(d.dir(name), n)))
		}
	}
	if err = errors.Join(err, d.bmc(name).clear()); err != nil {
		return fmt.Errorf("clear directory of domain %s: %w", name, err)
	}
	return nil
}

// unfinished tells by its name a file whose writer was killed before the file got its own:
// those of disk.replace and of the machine's boot state.
func unfinished(name string) bool {
	digits, ok := strings.CutPrefix(name, ".new-")
	if !ok {
		digits, ok = strings.CutPrefix(name, ".state-")
	}
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// removeUnfinished removes such files from a directory and those below, so many deep: they
// have passwords in them, and nobody asks for them any more. No link is followed.
func removeUnfinished(dir string, deep int) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case e.IsDir() && deep > 0:
			err = errors.Join(err, removeUnfinished(path, deep-1))
		case e.Type().IsRegular() && unfinished(e.Name()):
			err = errors.Join(err, os.Remove(path))
		}
	}
	return err
}

// remove removes a domain's directory; one without configuration, left by a killed
// add or delete, only when nothing foreign lies in it.
func (d dirStore) remove(name string) error {
	configured, err := d.has(name)
	if err != nil {
		return err
	}
	if configured {
		if err := os.RemoveAll(d.dir(name)); err != nil {
			return fmt.Errorf("remove configuration of domain %s: %w", name, err)
		}
		return d.disk.settle(d.root)
	}
	if err := d.clear(name); err != nil {
		return err
	}
	if err := os.Remove(d.dir(name)); err != nil {
		return fmt.Errorf("remove directory of domain %s: %w", name, err)
	}
	return d.disk.settle(d.root)
}

// has tells whether there is a configuration. A disk or a permission that keeps it from
// being seen is an error, and not the same as none.
func (d dirStore) has(name string) (bool, error) {
	_, err := os.Lstat(d.file(name))
	if absent(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the configuration of domain %s: %w", name, err)
	}
	return true, nil
}

// absent reports an error that says that there is nothing, neither a directory of that
// name nor a file in it.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) }

// stamp tells whether a file is still the one that was read. The time of change
// counts, not that of modification: no program can set it back.
type stamp struct {
	changed unix.Timespec
	size    int64
	inode   uint64
}

func (d dirStore) stamp(name string) (stamp, error) {
	var st unix.Stat_t
	if err := unix.Stat(d.file(name), &st); err != nil {
		return stamp{}, &fs.PathError{Op: "stat", Path: d.file(name), Err: err}
	}
	return stamp{st.Ctim, st.Size, st.Ino}, nil
}

// settled tells whether a later change must show in the stamp: file systems count
// time in steps, and a second write within one step would look like the first.
func (s stamp) settled(now time.Time) bool {
	return now.Sub(time.Unix(s.changed.Unix())) > 2*time.Second
}

// each calls f for every domain that has a configuration, sorted by name; with an error
// for one whose file cannot be looked at, which is there all the same.
func (d dirStore) each(f func(name string, s stamp, err error)) error {
	entries, err := os.ReadDir(d.root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list configurations: %w", err)
	}
	for _, e := range entries { // sorted by name
		if s, err := d.stamp(e.Name()); !absent(err) {
			f(e.Name(), s, err)
		}
	}
	return nil
}

// configSection is the section of virtualbmc's configuration of a domain.
const configSection = "VirtualBMC"

// load reads one configuration. Missing keys have the defaults of `vbmc add`,
// except port, without which virtualbmc too refuses the file. Beside an error that
// mostlyRead takes stands all that could be read.
func (d dirStore) load(name string) (Config, error) {
	path := d.file(name)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrPermission) {
		return Config{}, errs.Wrap(errs.Forbidden, err, "the configuration of domain %s cannot be read", name).
			WithHint("the daemon (user %d) must be able to read it: chmod u+r, or chown", os.Geteuid())
	}
	if err != nil {
		return Config{}, err
	}
	return parseConfig(path, name, string(raw))
}

func parseConfig(path, name, text string) (Config, error) {
	f, err := parseINI(path, text)
	if err != nil {
		return Config{}, err
	}
	keys, ok := f.sections[configSection]
	if !ok {
		return Config{}, errs.New(errs.Invalid, "%s: no section [%s]", path, configSection).
			WithHint("begin the file with a line [%s]", configSection)
	}
	c := Config{
		Domain: name, Username: DefaultUsername, Password: DefaultPassword,
		Address: DefaultAddress, LibvirtURI: DefaultLibvirtURI,
	}
	var extra strings.Builder
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		switch field := c.text(key); {
		case field != nil:
			*field = keys[key].text
		case key != "port" && key != "active":
			put(&extra, key, keys[key].text)
		}
	}
	c.extra = extra.String()
	noPort, noActive := c.readPort(f, name), c.readActive(f, name)
	return c, cmp.Or(noPort, noActive)
}

// put writes a key so that ConfigParser reads it back.
func put(b *strings.Builder, key, value string) {
	fmt.Fprintf(b, "%s = %s\n", key, strings.ReplaceAll(escapeINI(value), "\n", "\n\t"))
}

// save writes a configuration atomically, readable for its owner only, with the
// keys in virtualbmc's order, ours after them.
func (d dirStore) save(name string, c Config) error {
	return d.disk.replace(d.file(name), []byte(c.ini()))
}

func (c Config) ini() string {
	var b strings.Builder
	b.WriteString("[" + configSection + "]\n")
	put(&b, "domain_name", c.Domain)
	put(&b, "username", c.Username)
	put(&b, "password", c.Password)
	if c.Port == 0 {
		b.WriteString(c.badPort)
	} else {
		put(&b, "port", strconv.Itoa(c.Port))
	}
	put(&b, "address", c.Address)
	put(&b, "libvirt_uri", c.LibvirtURI)
	for _, key := range []string{"libvirt_sasl_username", "libvirt_sasl_password"} {
		if v := *c.text(key); v != "" {
			put(&b, key, v)
		}
	}
	if c.badActive != "" {
		b.WriteString(c.badActive)
	} else {
		put(&b, "active", map[bool]string{true: "True", false: "False"}[c.Active])
	}
	for _, key := range []string{"kg", "cipher_suites", "console", "boot_mac", "efi", "live_boot_order"} {
		if v := *c.text(key); v != "" {
			put(&b, key, v)
		}
	}
	b.WriteString(c.extra)
	b.WriteString("\n")
	return b.String()
}
