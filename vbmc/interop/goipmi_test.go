//go:build e2e

package interop

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/command/chassis"
	"github.com/bougou/go-ipmi/pkg/command/transport"
	"github.com/bougou/go-ipmi/pkg/types"
)

// call is what go-ipmi's client is asked, and how its answer must look in Go's words.
type call struct {
	name string // with "until" it is asked again until its value comes
	do   func(context.Context, *client.Client) (string, error)
	want string // as in row; of a refusal it is the error
}

// said is an answer in Go's words.
func said[T any](answer T, err error) (string, error) { return fmt.Sprintf("%+v", answer), err }

// goipmi logs in.
func (b bed) goipmi(t *testing.T, suite int) *client.Client {
	t.Helper()
	host := b.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	c, err := client.NewClient(host, b.port, "admin", "secret")
	if err != nil {
		t.Fatal(err)
	}
	c.WithCipherSuiteID(types.CipherSuiteID(suite)).WithMaxPrivilegeLevel(types.PrivilegeLevelAdministrator).WithTimeout(5 * time.Second)
	if err := c.Connect(t.Context()); err != nil {
		t.Fatalf("go-ipmi logs in with suite %d: %v", suite, err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// goipmiSuite logs in with a cipher suite and looks at the power.
func goipmiSuite(t *testing.T, b bed, suite int, on bool) {
	t.Helper()
	s, err := b.goipmi(t, suite).GetChassisStatus(t.Context())
	if err != nil || s.PowerIsOn != on {
		t.Errorf("go-ipmi with suite %d: %+v, %v; want power on: %v", suite, s, err, on)
	}
}

// goipmiTable is all that go-ipmi's client is asked on one BMC, in this order and in one session.
func goipmiTable(t *testing.T, b bed) {
	t.Helper()
	c := b.goipmi(t, 17)
	for _, calls := range [][]call{goipmiManagement(), goipmiPower(), goipmiRecords(), goipmiBoot()} {
		for _, r := range calls {
			name, again := strings.CutPrefix(r.name, "until ")
			want, began := b.pattern(r.want), time.Now()
			text := answer(t, c, r)
			for again && !want.MatchString(text) && time.Since(began) < clientLimit {
				text = answer(t, c, r)
			}
			if !want.MatchString(text) {
				t.Errorf("%s: %s, want %q", name, text, want)
			}
		}
	}
	if b.values["SOFT"] == "on" { // a guest that echoes
		goipmiSOL(t, c)
	}
	if _, err := c.ChassisControl(t.Context(), chassis.ChassisControlPowerDown); err != nil {
		t.Error(err)
	}
}

func answer(t *testing.T, c *client.Client, r call) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientLimit)
	defer cancel()
	text, err := r.do(ctx, c)
	if err != nil {
		return "error: " + err.Error()
	}
	return text
}

// raw are requests that the library has no words for.
func raw(netfn, cmd byte, data ...byte) func(context.Context, *client.Client) (string, error) {
	return func(ctx context.Context, c *client.Client) (string, error) {
		r, err := c.RawCommand(ctx, types.NetFn(netfn), cmd, data, "raw")
		return fmt.Sprintf("% x", r.Response), err
	}
}

func goipmiManagement() []call {
	const lan = 1
	return []call{
		{"device", func(ctx context.Context, c *client.Client) (string, error) { return said(c.GetDeviceID(ctx)) }, `MajorIPMIVersion:2 MinorIPMIVersion:0 `},
		{"self test", func(ctx context.Context, c *client.Client) (string, error) { return said(c.GetSelfTestResults(ctx)) }, `Byte1:85 Byte2:0`},
		{"system GUID", func(ctx context.Context, c *client.Client) (string, error) {
			r, err := c.GetSystemGUID(ctx)
			return dashed(turned(r.GUID)), err
		}, `^{UUID}$`},
		{"device GUID", func(ctx context.Context, c *client.Client) (string, error) { return said(c.GetDeviceGUID(ctx)) }, `GUID:\[\d+ `},
		{"authentication", func(ctx context.Context, c *client.Client) (string, error) {
			return said(c.GetChannelAuthenticationCapabilities(ctx, lan, types.PrivilegeLevelAdministrator))
		}, `IPMIv20ExtendedAvailable:true.*KgStatus:false.*NonNullUsernamesEnabled:true NullUsernamesEnabled:false AnonymousLoginEnabled:false.*SupportIPMIv20:true`},
		{"suites", func(ctx context.Context, c *client.Client) (string, error) {
			return said(c.GetAllChannelCipherSuites(ctx, lan))
		}, `17.*3`},
		{"session", func(ctx context.Context, c *client.Client) (string, error) { return said(c.GetCurrentSessionInfo(ctx)) }, `UserID:2 OperatingPrivilegeLevel:ADMINISTRATOR.*RemoteConsoleIPAddr:127.0.0.1`},
		{"channel", func(ctx context.Context, c *client.Client) (string, error) { return said(c.GetChannelInfo(ctx, lan)) }, `ActualChannelNumber:1 `},
		{"user", func(ctx context.Context, c *client.Client) (string, error) { return said(c.GetUsername(ctx, 2)) }, `Username:admin`},
		{"user access", func(ctx context.Context, c *client.Client) (string, error) { return said(c.GetUserAccess(ctx, lan, 2)) }, `MaxUsersIDCount:15 .*IPMIMessagingEnabled:true MaxPrivLevel:ADMINISTRATOR`},
		{"enables", func(ctx context.Context, c *client.Client) (string, error) { return said(c.GetBMCGlobalEnables(ctx)) }, `SystemEventLoggingEnabled:true`},
		{"message flags", func(ctx context.Context, c *client.Client) (string, error) { return said(c.GetMessageFlags(ctx)) }, `^&{[^}]*}$`},
		{"a message", raw(6, 0x33), `cc: 0x80`},
		{"the event buffer", raw(6, 0x35), `cc: 0x80`},
		{"a bus", raw(6, 0x52, 1, 0xa0, 1, 0), `cc: 0x(c1|83)`},
		{"payloads", func(ctx context.Context, c *client.Client) (string, error) {
			return said(c.GetChannelPayloadSupport(ctx, lan))
		}, `^&{`},
		{"SOL", func(ctx context.Context, c *client.Client) (string, error) {
			return said(c.GetPayloadActivationStatus(ctx, types.PayloadTypeSOL))
		}, `^&{`},
		{"LAN", func(ctx context.Context, c *client.Client) (string, error) { return said(c.GetLanConfig(ctx, lan)) }, `127.0.0.1`},
		{"a system's name", raw(6, 0x59, 0, 1, 0, 0), `^11 `},
		{"a command that nobody has", raw(6, 0x7f), `cc: 0xc1`},
	}
}

// turned is a UUID of the wire, SMBIOS's order, in that of its text form.
func turned(w [16]byte) []byte {
	return append([]byte{w[3], w[2], w[1], w[0], w[5], w[4], w[7], w[6]}, w[8:]...)
}

func goipmiPower() []call {
	control := func(o chassis.ChassisControl) func(context.Context, *client.Client) (string, error) {
		return func(ctx context.Context, c *client.Client) (string, error) { return said(c.ChassisControl(ctx, o)) }
	}
	status := func(ctx context.Context, c *client.Client) (string, error) { return said(c.GetChassisStatus(ctx)) }
	return []call{
		{"chassis", func(ctx context.Context, c *client.Client) (string, error) {
			return said(c.GetChassisCapabilities(ctx))
		}, `ProvideDiagnosticInterrupt:true`},
		{"power", status, `PowerIsOn:false`},
		{"reset while it is off", control(chassis.ChassisControlHardReset), `cc: 0xd5`},
		{"on", control(chassis.ChassisControlPowerUp), `^&`},
		{"power", status, `PowerIsOn:true LastPowerOnByCommand:true`},
		{"an NMI", control(chassis.ChassisControlDiagnosticInterrupt), `^&`},
		{"restart cause", func(ctx context.Context, c *client.Client) (string, error) { return said(c.GetSystemRestartCause(ctx)) }, `SystemRestartCause:.*ChannelNumber:1`},
		{"hours", func(ctx context.Context, c *client.Client) (string, error) { return said(c.GetPOHCounter(ctx)) }, `MinutesPerCount:60 CounterReading:0`},
		{"policy", func(ctx context.Context, c *client.Client) (string, error) {
			return said(c.SetPowerRestorePolicy(ctx, chassis.PowerRestorePolicyAlwaysOff))
		}, `SupportPolicyAlwaysOn:true SupportPolicyPrevious:true SupportPolicyAlwaysOff:true`},
		{"identify", func(ctx context.Context, c *client.Client) (string, error) {
			return said(c.ChassisIdentify(ctx, 5, false))
		}, `^&`},
		{"watchdog", func(ctx context.Context, c *client.Client) (string, error) { return said(c.GetWatchdogTimer(ctx)) }, `TimerIsStarted:false`},
	}
}

func goipmiRecords() []call {
	return []call{
		{"until temperature", func(ctx context.Context, c *client.Client) (string, error) {
			s, err := c.GetSensorByName(ctx, "CPU Temp")
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%v %v", s.ReadingAvailable, s.Value), nil
		}, `^true {C}$`},
		{"SDRs", func(ctx context.Context, c *client.Client) (string, error) {
			all, err := c.GetSDRs(ctx)
			var names []string
			for _, s := range all {
				names = append(names, s.SensorName())
			}
			return strings.Join(names, ", "), err
		}, `CPU Temp.*Fan.*Power.*CPU Load.*Memory Used`},
		{"SDR repository", func(ctx context.Context, c *client.Client) (string, error) { return said(c.GetSDRRepoInfo(ctx)) }, `SDRVersion:81`},
		{"SEL", func(ctx context.Context, c *client.Client) (string, error) { return said(c.GetSELInfo(ctx)) }, `SELVersion:81 Entries:\d+`},
		{"events", func(ctx context.Context, c *client.Client) (string, error) {
			all, err := c.GetSELEntries(ctx, 0)
			return fmt.Sprint(len(all) >= 4), err
		}, `^true$`},
		{"FRU", func(ctx context.Context, c *client.Client) (string, error) {
			f, err := c.GetFRU(ctx, 0, "")
			if err != nil {
				return "", err
			}
			return string(f.ProductInfoArea.Manufacturer) + " " + string(f.ProductInfoArea.SerialNumber), nil
		}, `^Trefoil {UUID}$`},
		{"watts", func(ctx context.Context, c *client.Client) (string, error) { return said(c.GetDCMIPowerReading(ctx)) }, `CurrentPower:{W} MinimumPower:\d+ .*PowerMeasurementActive:true`},
		{"asset tag", func(ctx context.Context, c *client.Client) (string, error) {
			if err := c.SetDCMIAssetTagFull(ctx, []byte("rack 12")); err != nil {
				return "", err
			}
			tag, _, err := c.GetDCMIAssetTagFull(ctx)
			return string(tag), err
		}, `^rack 12$`},
	}
}

func goipmiBoot() []call {
	flags := func(ctx context.Context, c *client.Client) (string, error) {
		p := &types.BootOptionParam_BootFlags{}
		err := c.GetSystemBootOptionsParamFor(ctx, p)
		return fmt.Sprintf("%v %v %v %d", p.BootFlagsValid, p.Persist, bool(p.BIOSBootType), p.BootDeviceSelector), err
	}
	return []call{
		{"no override", flags, `^false `},
		{"boot from the network once", func(ctx context.Context, c *client.Client) (string, error) {
			return "done", c.SetBootDevice(ctx, types.BootDeviceSelectorForcePXE, types.BIOSBootTypeEFI, false)
		}, `^done$`},
		{"override", flags, `^true false true 1$`},
		{"cycle", func(ctx context.Context, c *client.Client) (string, error) {
			return said(c.ChassisControl(ctx, chassis.ChassisControlPowerCycle))
		}, `^&`},
		{"it is spent", flags, `^false `},
	}
}

// echo keeps what a guest prints until it has printed something.
type echo struct {
	mu   sync.Mutex
	text bytes.Buffer
	want string
	seen chan struct{}
}

func (e *echo) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	had := strings.Contains(e.text.String(), e.want)
	e.text.Write(p)
	if !had && strings.Contains(e.text.String(), e.want) {
		close(e.seen)
	}
	return len(p), nil
}

// goipmiSOL types a key and sees the guest's echo.
func goipmiSOL(t *testing.T, c *client.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientLimit)
	defer cancel()
	if _, err := c.ActivatePayload(ctx, &transport.ActivatePayloadRequest{
		PayloadType: types.PayloadTypeSOL, PayloadInstance: 1, EnableEncryption: true, EnableAuthentication: true,
	}); err != nil {
		t.Fatalf("go-ipmi activates SOL: %v", err)
	}
	in, keys := io.Pipe()
	out := &echo{want: "<g>", seen: make(chan struct{})}
	done := make(chan error, 1)
	go func() { done <- c.SOLStream(ctx, in, out, nil) }()
	if _, err := keys.Write([]byte("g")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-out.seen:
	case err := <-done:
		t.Errorf("go-ipmi's SOL ended: %v", err)
	case <-ctx.Done():
		t.Error("go-ipmi's SOL shows no echo")
	}
	keys.Close()
	cancel()
	if _, err := c.DeactivatePayload(t.Context(), &transport.DeactivatePayloadRequest{PayloadType: types.PayloadTypeSOL, PayloadInstance: 1}); err != nil {
		t.Errorf("go-ipmi deactivates SOL: %v", err)
	}
}
