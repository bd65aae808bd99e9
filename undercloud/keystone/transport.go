package keystone

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"time"
)

// maxAnswer is how much Keystone may answer, in bytes: a login's answer has the whole catalog.
const maxAnswer = 1 << 20

var errTooLong = errors.New("the answer is longer than 1 MiB")

// newHTTPClient makes a client that waits and reads only so long, and follows nobody
// elsewhere: requests carry tokens.
func newHTTPClient(cfg Config) http.Client {
	return http.Client{
		Timeout:       cfg.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: bounded{&http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        &tls.Config{RootCAs: cfg.CA, InsecureSkipVerify: cfg.Insecure, MinVersion: tls.VersionTLS12},
			MaxConnsPerHost:        atOnce + 1,
			MaxIdleConnsPerHost:    atOnce,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
		}},
	}
}

// bounded ends answers that are too long with an error.
type bounded struct{ next *http.Transport }

// RoundTrip sends one request; http.RoundTripper says what holds.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(req)
	if err == nil {
		resp.Body = &limited{resp.Body, maxAnswer}
	}
	return resp, err
}

// CloseIdleConnections is what http.Client looks for.
func (b bounded) CloseIdleConnections() { b.next.CloseIdleConnections() }

type limited struct {
	io.ReadCloser
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooLong
	}
	n, err := l.ReadCloser.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}
