//go:build e2e

package interop

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/command/chassis"
	"github.com/bougou/go-ipmi/pkg/types"
)

// asking is a question to a BMC.
type asking = func(context.Context, *client.Client) (string, error)

// plain is a question without an argument; of is one with a number: a channel, a sensor.
func plain[T any](f func(*client.Client, context.Context) (T, error)) asking {
	return func(ctx context.Context, c *client.Client) (string, error) { return said(f(c, ctx)) }
}

func of[T any](n uint8, f func(*client.Client, context.Context, uint8) (T, error)) asking {
	return func(ctx context.Context, c *client.Client) (string, error) { return said(f(c, ctx, n)) }
}

// raw are requests that the library has no words for.
func raw(netfn, cmd byte, data ...byte) asking {
	return func(ctx context.Context, c *client.Client) (string, error) {
		r, err := c.RawCommand(ctx, types.NetFn(netfn), cmd, data, "raw")
		return fmt.Sprintf("% x", r.Response), err
	}
}

// lan is the number of the channel, temperature that of the sensor.
const (
	lan         = 1
	temperature = 0x10
)

func goipmiManagement() []call {
	return []call{
		{"ping", plain((*client.Client).RmcpPing), `IPMISupported:true`},
		{"device", plain((*client.Client).GetDeviceID), `MajorIPMIVersion:2 MinorIPMIVersion:0 `},
		{"self test", plain((*client.Client).GetSelfTestResults), `Byte1:85 Byte2:0`},
		{"system GUID", func(ctx context.Context, c *client.Client) (string, error) {
			r, err := c.GetSystemGUID(ctx)
			return dashed(turned(r.GUID)), err
		}, `^{UUID}$`},
		{"device GUID", func(ctx context.Context, c *client.Client) (string, error) {
			r, err := c.GetDeviceGUID(ctx)
			return dashed(turned(r.GUID)), err
		}, `^{UUID}$`},
		{"authentication", func(ctx context.Context, c *client.Client) (string, error) {
			return said(c.GetChannelAuthenticationCapabilities(ctx, lan, types.PrivilegeLevelAdministrator))
		}, `IPMIv20ExtendedAvailable:true.*KgStatus:false.*NonNullUsernamesEnabled:true NullUsernamesEnabled:false AnonymousLoginEnabled:false.*SupportIPMIv20:true`},
		{"suites", func(ctx context.Context, c *client.Client) (string, error) {
			return said(c.GetAllChannelCipherSuites(ctx, lan))
		}, `17.*3`},
		{"session", plain((*client.Client).GetCurrentSessionInfo), `UserID:2 OperatingPrivilegeLevel:ADMINISTRATOR.*RemoteConsoleIPAddr:127.0.0.1`},
		{"a session that there is not", raw(6, 0x3c, 9, 9, 9, 9), `cc: 0x87`},
		{"channel", of(lan, (*client.Client).GetChannelInfo), `ActualChannelNumber:1 `},
		{"user", of(2, (*client.Client).GetUsername), `Username:admin`},
		{"user access", func(ctx context.Context, c *client.Client) (string, error) { return said(c.GetUserAccess(ctx, lan, 2)) }, `MaxUsersIDCount:15 .*IPMIMessagingEnabled:true MaxPrivLevel:ADMINISTRATOR`},
		{"enables", plain((*client.Client).GetBMCGlobalEnables), `SystemEventLoggingEnabled:true`},
		{"message flags", plain((*client.Client).GetMessageFlags), `EventMessageBufferFull:false ReceiveMessageQueueAvailable:false`},
		{"a message", raw(6, 0x33), `cc: 0x80`},
		{"the event buffer", raw(6, 0x35), `cc: 0x80`},
		{"a bus", raw(6, 0x52, 1, 0xa0, 1, 0), `cc: 0x(c1|83)`},
		{"LAN", func(ctx context.Context, c *client.Client) (string, error) { return said(c.GetLanConfig(ctx, lan)) }, `127.0.0.1`},
		{"a system's name", raw(6, 0x59, 0, 2, 0, 0), `^11 00 `},
		{"a command that nobody has", raw(6, 0x7f), `cc: 0xc1`},
	}
}

