package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"trefoil/internal/errs"
)

// certificate is a certificate with its key in two files, read again when they
// change: whoever renews it need not restart the service.
type certificate struct {
	cert, key string
	log       *slog.Logger

	mu    sync.Mutex
	state string
	pair  *tls.Certificate
}

// LoadTLS returns the TLS side of a service: TLS 1.2 and newer. Files that have
// changed are read at the next connection; ones that are wrong then are logged, and
// the old certificate stays in use. Errors are Invalid and name the file.
func LoadTLS(cert, key string, log *slog.Logger) (*tls.Config, error) {
	c := &certificate{cert: cert, key: key, log: log}
	state, err := c.look()
	if err != nil {
		return nil, err
	}
	if c.pair, err = c.read(); err != nil {
		return nil, err
	}
	c.state = state
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}, nil
}

// look tells the files' state, and refuses a key that others may read.
func (c *certificate) look() (string, error) {
	state := ""
	for _, path := range []string{c.cert, c.key} {
		st, err := os.Stat(path)
		if err != nil {
			return "", errs.Wrap(errs.Invalid, err, "the TLS certificate or its key cannot be read")
		}
		if path == c.key && st.Mode().Perm()&0o027 != 0 {
			return "", errs.New(errs.Invalid, "the TLS key %s has mode %#o, so that others may read or change it; expected 0600 or 0640", path, st.Mode().Perm()).
				WithHint("chmod 600 %s", path)
		}
		state += fmt.Sprint(path, st.Size(), st.ModTime().UnixNano(), st.Mode(), " ")
	}
	return state, nil
}

func (c *certificate) read() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "the TLS certificate %s with the key %s cannot be used", c.cert, c.key)
	}
	if pair.Leaf != nil && time.Now().After(pair.Leaf.NotAfter) {
		return nil, errs.New(errs.Invalid, "the TLS certificate %s expired at %s", c.cert, pair.Leaf.NotAfter.Format(time.RFC3339))
	}
	return &pair, nil
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	state, err := c.look()
	if err == nil && state == c.state {
		return c.pair, nil
	}
	var pair *tls.Certificate
	if err == nil {
		pair, err = c.read()
	}
	if err != nil {
		c.log.Error("the new TLS certificate is not used", "error", err)
		return c.pair, nil
	}
	c.pair, c.state = pair, state
	c.log.Info("the TLS certificate was read again", "file", c.cert)
	return pair, nil
}
