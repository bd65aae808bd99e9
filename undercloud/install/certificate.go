package install

import (
	"context"
	"errors"
	"os"
	"time"

	"trefoil/undercloud/certificate"
	"trefoil/undercloud/server"
)

// authorityPath is the operator's copy of the certificate authority, which clients need.
func (o *Options) authorityPath() string { return o.home("undercloud-ca.pem") }

// authority is what stackrc names: the authority of a certificate that we made. Who
// brings a certificate has its authority among those of the machine.
func (in *installer) authority() string {
	if !in.conf.GenerateServiceCertificate {
		return ""
	}
	return in.authorityPath()
}

// certificate has the public endpoints' certificate before the service starts: made, or
// looked at if it is the operator's.
func (in *installer) certificate(context.Context) error {
	if own := in.conf.ServiceCertificate; own != "" {
		if _, err := server.LoadTLS(own, own, nil); err != nil {
			return err
		}
	}
	if !in.conf.GenerateServiceCertificate {
		if err := os.Remove(in.authorityPath()); !errors.Is(err, os.ErrNotExist) {
			return err // of an earlier configuration
		}
		return nil
	}
	dir := certificate.Dir(in.StateDir)
	made, err := (certificate.Maker{Rand: in.Rand, Now: time.Now}).Ensure(dir, in.conf.TLSHosts())
	if err != nil {
		return err
	}
	if made {
		in.log.info("Made %s", certificate.Service(dir))
	}
	data, err := os.ReadFile(certificate.Authority(dir))
	if err != nil {
		return err
	}
	return in.homeFile(in.authorityPath(), data, 0o644)
}