// turned is a UUID of the wire, in SMBIOS's order, in that of its text form; and the other
// way round.
func turned(w [16]byte) []byte {
	return append([]byte{w[3], w[2], w[1], w[0], w[5], w[4], w[7], w[6]}, w[8:]...)
}

func goipmiPayloads() []call {
	return []call{
		{"payloads", of(lan, (*client.Client).GetChannelPayloadSupport), `PayloadTypeIPMI:true PayloadTypeSOL:true PayloadTypeOEM:false`},
		{"version", func(ctx context.Context, c *client.Client) (string, error) {
			return said(c.GetChannelPayloadVersion(ctx, lan, types.PayloadTypeSOL))
		}, `MajorVersion:1 MinorVersion:0`},
		{"SOL", func(ctx context.Context, c *client.Client) (string, error) {
			return said(c.GetPayloadActivationStatus(ctx, types.PayloadTypeSOL))
		}, `Instance01Activated:false`},
		{"who has it", func(ctx context.Context, c *client.Client) (string, error) {
			return said(c.GetPayloadInstanceInfo(ctx, types.PayloadTypeSOL, 1))
		}, `SessionID:0 `},
		{"who may", func(ctx context.Context, c *client.Client) (string, error) {
			return said(c.GetUserPayloadAccess(ctx, lan, 2))
		}, `PayloadTypeSOL:true`},
		{"SOL's settings", raw(0x0c, 0x22, lan, 1, 0, 0), `^11 01$`}, // enabled
	}
}

func goipmiPower() []call {
	control := func(o chassis.ChassisControl) asking {
		return func(ctx context.Context, c *client.Client) (string, error) { return said(c.ChassisControl(ctx, o)) }
	}
	return []call{
		{"chassis", plain((*client.Client).GetChassisCapabilities), `ProvideDiagnosticInterrupt:true`},
		{"power", plain((*client.Client).GetChassisStatus), `PowerIsOn:false`},
		{"reset while it is off", control(chassis.ChassisControlHardReset), `cc: 0xd5`},
		{"on", control(chassis.ChassisControlPowerUp), `^&`},
		{"until power", plain((*client.Client).GetChassisStatus), `PowerIsOn:true LastPowerOnByCommand:true`},
		{"an NMI", control(chassis.ChassisControlDiagnosticInterrupt), `^&`},
		{"restart cause", plain((*client.Client).GetSystemRestartCause), `SystemRestartCause:.*ChannelNumber:1`},
		{"hours", plain((*client.Client).GetPOHCounter), `MinutesPerCount:1 CounterReading:0`},
		{"policy", func(ctx context.Context, c *client.Client) (string, error) {
			return said(c.SetPowerRestorePolicy(ctx, chassis.PowerRestorePolicyAlwaysOff))
		}, `SupportPolicyAlwaysOn:true SupportPolicyPrevious:true SupportPolicyAlwaysOff:true`},
		{"identify", func(ctx context.Context, c *client.Client) (string, error) {
			return said(c.ChassisIdentify(ctx, 5, false))
		}, `^&`},
		{"watchdog", plain((*client.Client).GetWatchdogTimer), `TimerIsStarted:false`},
		{"a watchdog that nobody set", raw(6, 0x22), `cc: 0x80`},
	}
}

