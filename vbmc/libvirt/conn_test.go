package libvirt

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"trefoil/internal/errs"
)

// TestSilentDaemon: a daemon that takes the connection and never answers costs
// the deadline, not the program.
func TestSilentDaemon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, c) // ends when the watchdog cuts the connection
	}()
	short := func(c *Conn) { c.dial = 50 * time.Millisecond }
	_, err = Dial(context.Background(), "qemu+unix:///system?socket="+path, short)
	if !IsUnavailable(err) || !errors.Is(err, ErrTimeout) {
		t.Errorf("%v, want a timeout", err)
	}
	l.Close() // on a busy machine the deadline may pass before there is a connection to take
	<-cut
}

// TestAFaultInTheLibraryEndsTheCall: without recover it would end this process, and
// with it the BMCs of all domains.
func TestAFaultInTheLibraryEndsTheCall(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	s := &session{stream: newWatchedConn(ours)}
	_, err := invokeOn(context.Background(), &Conn{uri: "test:///"}, s, "ask", time.Minute, func(*golibvirt.Libvirt) (nothing, error) {
		panic("broken on purpose")
	})
	if err == nil || !strings.Contains(err.Error(), "broken on purpose") {
		t.Errorf("got %v", err)
	}
	if _, err := theirs.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still used")
	}
}

func TestNobodyListens(t *testing.T) {
	_, err := Dial(context.Background(), "qemu+unix:///system?socket="+filepath.Join(t.TempDir(), "none"))
	if !IsUnavailable(err) || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("%v", err)
	}
	c, err := Open("qemu+unix:///system?socket=" + filepath.Join(t.TempDir(), "none"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Cached("m"); !IsUnavailable(err) {
		t.Errorf("state while away: %v, want unavailable", err)
	}
	c.Close()
}

func TestParseURI(t *testing.T) {
	env := environment{home: "/home/u", getenv: func(k string) string {
		return map[string]string{"XDG_RUNTIME_DIR": "/run/user/1000"}[k]
	}}
	for uri, want := range map[string]struct{ transport, remote, where string }{
		"qemu:///system":                       {"unix", "qemu:///system", "/var/run/libvirt/libvirt-sock"},
		"qemu:///session":                      {"unix", "qemu:///session", "/run/user/1000/libvirt/libvirt-sock"},
		"qemu+unix:///session?socket=/x":       {"unix", "qemu:///session", "/x"},
		"qemu+tcp://h/system":                  {"tcp", "qemu:///system", "h:16509"},
		"qemu+tcp://[fe80::1]:1/system":        {"tcp", "qemu:///system", "[fe80::1]:1"},
		"qemu://h/system":                      {"tls", "qemu:///system", "h:16514"},
		"qemu+ssh://root@h/system?keyfile=/k":  {"ssh", "qemu:///system", "/var/run/libvirt/libvirt-sock"},
		"qemu+ssh://h/session":                 {"ssh", "qemu:///session", "libvirt-sock"},
		"qemu+tcp://h/system?name=test:///def": {"tcp", "test:///def", "h:16509"},
	} {
		got, err := parseURI(uri, env)
		if err != nil {
			t.Errorf("%s: %v", uri, err)
			continue
		}
		where := got.address()
		if len(got.sockets) > 0 {
			where = got.sockets[0]
		}
		if got.transport != want.transport || got.remote != want.remote || where != want.where {
			t.Errorf("%s: %s %s %s, want %+v", uri, got.transport, got.remote, where, want)
		}
	}
	for _, bad := range []string{"", "system", "qemu+carrier-pigeon:///system", "qemu+tcp:///system", "://"} {
		if _, err := parseURI(bad, env); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestAnUnknownSchemeIsToldAndWhichThereAre(t *testing.T) {
	for uri, want := range map[string][2]string{
		"qemu+foo://h/system":     {`libvirt URI "qemu+foo://h/system": the scheme "qemu+foo" is unknown`, "the schemes are qemu, qemu+unix, qemu+tcp, qemu+tls, qemu+ssh"},
		"qemu+sssh://u:p@h/x":     {`libvirt URI "qemu+sssh://u:***@h/x": the scheme "qemu+sssh" is unknown`, `did you mean "ssh"?`},
		"qemu+://h/system":        {`the scheme "qemu+" is unknown`, "qemu+tls"},
		"kvm://h/system":          {`the scheme "kvm" is unknown`, "the hypervisors are qemu, xen"},
		"qenu+tls://h/system":     {`the scheme "qenu+tls" is unknown`, `did you mean "qemu"?`},
		"https://h:16514/system":  {`the scheme "https" is unknown`, "qemu+ssh://root@HOST/system"},
		"esx://h":                 {`the scheme "esx" is unknown`, "the hypervisors are qemu"},
		"qemu:///sytem":           {`libvirt URI "qemu:///sytem": the path "/sytem" is unknown`, `QEMU's are /system and /session; did you mean "/system"?`},
		"qemu+ssh://u:p@h":        {`libvirt URI "qemu+ssh://u:***@h": the path "" is unknown`, "QEMU's are /system and /session"},
		"ssh://root@host/system/": {`the scheme "ssh" is unknown`, "qemu+ssh://root@HOST/system"},
	} {
		_, err := Dial(t.Context(), uri)
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), want[0]) || !strings.Contains(errs.HintOf(err), want[1]) {
			t.Errorf("%s: %v (%s)", uri, err, errs.HintOf(err))
		}
		if strings.Contains(errs.HintOf(err), "did you mean") && !strings.Contains(want[1], "did you mean") {
			t.Errorf("%s: nothing is close to it: %s", uri, errs.HintOf(err))
		}
	}
}

// TestEventsBeatTheList: what an event told after the list was asked for wins.
func TestEventsBeatTheList(t *testing.T) {
	c, err := newConn("qemu:///system", nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{conn: c, readyCh: make(chan struct{}), domains: map[string]*entry{}}
	c.watch = w
	since := w.seqNow()
	w.seq++
	w.domains["a"] = &entry{Domain: Domain{Name: "a", State: StateRunning}, seq: w.seq}
	w.domains["gone"] = &entry{Domain: Domain{Name: "gone"}, seq: 0}
	w.relisted([]Domain{{Name: "a", State: StateShutoff}, {Name: "b", State: StatePaused}}, since)
	var got []string
	for n, e := range w.domains {
		got = append(got, n+" "+e.State.String())
	}
	slices.Sort(got)
	if want := []string{"a running", "b paused"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// FuzzParseURI: what is taken can be dialled, and what is shown has no password.
func FuzzParseURI(f *testing.F) {
	f.Add("qemu:///session")
	f.Add("qemu+tls://h:1/system?no_verify=1&pkipath=/p")
	env := environment{home: "/home/u", getenv: func(string) string { return "" }}
	f.Fuzz(func(t *testing.T, uri string) {
		got, err := parseURI(uri, env)
		if err == nil && len(got.sockets) == 0 && (got.host == "" || got.port == "") {
			t.Fatalf("%q: nowhere to dial: %+v", uri, got)
		}
		if u, err := url.Parse(Shown(uri)); err == nil && u.User != nil {
			if p, ok := u.User.Password(); ok && p != "***" {
				t.Fatalf("%q is shown as %q", uri, Shown(uri))
			}
		}
	})
}
