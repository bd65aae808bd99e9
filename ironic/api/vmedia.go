package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Media is a medium that a BMC shows to its machine as a drive.
type Media struct {
	Device string // cdrom, disk or floppy
	URL    string
	Source string // who reads the URL: "http" the BMC, "local" and "swift" this service
}

// MediaAttacher is what a Conductor may also be: it changes the virtual media
// of machines. As with Ironic, AttachMedia and DetachMedia refuse only what is
// wrong with the request; what the BMC says of it stands in the node's last_error.
type MediaAttacher interface {
	AttachMedia(ctx context.Context, ident string, m Media) error
	// DetachMedia takes the media out of the named devices; none named means all.
	DetachMedia(ctx context.Context, ident string, devices []string) error
	// Media lists what is attached. Invalid: the driver cannot tell.
	Media(ctx context.Context, ident string) ([]Media, error)
}

func mediaDevices() []string { return []string{"disk", "cdrom", "floppy"} }

func (s *server) getMedia(c *call) error {
	if c.version < 93 {
		return routerError(http.StatusNotFound).needing("listing virtual media", 93, c.version)
	}
	n, m, err := hardware[MediaAttacher](s, c, "virtual media")
	if err != nil {
		return err
	}
	attached, err := m.Media(c.ctx(), n.UUID)
	if err != nil {
		return err
	}
	list := []object{}
	drives := map[string]string{"cdrom": "CD", "disk": "USBStick", "floppy": "Floppy"} // Redfish's words, as Ironic's answer has them
	for _, a := range attached {
		list = append(list, object{{"media_types", []string{drives[a.Device]}}, {"inserted", true}, {"image", withoutSecret(a.URL)}})
	}
	return c.json(http.StatusOK, list)
}

// withoutSecret hides the password of a URL.
func withoutSecret(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return masked
	}
	return u.Redacted()
}

func (s *server) attachMedia(c *call) error {
	body, err := c.objectBody(bodyLimit)
	if err != nil {
		return err
	}
	asked, err := mediaOf(body)
	if err != nil {
		return err
	}
	n, m, err := hardware[MediaAttacher](s, c, "virtual media")
	if err != nil {
		return err
	}
	if err := m.AttachMedia(c.ctx(), n.UUID, asked); err != nil {
		return err
	}
	return c.status(http.StatusNoContent)
}

// mediaOf reads the body of that request.
func mediaOf(body map[string]any) (Media, error) {
	m := Media{Source: "local"}
	if err := only("vmedia", body, "device_type", "image_url", "image_download_source"); err != nil {
		return m, err
	}
	var err error
	if m.Device, err = text("vmedia", body, "device_type"); err != nil {
		return m, err
	}
	if m.URL, err = text("vmedia", body, "image_url"); err != nil {
		return m, err
	}
	if _, given := body["image_download_source"]; given {
		if m.Source, err = text("vmedia", body, "image_download_source"); err != nil {
			return m, err
		}
	}
	sources := []string{"http", "local", "swift"}
	if !slices.Contains(mediaDevices(), m.Device) {
		return m, badRequest("Schema error for vmedia: device_type '%s' is not one of %s", m.Device, strings.Join(mediaDevices(), ", "))
	}
	if !slices.Contains(sources, m.Source) {
		return m, badRequest("Schema error for vmedia: image_download_source '%s' is not one of %s", m.Source, strings.Join(sources, ", "))
	}
	u, err := url.Parse(m.URL)
	if err != nil { // its text would repeat the URL, which may hold a password
		return m, badRequest("Schema error for vmedia: image_url is not a URL")
	}
	if !slices.Contains([]string{"http", "https", "nfs", "cifs", "smb"}, strings.ToLower(u.Scheme)) {
		return m, badRequest("Unsupported or missing URL scheme: %s", u.Scheme)
	}
	return m, nil
}

func (s *server) detachMedia(c *call) error {
	l, err := c.listQuery()
	if err != nil {
		return err
	}
	var devices []string
	for name := range l.filters {
		if name != "device_types" {
			return badRequest("Unexpected arguments: %s", name).choosing(name, []string{"device_types"})
		}
		devices = strings.FieldsFunc(l.filters.Get(name), func(r rune) bool { return r == ',' || r == ' ' })
	}
	for _, d := range devices {
		if !slices.Contains(mediaDevices(), d) {
			return badRequest("Invalid device type(s) %s (valid are %s)", d, strings.Join(mediaDevices(), ", "))
		}
	}
	n, m, err := hardware[MediaAttacher](s, c, "virtual media")
	if err != nil {
		return err
	}
	if err := m.DetachMedia(c.ctx(), n.UUID, devices); err != nil {
		return err
	}
	return c.status(http.StatusNoContent)
}