func goipmiSensors() []call {
	return []call{
		{"until temperature", func(ctx context.Context, c *client.Client) (string, error) {
			s, err := c.GetSensorByName(ctx, "CPU Temp")
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%v %v", s.ReadingAvailable, s.Value), nil
		}, `^true {C}$`},
		{"thresholds", of(temperature, (*client.Client).GetSensorThresholds), `UNC_Readable:true.*UNC_Raw:80 UCR_Raw:90 UNR_Raw:100`},
		{"hysteresis", of(temperature, (*client.Client).GetSensorHysteresis), `PositiveRaw:2 NegativeRaw:2`},
		{"type", of(temperature, (*client.Client).GetSensorType), `SensorType:(Temperature|1) `},
		{"event enables", of(temperature, (*client.Client).GetSensorEventEnable), `EventMessagesDisabled:false SensorScanningDisabled:false`},
		{"event status", of(temperature, (*client.Client).GetSensorEventStatus), `^&`},
		{"factors", raw(4, 0x23, temperature, 35), `^[0-9a-f]{2} 01 00 `}, // times one
		{"event receiver", plain((*client.Client).GetEventReceiver), `SlaveAddress:32`},
		{"a sensor that there is not", raw(4, 0x2d, 0x99), `cc: 0xcb`},
		{"watts", plain((*client.Client).GetDCMIPowerReading), `CurrentPower:{W} MinimumPower:\d+ .*PowerMeasurementActive:true`},
		{"asset tag", func(ctx context.Context, c *client.Client) (string, error) {
			if err := c.SetDCMIAssetTagFull(ctx, []byte("rack 12")); err != nil {
				return "", err
			}
			tag, _, err := c.GetDCMIAssetTagFull(ctx)
			return string(tag), err
		}, `^rack 12$`},
	}
}

func goipmiRecords() []call {
	return []call{
		{"SDRs", func(ctx context.Context, c *client.Client) (string, error) {
			all, err := c.GetSDRs(ctx)
			var names []string
			for _, s := range all {
				names = append(names, s.SensorName())
			}
			return strings.Join(names, ", "), err
		}, `CPU Temp.*Fan.*Power.*CPU Load.*Memory Used`},
		{"SDR repository", plain((*client.Client).GetSDRRepoInfo), `SDRVersion:81`},
		{"SEL", plain((*client.Client).GetSELInfo), `SELVersion:81 Entries:\d+`},
		{"SEL's room", plain((*client.Client).GetSELAllocInfo), `PossibleAllocUnits:512 AllocUnitsSize:16`},
		{"events", func(ctx context.Context, c *client.Client) (string, error) {
			all, err := c.GetSELEntries(ctx, 0)
			return fmt.Sprint(len(all) >= 4), err
		}, `^true$`},
		{"an entry of one's own", raw(0x0a, 0x44, 0, 0, 2, 0, 0, 0, 0, 0x41, 0, 4, 1, temperature, 1, 0x57, 60, 50), `^[0-9a-f]{2} 00$`},
		{"auxiliary log", raw(0x0a, 0x5a, 0), `^[0-9a-f]{2}`},
		{"offset of time", raw(0x0a, 0x5c), `^[0-9a-f]{2} [0-9a-f]{2}$`},
		{"FRU's size", of(0, (*client.Client).GetFRUInventoryAreaInfo), `AreaSizeBytes:1024 DeviceAccessedByWords:false`},
		{"FRU", func(ctx context.Context, c *client.Client) (string, error) {
			f, err := c.GetFRU(ctx, 0, "")
			if err != nil {
				return "", err
			}
			return string(f.ProductInfoArea.Manufacturer) + " " + string(f.ProductInfoArea.SerialNumber), nil
		}, `^Trefoil {UUID}$`},
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
		{"it is spent", until(flags, "false "), `^false `}, // the cycle is answered before libvirt is done
	}
}

// until asks again until the answer begins so, or the client's time is up.
func until(ask asking, prefix string) asking {
	return func(ctx context.Context, c *client.Client) (string, error) {
		for {
			got, err := ask(ctx, c)
			if err != nil || strings.HasPrefix(got, prefix) {
				return got, err
			}
			select {
			case <-ctx.Done():
				return got, ctx.Err()
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
}
