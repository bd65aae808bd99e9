package galera

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The packets of a MariaDB 10.11, as it sends them.
var (
	greeting = []byte("\x0a5.5.5-10.11.19-MariaDB-0+deb12u1\x00\x05\x00\x00\x00salt1234\x00\xfe\xf7\x21\x02\x00\xff\x81\x15\x00\x00\x00\x00\x00\x00\x1d\x00\x00\x00saltsaltsalt\x00mysql_native_password\x00")
	okPacket = []byte{0, 0, 0, 2, 0, 0, 0}
	toSocket = []byte("\xfeunix_socket\x00")
	denied   = []byte("\xff\x15\x04#28000Access denied for user 'mysql'@'localhost'")
	column   = []byte("\x03def\x12information_schema\x06STATUS\x06STATUS\x0dVariable_name\x0dVARIABLE_NAME\x0c\x21\x00\xc0\x00\x00\x00\xfd\x01\x00\x00\x00\x00")
	endOf    = []byte{0xfe, 0, 0, 0x22, 0}
)

// row is one of two texts; nil is NULL.
func row(name string, value *string) []byte {
	out := append([]byte{byte(len(name))}, name...)
	switch {
	case value == nil:
		return append(out, 0xfb)
	case len(*value) > 250:
		out = binary.LittleEndian.AppendUint16(append(out, 0xfc), uint16(len(*value)))
	default:
		out = append(out, byte(len(*value)))
	}
	return append(out, *value...)
}

// played are packets with their heads, numbered from one on.
func played(from byte, packets ...[]byte) []byte {
	var out []byte
	for i, p := range packets {
		out = append(out, byte(len(p)), byte(len(p)>>8), byte(len(p)>>16), from+byte(i))
		out = append(out, p...)
	}
	return out
}

// server plays what it is given: a turn each time that a packet has come. It returns
// a socket, and the packets that came.
func server(t *testing.T, turns ...[]byte) (string, <-chan []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	came := make(chan []string, 1)
	go func() {
		var got []string
		defer func() { came <- got }()
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for _, turn := range turns {
			if _, err := conn.Write(turn); err != nil {
				return
			}
			var head [4]byte
			if _, err := io.ReadFull(conn, head[:]); err != nil {
				return
			}
			p := make([]byte, int(head[0])|int(head[1])<<8)
			if _, err := io.ReadFull(conn, p); err != nil {
				return
			}
			got = append(got, string(p))
		}
	}()
	return path, came
}

func TestStatusOfAServer(t *testing.T) {
	primary, empty, long := "Primary", "", strings.Repeat("10.0.0.1:3306,", 40)
	answer := [][]byte{{2}, column, column, endOf, row("wsrep_cluster_status", &primary), row("wsrep_gone", nil), row("wsrep_empty", &empty), row("wsrep_incoming_addresses", &long), endOf}
	for name, login := range map[string][][]byte{
		"that knows the user at once": {played(2, okPacket)},
		"that asks for the socket":    {played(2, toSocket), played(4, okPacket)},
	} {
		socket, came := server(t, append(append([][]byte{played(0, greeting)}, login...), played(1, answer...))...)
		vars, err := Status(t.Context(), socket)
		if err != nil || vars["wsrep_cluster_status"] != "Primary" || vars["wsrep_gone"] != "" || vars["wsrep_incoming_addresses"] != long || len(vars) != 4 {
			t.Errorf("%s: %q, %v", name, vars, err)
		}
		said := <-came
		if !strings.Contains(said[0], "mysql\x00\x00unix_socket\x00") || !slices.Contains(said, "\x03SHOW GLOBAL STATUS LIKE 'wsrep\\_%'") {
			t.Errorf("%s: it was told %q", name, said)
		}
	}
}

func TestBootstrapOfAServer(t *testing.T) {
	socket, came := server(t, played(0, greeting), played(2, okPacket), played(1, okPacket))
	if err := Bootstrap(t.Context(), socket); err != nil {
		t.Fatal(err)
	}
	if said := <-came; said[1] != "\x03SET GLOBAL wsrep_provider_options = 'pc.bootstrap=1'" {
		t.Errorf("it was told %q", said)
	}
}

func TestServerThatRefuses(t *testing.T) {
	for name, turns := range map[string][][]byte{
		"the user":          {played(0, greeting), played(2, denied)},
		"a connection":      {played(0, []byte("\xff\x10\x04Too many connections"))},
		"the question":      {played(0, greeting), played(2, okPacket), played(1, denied)},
		"proof after proof": {played(0, greeting), played(2, toSocket), played(4, toSocket), played(6, toSocket), played(8, toSocket)},
		"by ending":         {played(0, greeting)},
		"two columns":       {played(0, greeting), played(2, okPacket), played(1, []byte{3})},
	} {
		socket, _ := server(t, turns...)
		if vars, err := Status(t.Context(), socket); err == nil || vars != nil {
			t.Errorf("%s: %v, %v", name, vars, err)
		}
	}
	socket, _ := server(t, played(0, greeting), played(2, denied))
	if _, err := Status(t.Context(), socket); err == nil || !strings.Contains(err.Error(), "Access denied for user") || strings.Contains(err.Error(), "28000") {
		t.Errorf("it says %v", err)
	}
}

func TestServerThatHangsIsLeft(t *testing.T) {
	socket, _ := server(t, played(0)) // no greeting
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { _, err := Status(ctx, socket); ended <- err }()
	cancel()
	if err := <-ended; err == nil {
		t.Error("no error")
	}
}

func FuzzStatus(f *testing.F) {
	v := "v"
	f.Add(append(played(0, greeting, okPacket), played(1, []byte{2}, column, column, endOf, row("n", &v), endOf)...))
	f.Add(append(played(0, greeting, toSocket, okPacket), played(1, []byte{2}, column, column, endOf, row("n", nil), endOf)...))
	f.Add(played(0, greeting, denied))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &client{r: bufio.NewReader(bytes.NewReader(data)), w: io.Discard}
		if c.login(user) != nil {
			return
		}
		vars, err := c.query("SHOW")
		if err != nil && vars != nil {
			t.Errorf("%v beside %v", vars, err)
		}
	})
}

func TestRecovered(t *testing.T) {
	for name, c := range map[string]struct{ script, at, err string }{
		"a position":          {"echo --wsrep_start_position=" + cluster + ":12", cluster + ":12", ""},
		"with a GTID":         {"echo --wsrep_start_position=" + cluster + ":12,0-1-5", cluster + ":12", ""},
		"none":                {"echo", "", "found no position"},
		"a server that fails": {"echo 'WSREP: Failed to start mysqld' >&2; exit 1", "", "Failed to start mysqld"},
	} {
		program := filepath.Join(t.TempDir(), "galera_recovery")
		if err := os.WriteFile(program, []byte("#!/bin/sh\n"+c.script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		at, err := recoveredBy(t.Context(), program)
		if at != c.at || (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %q, %v", name, at, err)
		}
	}
}
