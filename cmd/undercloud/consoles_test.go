package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trefoil/ironic/driver/ipmi"
	vbmc "trefoil/vbmc/ipmi"
	"trefoil/vbmc/ipmi/ipmitest"
)

// aBMC is our own, of a machine that is on.
func aBMC(t *testing.T) *ipmitest.BMC {
	t.Helper()
	b := ipmitest.Serve(t, vbmc.Config{})
	if err := b.Machine.On(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// consoleOf asks for the address of a node's console until there is one: a service that
// starts opens it beside.
func (s *aService) consoleOf(node string) string {
	s.t.Helper()
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		code, answer := s.ask("GET", "/v1/nodes/"+node+"/states/console", "")
		var c struct {
			Enabled bool `json:"console_enabled"`
			Info    struct {
				Type string `json:"type"`
				URL  string `json:"url"`
			} `json:"console_info"`
		}
		if err := json.Unmarshal([]byte(answer), &c); code == 200 && err == nil && c.Enabled && c.Info.Type == "socat" {
			return strings.TrimPrefix(c.Info.URL, "tcp://")
		}
	}
	s.t.Fatal("the node has no console")
	return ""
}

// A wrong password is told apart from a BMC that gives no console, and is not shown.
func TestALineTellsAWrongPassword(t *testing.T) {
	of := ipmi.LineOf{Addr: aBMC(t).Addr, User: ipmitest.Username, Password: "once right", Privilege: 4}
	if _, err := openLine(t.Context(), of); !errors.Is(err, ipmi.ErrLogin) || strings.Contains(err.Error(), of.Password) {
		t.Errorf("wrong password: %v", err)
	}
	of.User, of.Password = "nobody", ipmitest.Password
	if _, err := openLine(t.Context(), of); !errors.Is(err, ipmi.ErrLogin) {
		t.Errorf("wrong user: %v", err)
	}
}

// Both the vendor methods and the console, from the API to the machine, and over a restart.
func TestStandaloneShowsASerialLine(t *testing.T) {
	b := aBMC(t)
	file := conf(t, filepath.Join(t.TempDir(), "state"), "[console]\nport_range = 20000:40000\n")
	s := begin(t, file)
	s.must(201, "POST", "/v1/nodes", fmt.Sprintf(`{"driver":"ipmi","name":"n","vendor_interface":"ipmitool","console_interface":"ipmitool-socat",
		"driver_info":{"ipmi_address":"127.0.0.1","ipmi_port":%d,"ipmi_username":"admin","ipmi_password":"secret"}}`, b.Port))
	s.must(202, "PUT", "/v1/nodes/n/states/console", `{"enabled":true}`)
	for _, text := range []string{"first life", "second life"} {
		conn, err := net.Dial("tcp", s.consoleOf("n"))
		if err != nil {
			t.Fatal(err)
		}
		for !b.Machine.Print(text) {
			time.Sleep(time.Millisecond)
		}
		var got bytes.Buffer
		for buf := make([]byte, 100); !strings.Contains(got.String(), text); {
			n, err := conn.Read(buf)
			got.Write(buf[:n])
			if err != nil {
				t.Fatalf("%q %v", got.String(), err)
			}
		}
		if _, err := io.WriteString(conn, text+"\r"); err != nil {
			t.Fatal(err)
		}
		for !strings.HasSuffix(b.Machine.Typed(), text+"\r") {
			time.Sleep(time.Millisecond)
		}
		s.stop() // with a client on it
		conn.Close()
		s = begin(t, file)
	}
	s.must(202, "PUT", "/v1/nodes/n/states/console", `{"enabled":false}`)
	s.must(202, "POST", "/v1/nodes/n/vendor_passthru/send_raw", `{"raw_bytes":"0x00 0x02 0x00"}`)
	if on, _ := b.Machine.Power(); on {
		t.Errorf("the raw command did not switch it off: %s", s.must(200, "GET", "/v1/nodes/n", ""))
	}
}
