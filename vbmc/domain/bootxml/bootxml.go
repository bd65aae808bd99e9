// Package bootxml reads and changes the boot order in a libvirt domain XML. It
// edits the text: nothing but boot elements changes, not even white space, so
// what a user wrote or libvirt added later survives untouched.
//
// A domain has one of two styles, which libvirt does not mix: <boot dev='…'/>
// below <os>, or <boot order='…'/> in devices. The style is kept, and devices are
// reordered, never left out, so that the old order remains as the fallback.
package bootxml

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"trefoil/vbmc/domain"
)

// ErrNoDevice says that the machine has no device of the wanted kind.
var ErrNoDevice = errors.New("machine has no such boot device")

// Config is a boot order: in one style or the other, or neither.
type Config struct {
	OS     []string       `json:"os,omitempty"`     // os/boot: hd, network, cdrom, fd
	Orders map[string]int `json:"orders,omitempty"` // device key → order, from 1
}

// Equal reports whether two orders are the same.
func (c Config) Equal(o Config) bool {
	return slices.Equal(c.OS, o.OS) && maps.Equal(c.Orders, o.Orders)
}

// Doc is a parsed domain XML.
type Doc struct {
	text    string
	osBoots []span
	osAt    int // where a new os/boot goes; -1: no <os>
	devices []device
	efi     bool
	nic     string // key of the network card that network boots use; "": the first
}

type span struct {
	start, end int
	value      string // dev or order
}

type device struct {
	kind  domain.Device // None: bootable or not, but of no kind an override names
	key   string
	alias string // only a running domain's devices have one
	boot  *span
	inner int  // offset of the closing tag; a new boot element goes there
	bare  bool // <tag …/>: has no closing tag
}

// Parse reads a domain XML.
func Parse(text string) (*Doc, error) {
	p := parser{dec: xml.NewDecoder(strings.NewReader(text)), doc: &Doc{text: text, osAt: -1}, count: map[string]int{}}
	if err := p.run(); err != nil {
		return nil, fmt.Errorf("read domain XML: %w", err)
	}
	return p.doc, nil
}

// parser walks the tokens; path holds the open elements.
type parser struct {
	dec   *xml.Decoder
	doc   *Doc
	path  []string
	cur   *device
	id    string // identity of the device: target or MAC
	sub   string // disk: the device attribute
	count map[string]int
}

func (p *parser) run() error {
	for {
		start := int(p.dec.InputOffset())
		tok, err := p.dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			p.path = append(p.path, t.Name.Local)
			p.open(t, start, int(p.dec.InputOffset()))
		case xml.CharData:
			p.content(string(t))
		case xml.EndElement:
			p.close(start, int(p.dec.InputOffset()))
			p.path = p.path[:len(p.path)-1]
		}
	}
}

