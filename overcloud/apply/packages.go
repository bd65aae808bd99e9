package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"trefoil/internal/dpkg"
	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

// packages looks only: an image without a service's packages is the wrong image.
func (s *step) packages(r resource.Resource) handler {
	check := func() (bool, error) { return true, s.lacking(r) }
	return handler{cheap: check, set: func(context.Context) error { return nil }}
}

// lacking is the error that names the packages that are not there. The status
// file, a megabyte, is read once a step.
func (s *step) lacking(r resource.Resource) error {
	if s.dpkg == nil {
		b, err := os.ReadFile(s.path(dpkg.StatusFile))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // not Debian's: nothing is known
		}
		if err != nil {
			return fmt.Errorf("list packages: %w", err)
		}
		in := dpkg.Parse(string(b))
		s.dpkg = &in
	}
	var missing []string
	for _, name := range r.Packages.Names {
		if !s.dpkg.Has(name) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return errs.New(errs.NotFound, "the image lacks %s, which service %s of role %s needs", strings.Join(missing, ", "), r.Service, s.doc.Role).
		WithHint("build the image for the roles that you deploy (openstack overcloud image build -r ROLES_FILE), upload it with --update-existing, and deploy the machine anew")
}
