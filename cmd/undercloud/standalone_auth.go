package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"trefoil/internal/errs"
	"trefoil/undercloud/config"
	"trefoil/undercloud/identity"
	"trefoil/undercloud/keystone"
)

type guard = func(http.Handler) http.Handler

// auth is what asks who a client is, for the bare-metal API and for introspection; nil: nobody is asked.
func (s *standalone) auth() (api, introspection guard, err error) {
	switch s.cfg.Auth {
	case config.AuthBasic:
		basic, err := identity.NewBasic(identity.BasicConfig{File: s.cfg.UserFile, Log: s.log})
		if err != nil {
			return nil, nil, fmt.Errorf("%s: http_basic_auth_user_file: %w", s.cfg.Place("http_basic_auth_user_file"), err)
		}
		return basic.Middleware, basic.Middleware, nil
	case config.AuthKeystone:
		if s.keystone, err = s.openKeystone(s.cfg.Keystone); err != nil {
			return nil, nil, err
		}
		return s.keystone.Middleware(s.cfg.Keystone.ServiceType), s.keystone.Introspection("baremetal-introspection"), nil
	}
	return nil, nil, nil
}

func (s *standalone) openKeystone(k *config.Keystone) (*keystone.Validator, error) {
	cfg := keystone.Config{AuthURL: k.AuthURL, PublicURL: k.PublicURL, Username: k.Username, UserDomainID: k.UserDomainID, UserDomainName: k.UserDomainName,
		ProjectName: k.ProjectName, ProjectDomainID: k.ProjectDomainID, ProjectDomainName: k.ProjectDomainName, SystemScope: k.SystemScope,
		Insecure: k.Insecure, CacheTime: time.Duration(k.CacheTime) * time.Second, Timeout: time.Duration(k.Timeout) * time.Second, Log: s.log,
		Password: func() (string, error) { return k.Password, nil }}
	at := func(option string) string { return s.cfg.PlaceIn("keystone_authtoken", option) }
	if k.PasswordFile != "" {
		cfg.Password = func() (string, error) { return readPassword(k.PasswordFile) }
		if _, err := cfg.Password(); err != nil {
			return nil, fmt.Errorf("%s: password_file: %w", at("password_file"), err)
		}
	}
	if k.CAFile != "" {
		pem, err := os.ReadFile(k.CAFile)
		if err != nil {
			return nil, fmt.Errorf("%s: cafile: %w", at("cafile"), err)
		}
		if cfg.CA = x509.NewCertPool(); !cfg.CA.AppendCertsFromPEM(pem) {
			return nil, errs.New(errs.Invalid, "%s: cafile: %s has no certificate in PEM", at("cafile"), k.CAFile)
		}
	}
	if u, err := url.Parse(k.AuthURL); err == nil && u.Scheme == "http" && u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback() {
		s.log.Warn("tokens and the service user's password travel to Keystone in the clear: set an https:// auth_url", "auth_url", k.AuthURL)
	}
	if k.Insecure {
		s.log.Warn("whoever is on the way to Keystone can make anybody an administrator: insecure = true looks at no certificate; set cafile", "auth_url", k.AuthURL)
	}
	v, err := keystone.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("%s: [keystone_authtoken]: %w", at(""), err)
	}
	return v, nil
}

const maxPassword = 4096

// readPassword is the first line of a file that is nobody else's.
func readPassword(path string) (string, error) {
	f, err := identity.OpenPrivate("the password", path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPassword+1))
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 || len(line) > maxPassword {
		return "", errs.New(errs.Invalid, "%s has no password of 1 to %d bytes in its first line", path, maxPassword)
	}
	return string(line), nil
}

// begin takes up the work, and has Keystone looked at beside it: one that is away must
// not keep machines waiting.
func (s *standalone) begin(ctx context.Context) error {
	if s.keystone != nil {
		go s.keystone.Probe(ctx)
	}
	return s.start(ctx)
}