func attr(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

func (p *parser) open(t xml.StartElement, start, end int) {
	at := strings.Join(p.path, "/")
	switch {
	case at == "domain/os" && attr(t, "firmware") == "efi", at == "domain/os/loader" && attr(t, "type") == "pflash":
		p.doc.efi = true
	case at == "domain/os/boot":
		p.doc.osBoots = append(p.doc.osBoots, span{start, end, attr(t, "dev")})
	case len(p.path) == 3 && strings.HasPrefix(at, "domain/devices/"):
		p.cur, p.id, p.sub = &device{}, "", attr(t, "device")
	case len(p.path) == 4 && p.cur != nil:
		switch t.Name.Local {
		case "boot":
			p.cur.boot = &span{start, end, attr(t, "order")}
		case "target":
			if p.path[2] == "disk" {
				p.id = attr(t, "dev")
			}
		case "mac":
			p.id = attr(t, "address")
		case "alias":
			p.cur.alias = attr(t, "name")
		}
	}
}

// content: a loader of type rom may be SeaBIOS or UEFI, which only its name tells.
func (p *parser) content(text string) {
	if strings.Join(p.path, "/") == "domain/os/loader" && (strings.Contains(text, "OVMF") || strings.Contains(text, "AAVMF")) {
		p.doc.efi = true
	}
}

func (p *parser) close(start, end int) {
	at := strings.Join(p.path, "/")
	switch {
	case at == "domain/os/type":
		p.doc.osAt = end
	case at == "domain/os/boot":
		// The element may have been written <boot …></boot>.
		p.doc.osBoots[len(p.doc.osBoots)-1].end = end
	case len(p.path) == 4 && p.cur != nil && p.path[3] == "boot":
		p.cur.boot.end = end
	case len(p.path) == 3 && p.cur != nil:
		p.finish(start, end)
		p.cur = nil
	}
}

func (p *parser) finish(start, end int) {
	d, tag := p.cur, p.path[2]
	p.count[tag]++
	d.inner, d.bare = start, start == end
	switch tag {
	case "interface":
		d.kind = domain.PXE
	case "disk":
		d.kind = map[string]domain.Device{"": domain.Disk, "disk": domain.Disk, "lun": domain.Disk, "cdrom": domain.CDROM, "floppy": domain.Floppy}[p.sub]
	}
	if p.id == "" {
		p.id = "#" + strconv.Itoa(p.count[tag])
	}
	d.key = tag + ":" + p.id
	p.doc.devices = append(p.doc.devices, *d)
}

// Config returns the boot order as it stands.
func (d *Doc) Config() Config {
	var c Config
	for _, b := range d.osBoots {
		c.OS = append(c.OS, b.value)
	}
	for _, v := range d.devices {
		if v.boot == nil {
			continue
		}
		if c.Orders == nil {
			c.Orders = map[string]int{}
		}
		c.Orders[v.key], _ = strconv.Atoi(v.boot.value)
	}
	return c
}

// osDevices are the kinds by their names in <os><boot dev='…'/>.
var osDevices = map[string]domain.Device{"network": domain.PXE, "hd": domain.Disk, "cdrom": domain.CDROM, "fd": domain.Floppy}

// Override returns base with dev in front; all others keep their sequence.
func (d *Doc) Override(base Config, dev domain.Device) (Config, error) {
	target := d.choose(base, dev)
	if target == "" {
		return Config{}, fmt.Errorf("%w: %s", ErrNoDevice, dev)
	}
	if len(base.Orders) == 0 {
		name := map[domain.Device]string{domain.PXE: "network", domain.Disk: "hd", domain.CDROM: "cdrom", domain.Floppy: "fd"}[dev]
		c := Config{OS: []string{name}}
		for _, o := range base.OS {
			if o != name {
				c.OS = append(c.OS, o)
			}
		}
		return c, nil
	}
	keys := slices.Collect(maps.Keys(base.Orders))
	sort.Slice(keys, func(i, j int) bool { return base.Orders[keys[i]] < base.Orders[keys[j]] })
	c := Config{Orders: map[string]int{target: 1}}
	for _, k := range keys {
		if k != target {
			c.Orders[k] = len(c.Orders) + 1
		}
	}
	return c, nil
}

// First is the kind of device that comes first in the boot order as it stands; None when
// nothing does, or what no override names.
func (d *Doc) First() domain.Device {
	if len(d.osBoots) > 0 {
		return osDevices[d.osBoots[0].value]
	}
	kind, least := domain.None, 0
	for _, v := range d.devices {
		if v.boot == nil {
			continue
		}
		if n, err := strconv.Atoi(v.boot.value); err == nil && (least == 0 || n < least) {
			kind, least = v.kind, n
		}
	}
	return kind
}

// choose picks the device of a kind that comes first in base, or else the first
// one in the document.
func (d *Doc) choose(base Config, dev domain.Device) string {
	first, best := "", ""
	for _, v := range d.devices {
		if v.kind != dev || dev == domain.None {
			continue
		}
		if dev == domain.PXE && d.nic != "" && d.nic != v.key {
			if len(base.Orders) == 0 && first == "" {
				return "" // <os><boot dev='network'/> boots the first card only
			}
			continue
		}
		if first == "" {
			first = v.key
		}
		if n := base.Orders[v.key]; n > 0 && (best == "" || n < base.Orders[best]) {
			best = v.key
		}
	}
	if best != "" {
		return best
	}
	return first
}

type edit struct {
	start, end int
	text       string
}

// Apply returns the XML with the boot order c.
func (d *Doc) Apply(c Config) (string, error) {
	if d.Config().Equal(c) {
		return d.text, nil
	}
	edits := append(d.editOS(c), d.editDevices(c)...)
	if len(c.OS) > 0 && d.osAt < 0 {
		return "", errors.New("domain XML has no <os><type>")
	}
	sort.Slice(edits, func(i, j int) bool { return edits[i].start < edits[j].start })
	var b strings.Builder
	at := 0
	for _, e := range edits {
		b.WriteString(d.text[at:e.start])
		b.WriteString(e.text)
		at = e.end
	}
	b.WriteString(d.text[at:])
	return b.String(), d.check(b.String(), c)
}

// check reads back what was written, so that nothing is stored that says another order, or
// nothing. A device that the machine has not any more is in no order.
func (d *Doc) check(text string, c Config) error {
	out, err := Parse(text)
	if err != nil {
		return err
	}
	want := Config{OS: c.OS, Orders: maps.Clone(c.Orders)}
	maps.DeleteFunc(want.Orders, func(key string, _ int) bool {
		return !slices.ContainsFunc(d.devices, func(v device) bool { return v.key == key })
	})
	if !out.Config().Equal(want) {
		return errors.New("the boot order cannot be written into this domain XML")
	}
	return nil
}

// editOS writes the whole list where the first element stood.
func (d *Doc) editOS(c Config) []edit {
	var have []string
	for _, b := range d.osBoots {
		have = append(have, b.value)
	}
	if slices.Equal(have, c.OS) {
		return nil
	}
	at, sep := d.osAt, "\n    "
	var edits []edit
	for i, b := range d.osBoots {
		start := d.lineStart(b.start)
		if i == 0 {
			at, sep = start, d.text[start:b.start]
		}
		edits = append(edits, edit{start: start, end: b.end})
	}
	var list strings.Builder
	for _, dev := range c.OS {
		list.WriteString(sep + "<boot dev='" + dev + "'/>")
	}
	if len(edits) > 0 {
		edits[0].text = list.String()
		return edits
	}
	return []edit{{at, at, list.String()}}
}

var orderAttr = regexp.MustCompile(`(\border\s*=\s*)(?:'[^']*'|"[^"]*")`)

func (d *Doc) editDevices(c Config) []edit {
	var edits []edit
	for _, v := range d.devices {
		want := c.Orders[v.key]
		switch {
		case v.boot == nil && want > 0 && !v.bare:
			sep := d.text[d.lineStart(v.inner):v.inner]
			at := v.inner - len(sep)
			edits = append(edits, edit{at, at, sep + "  <boot order='" + strconv.Itoa(want) + "'/>"})
		case v.boot != nil && want == 0:
			edits = append(edits, edit{d.lineStart(v.boot.start), v.boot.end, ""})
		case v.boot != nil && v.boot.value != strconv.Itoa(want):
			text := orderAttr.ReplaceAllString(d.text[v.boot.start:v.boot.end], "${1}'"+strconv.Itoa(want)+"'")
			edits = append(edits, edit{v.boot.start, v.boot.end, text})
		}
	}
	return edits
}

// lineStart goes back over white space, so that an element's line is taken and
// given as a whole.
func (d *Doc) lineStart(at int) int {
	return len(strings.TrimRight(d.text[:at], " \t\r\n"))
}
