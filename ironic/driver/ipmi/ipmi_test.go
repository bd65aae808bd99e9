package ipmi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/driver"
	"trefoil/ironic/driver/drivertest"

	"github.com/bougou/go-ipmi/pkg/bmc"
	"github.com/bougou/go-ipmi/pkg/clock"
	"github.com/bougou/go-ipmi/pkg/hal"
	"github.com/bougou/go-ipmi/pkg/hal/mock"
	"github.com/bougou/go-ipmi/pkg/server"
	"github.com/bougou/go-ipmi/pkg/transport/udp"
	"github.com/bougou/go-ipmi/pkg/types"
)

// testBMC is go-ipmi's in-memory BMC on a port of its own.
type testBMC struct {
	port int
	stop func()
}

const (
	user     = "admin"
	password = "s3cret-pw"
)

// obedient is the mock hardware with an operating system that heeds the power button.
type obedient struct{ *mock.HAL }

func (o *obedient) Chassis() hal.ChassisHAL { return pressed{o.HAL.Chassis()} }

type pressed struct{ hal.ChassisHAL }

func (p pressed) WarmReset(ctx context.Context) error { return p.SetPower(ctx, false) }

func startBMC(t testing.TB, port int, opts ...server.ServerOption) *testBMC {
	t.Helper()
	return serveBMC(t, port, newBMC(), opts...)
}

func newBMC(opts ...bmc.Option) *bmc.BMC {
	return bmc.New(bmc.DeviceInfo{DeviceID: 32, IPMIVersion: 0x20, ManufacturerID: 0x157}, [16]byte{1}, &obedient{HAL: mock.New()},
		append(opts, bmc.WithClock(clock.Real))...)
}

func serveBMC(t testing.TB, port int, b *bmc.BMC, opts ...server.ServerOption) *testBMC {
	t.Helper()
	u, err := b.Users.Add(2, user)
	if err != nil {
		t.Fatal(err)
	}
	u.SetPassword([]byte(password))
	u.Enabled = true
	u.ChannelAccess[1] = bmc.UserChannelAccess{MaxPrivilege: bmc.PrivilegeLevelAdministrator, Enabled: true}
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	srv := server.NewServer(b, udp.Wrap(pc), opts...)
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(ctx) })
	tb := &testBMC{port: pc.LocalAddr().(*net.UDPAddr).Port}
	tb.stop = sync.OnceFunc(func() { cancel(); _ = srv.Close(); _ = pc.Close(); wg.Wait() })
	t.Cleanup(tb.stop)
	return tb
}

func node(port any) *ironic.Node {
	return &ironic.Node{UUID: "n", Name: "control-1", DriverInfo: map[string]any{"ipmi_address": "127.0.0.1",
		"ipmi_port": port, "ipmi_username": user, "ipmi_password": password}}
}

// quick hurries, and gives a BMC that is to answer the time that a busy machine may need for it.
func quick() *Driver {
	return &Driver{Timeout: 30 * time.Second, Rate: 1e6, Burst: 1e6, Poll: time.Millisecond}
}

// hasty is quick, and soon takes a BMC for silent: for one that is.
func hasty() *Driver {
	d := quick()
	d.Timeout = time.Second
	return d
}

func TestDriverKeepsItsContract(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) (driver.Driver, *ironic.Node) {
		d := quick()
		b := startBMC(t, 0)
		t.Cleanup(func() { _ = d.Close(context.Background(), "n") })
		return d, node(float64(b.port))
	})
}

func TestOneSessionServesAllCommands(t *testing.T) {
	d, b := quick(), startBMC(t, 0)
	n := node(fmt.Sprint(b.port))
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, err := d.PowerState(t.Context(), n); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	first := d.session("n").client
	if _, err := d.PowerState(t.Context(), n); err != nil || d.session("n").client != first || first == nil {
		t.Errorf("the session was not kept: %v", err)
	}
}

