package session_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/session"
)

// ask makes one request to a service that stands alone.
func ask(t *testing.T, o session.Options, path string) error {
	t.Helper()
	environment(t, nil)
	o.AuthType = "none"
	s, err := session.FromEnv(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Baremetal()
	if strings.HasPrefix(path, "rules") || strings.HasPrefix(path, "introspection") {
		c, err = s.Introspection()
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Get(t.Context(), c.ServiceURL(path), &map[string]any{}, nil)
	return session.Explain(err)
}

// says is a server with one answer.
func says(t *testing.T, code int, body string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// secure is a server with TLS and, if change says so, a certificate of its own.
func secure(t *testing.T, change func(*x509.Certificate)) (url, ca string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	der := srv.Certificate().Raw
	if change != nil {
		own := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
		change(own)
		key := srv.TLS.Certificates[0].PrivateKey
		made, err := x509.CreateCertificate(nil, own, own, srv.Certificate().PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		der, srv.TLS.Certificates[0] = made, tls.Certificate{Certificate: [][]byte{made}, PrivateKey: key}
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return srv.URL, ca
}

// alerts answers plain requests with a TLS alert, as OpenSSL does.
func alerts(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1))
			_, _ = c.Write([]byte("\x15\x03\x01\x00\x02\x02\x16\n"))
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

func TestTwoEndsThatDoNotUnderstandEachOther(t *testing.T) {
	good, ca := secure(t, nil)
	_, otherCA := secure(t, func(*x509.Certificate) {})
	named, namedCA := secure(t, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"bmc.example.org"} })
	old, oldCA := secure(t, func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2002, 1, 1, 0, 0, 0, 0, time.UTC)
	})
	plain, alert := says(t, 200, "{}"), alerts(t)
	host := func(url string) string { _, h, _ := strings.Cut(url, "://"); return h }
	if err := ask(t, session.Options{Endpoint: good, CACert: ca}, "nodes"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, url, ca, want, hint string }{
		{"no authority", good, "", "the certificate of " + good + " is of an authority that is not known here", "--os-cacert FILE or OS_CACERT"},
		{"a wrong authority", good, otherCA, "is of an authority that is not known here", "--os-cacert FILE or OS_CACERT"},
		{"another host's", named, namedCA, "the certificate of " + named + " is for bmc.example.org", "by a name that its certificate has"},
		{"an old one", old, oldCA, "is valid from 2001-01-01 00:00 UTC to 2002-01-01 00:00 UTC", "clock"},
		{"https at a port without TLS", "https://" + host(plain), "", "https://" + host(plain) + " speaks no TLS", "use " + plain},
		{"http at a port with TLS", "http://" + host(good), "", "(HTTP 400)", "use " + good},
		{"http at OpenSSL's", alert, "", alert + " speaks TLS alone", "use https://" + host(alert)},
		{"http at nginx's", says(t, 400, "<html><center>The plain HTTP request was sent to HTTPS port</center></html>"), "", "Bad Request (HTTP 400)", "use https://"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := ask(t, session.Options{Endpoint: c.url, CACert: c.ca}, "nodes")
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.want) || !strings.Contains(errs.HintOf(err), c.hint) || strings.Contains(err.Error(), "/v1") {
				t.Errorf("%v (hint %q)", err, errs.HintOf(err))
			}
			environment(t, map[string]string{"OS_AUTH_URL": c.url + "/v3", "OS_USERNAME": "admin", "OS_PASSWORD": "hunter2", "OS_USER_DOMAIN_NAME": "Default"})
			_, err = session.FromEnv(t.Context(), session.Options{CACert: c.ca, Silent: hint})
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.want) || !strings.Contains(errs.HintOf(err), c.hint) {
				t.Errorf("Keystone: %v (hint %q)", err, errs.HintOf(err))
			}
		})
	}
}

// Bodies as the services have them.
const (
	router    = `{"error_message": "{\"code\": 404, \"title\": \"Not Found\", \"description\": \"\"}"}`
	noNode    = `{"error_message": "{\"faultcode\": \"Client\", \"faultstring\": \"Node n could not be found.\", \"debuginfo\": null}"}`
	noData    = `{"error": {"message": "Node n was not found"}}`
	withHint  = `{"error_message": "{\"faultcode\": \"Client\", \"faultstring\": \"No.\", \"debuginfo\": null, \"hint\": \"did you mean n1?\"}"}`
	routeHint = `{"error_message": "{\"code\": 406, \"title\": \"Not Acceptable\", \"description\": \"No.\", \"hint\": \"did you mean n1?\"}"}`
)

func TestAStandaloneServiceThatHasNoSuchPath(t *testing.T) {
	for _, c := range []struct {
		name, body, path, ask, want, hint string
		code                              int
	}{
		{"introspection at the bare-metal port", router, "", "rules", "Not Found (HTTP 404)", "introspection has a port of its own: --os-endpoint http://127.0.0.1:5050", 404},
		{"of a node", router, "", "introspection/n", "Not Found (HTTP 404)", ":5050", 404},
		{"what introspection does not have", noData, "", "introspection/n", "Node n was not found (HTTP 404)", "", 404},
		{"a wrong path", router, "/baremetal", "nodes", "Not Found (HTTP 404)", "/baremetal/ the right endpoint? It is the API's root, such as http://HOST:6385", 404},
		{"another service's page", "<html>", "", "nodes", "Not Found (HTTP 404)", "the right endpoint?", 404},
		{"a node that is not there", noNode, "", "nodes/n", "Node n could not be found. (HTTP 404)", "", 404},
		{"the service's own hint", withHint, "", "nodes/n", "No. (HTTP 400)", "did you mean n1?", 400},
		{"it goes before ours", routeHint, "", "rules", "No. (HTTP 404)", "did you mean n1?", 404},
		{"the stack API's hint", `{"error": {"message": "No.\nhint: did you mean n1?"}}`, "", "nodes/n", "No. (HTTP 400)", "did you mean n1?", 400},
		{"the router's hint", routeHint, "", "nodes/n", "No. (HTTP 406)", "did you mean n1?", 406},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := ask(t, session.Options{Endpoint: says(t, c.code, c.body) + c.path}, c.ask)
			if err == nil || err.Error() != c.want || !strings.Contains(errs.HintOf(err), c.hint) || c.hint == "" && errs.HintOf(err) != "" {
				t.Errorf("%v (hint %q)", err, errs.HintOf(err))
			}
		})
	}
}

func TestAStandaloneServiceThatIsSilent(t *testing.T) {
	srv := httptest.NewServer(nil)
	srv.Close()
	err := ask(t, session.Options{Endpoint: srv.URL, Silent: hint}, "nodes")
	if !errs.Is(err, errs.Unavailable) || errs.HintOf(err) != "is a service listening there? see its log or systemctl status" {
		t.Errorf("%v (hint %q)", err, errs.HintOf(err))
	}
}

func TestALoginAtAWrongPath(t *testing.T) {
	environment(t, map[string]string{"OS_AUTH_URL": says(t, 404, router) + "/v3", "OS_USERNAME": "admin", "OS_PASSWORD": "hunter2", "OS_USER_DOMAIN_NAME": "Default"})
	_, err := session.FromEnv(t.Context(), session.Options{Silent: hint})
	if err == nil || !strings.Contains(errs.HintOf(err), "ends in /v3") {
		t.Errorf("%v (hint %q)", err, errs.HintOf(err))
	}
}