func TestALostSessionIsOpenedAgain(t *testing.T) {
	d, b := hasty(), startBMC(t, 0)
	n := node(fmt.Sprint(b.port))
	if _, err := d.PowerState(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	b.stop()
	startBMC(t, b.port) // the BMC restarted and knows nothing of the session
	if _, err := d.PowerState(t.Context(), n); err != nil {
		t.Error(err)
	}
}

func TestANewPasswordTakesANewSession(t *testing.T) {
	d, b := quick(), startBMC(t, 0)
	n := node(fmt.Sprint(b.port))
	if _, err := d.PowerState(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	n.DriverInfo["ipmi_password"] = "wrong"
	if _, err := d.PowerState(t.Context(), n); !errs.Is(err, errs.Invalid) {
		t.Errorf("%v", err)
	}
}

func TestSuite3IsTakenWhereTheBMCKnowsNoBetter(t *testing.T) {
	d, b := quick(), startBMC(t, 0, server.WithCipherSuites([]types.CipherSuiteID{3}))
	if _, err := d.PowerState(t.Context(), node(fmt.Sprint(b.port))); err != nil {
		t.Error(err)
	}
}

// silentPort takes packets and never answers.
func silentPort(t *testing.T) int {
	t.Helper()
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	return pc.LocalAddr().(*net.UDPAddr).Port
}

func TestEachFailureHasItsOwnWords(t *testing.T) {
	b := startBMC(t, 0)
	closed := startBMC(t, 0)
	closed.stop()
	for name, c := range map[string]struct {
		change func(*ironic.Node)
		code   errs.Code
		words  []string
	}{
		"wrong password": {func(n *ironic.Node) { n.DriverInfo["ipmi_password"] = "nope" }, errs.Invalid,
			[]string{fmt.Sprintf("127.0.0.1:%d", b.port), `user "admin"`, "wrong user name or password"}},
		"wrong user": {func(n *ironic.Node) { n.DriverInfo["ipmi_username"] = "nobody" }, errs.Invalid,
			[]string{`user "nobody"`, "wrong user name or password"}},
		"silent": {func(n *ironic.Node) { n.DriverInfo["ipmi_port"] = silentPort(t) }, errs.Unavailable,
			[]string{"gave no answer within", `user "admin"`}},
		"closed port": {func(n *ironic.Node) { n.DriverInfo["ipmi_port"] = closed.port }, errs.Unavailable,
			[]string{"nothing listens at", fmt.Sprint(closed.port)}},
		"unknown host": {func(n *ironic.Node) { n.DriverInfo["ipmi_address"] = "no-such-host.invalid" }, errs.Invalid,
			[]string{"no-such-host.invalid", "name service"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := node(fmt.Sprint(b.port))
			c.change(n)
			d := quick()
			if name == "silent" {
				d = hasty()
			}
			_, err := d.PowerState(t.Context(), n)
			if !errs.Is(err, c.code) || errs.HintOf(err) == "" {
				t.Errorf("%v (code %s, hint %q)", err, errs.CodeOf(err), errs.HintOf(err))
			}
			for _, w := range c.words {
				if err != nil && !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			if text := fmt.Sprint(err, errs.HintOf(err)); strings.Contains(text, password) || strings.Contains(text, "nope") {
				t.Errorf("the password shows: %s", text)
			}
		})
	}
}

func TestADeadlineEndsTheWaitForASilentBMC(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := (&Driver{}).PowerState(ctx, node(silentPort(t))); err == nil {
		t.Error("a silent BMC answered")
	}
	ctx, cancel = context.WithCancel(t.Context())
	go cancel()
	if _, err := (&Driver{}).PowerState(ctx, node(silentPort(t))); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestAMachineThatDoesNotMoveIsToldFromASilentBMC(t *testing.T) {
	n := node(1)
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	err := quick().stuck(ctx, n, ironic.PowerOff, ironic.PowerOn, 5, time.Now(), nil)
	if !strings.Contains(err.Error(), `still in "power on"`) || !strings.Contains(errs.HintOf(err), "power button") {
		t.Errorf("%v; %s", err, errs.HintOf(err))
	}
}

func TestValidateNamesTheKey(t *testing.T) {
	for key, c := range map[string]struct {
		value any
		word  string
	}{
		"ipmi_address":              {"", "ipmi_address"},
		"ipmi_port":                 {"70000", "not a port between 1 and 65535"},
		"ipmi_username":             {strings.Repeat("u", 17), "IPMI allows 16"},
		"ipmi_password":             {strings.Repeat("p", 21), "IPMI allows 20"},
		"ipmi_cipher_suite":         {"2", "17 and 3"},
		"ipmi_priv_level":           {"KING", "ADMINISTRATOR"},
		"ipmi_hex_kg_key":           {strings.Repeat("0", 40), "cannot log in with a BMC key"},
		"ipmi_protocol_version":     {"1.5", "only 2.0"},
		"ipmi_disable_boot_timeout": {"maybe", "true or false"},
	} {
		n := node("7001")
		n.DriverInfo[key] = c.value
		err := (&Driver{}).Validate(n)
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s=%v: %v", key, c.value, err)
		}
		if strings.Contains(fmt.Sprint(err), strings.Repeat("p", 21)) {
			t.Error("the password shows")
		}
	}
	for _, port := range []any{"7001", 7001, 7001.0, nil} {
		n := node(port)
		if err := (&Driver{}).Validate(n); err != nil {
			t.Errorf("port %v: %v", port, err)
		}
	}
}

// The bytes are those that Ironic's ipmitool was seen to send.
func TestBootFlagsAreIronics(t *testing.T) {
	for _, c := range []struct {
		device     string
		persistent bool
		caps       string
		maker      uint32
		want       string
	}{
		{ironic.BootPXE, false, "", 0, "a0 04 00 00 00"},
		{ironic.BootPXE, false, "profile:control,boot_mode:uefi", 0, "a0 04 00 00 00"},
		{ironic.BootDisk, true, "boot_mode:uefi", supermicro, "e0 24 00 00 00"},
		{ironic.BootDisk, true, "boot_mode:uefi", 0, "e0 08 00 00 00"},
		{ironic.BootDisk, true, "boot_mode:bios", supermicro, "c0 08 00 00 00"},
		{ironic.BootPXE, false, "boot_mode:bios", 0, "80 04 00 00 00"},
		{ironic.BootCDROM, false, "", 0, "a0 14 00 00 00"},
		{ironic.BootBIOS, false, "", 0, "a0 18 00 00 00"},
		{ironic.BootSafe, false, "", 0, "a0 0c 00 00 00"},
	} {
		n := &ironic.Node{Properties: map[string]any{"capabilities": c.caps}}
		flags := bootFlags(n, c.device, c.persistent, c.maker)
		if got := fmt.Sprintf("% x", flags); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
		if device, persistent := decodeFlags(flags); device != c.device || persistent != c.persistent {
			t.Errorf("%+v decodes to %s %v", c, device, persistent)
		}
	}
	if device, _ := decodeFlags([]byte{0, 4}); device != "" {
		t.Errorf("flags that are not valid decode to %q", device)
	}
}

func TestTheBucketSlowsDownNotStops(t *testing.T) {
	clk := time.Unix(0, 0)
	b := &bucket{tokens: 1, burst: 1, rate: 1000, last: clk, now: func() time.Time { return clk }}
	for range 3 {
		if err := b.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if b.tokens != -2 {
		t.Errorf("tokens %v", b.tokens)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.wait(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func BenchmarkPowerStatus(b *testing.B) {
	d := &Driver{Rate: 1e9, Burst: 1e9}
	n := node(startBMC(b, 0).port)
	for b.Loop() {
		if _, err := d.PowerState(context.Background(), n); err != nil {
			b.Fatal(err)
		}
	}
}

// Such a machine's BMC may be gone while the machine is off: it sees a reset, and nothing else.
func TestAMachineThatMustStayOnIsReset(t *testing.T) {
	d, b := virtual(t)
	if err := d.SetPower(t.Context(), b.node, ironic.PowerOn); err != nil {
		t.Fatal(err)
	}
	before := len(b.Machine.Log())
	b.node.DisablePowerOff = true
	if err := d.SetPower(t.Context(), b.node, ironic.Rebooting); err != nil {
		t.Fatal(err)
	}
	if got := b.Machine.Log()[before:]; !slices.Equal(got, []string{"reset"}) {
		t.Errorf("the machine saw %q", got)
	}
}
