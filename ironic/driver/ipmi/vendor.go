package ipmi

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/driver"
	"trefoil/ironic/steps"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/types"
)

// Methods of Ironic's vendor interface "ipmitool".
const (
	methodRaw   = "send_raw"
	methodReset = "bmc_reset"

	argRaw  = "raw_bytes"
	argWarm = "warm"

	calledSo = "e.g. --arg raw_bytes='0x06 0x01'" // how passthru is given raw_bytes
)

// maxRaw is the most bytes of a raw command: what a packet of IPMI over LAN carries.
const maxRaw = 255

var _ driver.Vendor = (*Driver)(nil)

// VendorMethods are send_raw and bmc_reset.
func (d *Driver) VendorMethods() map[string]ironic.VendorMethod {
	return map[string]ironic.VendorMethod{
		methodRaw: {Verbs: []string{"POST"}, Description: "A raw IPMI command for the BMC. 'raw_bytes' is required: " +
			"network function, command and data as text (e.g. '0x00 0x01')."},
		methodReset: {Verbs: []string{"POST"}, Description: "The BMC starts anew. 'warm' (Boolean, default true) " +
			"chooses a warm reset; false is a cold one."},
	}
}

// CheckVendor looks at the arguments of a method.
func (d *Driver) CheckVendor(n *ironic.Node, method string, args map[string]any) error {
	var err error
	switch method {
	case methodRaw:
		_, err = rawBytes(args, calledSo)
	case methodReset:
		_, err = warm(args)
	default:
		err = noMethod(method)
	}
	if err != nil {
		return err
	}
	return d.Validate(n)
}

func noMethod(method string) error { return errs.New(errs.Invalid, "No handler for method %s", method) }

// CallVendor sends a raw command, or resets the BMC.
func (d *Driver) CallVendor(ctx context.Context, n *ironic.Node, method string, args map[string]any) (string, error) {
	switch method {
	case methodRaw:
		raw, err := rawBytes(args, calledSo)
		if err != nil {
			return "", err
		}
		return d.sendRaw(ctx, n, raw)
	case methodReset:
		w, err := warm(args)
		if err != nil {
			return "", err
		}
		return d.resetBMC(ctx, n, w)
	}
	return "", noMethod(method)
}

var _ driver.Stepper = (*Driver)(nil)

// Steps is send_raw, as Ironic's VendorPassthru has it for cleaning, deploying and servicing, where
// the node's vendor interface is on; it has no priority.
func (d *Driver) Steps(n *ironic.Node, _ steps.Kind) []steps.Step {
	if n.Interfaces["vendor"] != "ipmitool" {
		return nil
	}
	return []steps.Step{rawStep()}
}

func rawStep() steps.Step {
	return steps.Step{Interface: "vendor", Name: methodRaw, ArgsInfo: map[string]steps.Arg{argRaw: {
		Description: "network function, command and data of a raw IPMI command, as '0x00 0x01'", Required: true, Example: `"0x06 0x01"`}}}
}

// CheckStep looks at raw_bytes.
func (d *Driver) CheckStep(n *ironic.Node, s steps.Step) error {
	if _, err := rawBytes(s.Args, rawStep().Form()); err != nil {
		return err
	}
	return d.Validate(n)
}

// RunStep sends the raw command. After a crash meanwhile it is sent again: nobody knows whether it
// arrived.
func (d *Driver) RunStep(ctx context.Context, n *ironic.Node, kind steps.Kind, s steps.Step) (string, error) {
	if !slices.ContainsFunc(d.Steps(n, kind), func(o steps.Step) bool { return o.ID() == s.ID() }) {
		return "", errs.New(errs.Invalid, "the vendor interface of node %s is %s, which has no %s step %s", n.UUID, n.Interfaces["vendor"], kind, s.ID()).
			WithHint("openstack baremetal node set %s --vendor-interface ipmitool", n.UUID)
	}
	raw, err := rawBytes(s.Args, rawStep().Form())
	if err != nil {
		return "", err
	}
	return d.sendRaw(ctx, n, raw)
}

// rawBytes reads raw_bytes: at least network function and command, in decimal, 0x or 0
// notation, as ipmitool takes them. example is the hint: how they are written.
func rawBytes(args map[string]any, example string) ([]byte, error) {
	v, given := args[argRaw]
	if !given || v == nil || v == "" {
		return nil, errs.New(errs.Invalid, "Parameter raw_bytes (string of bytes) was not specified.").WithHint("%s", example)
	}
	s, isText := v.(string)
	if !isText {
		return nil, errs.New(errs.Invalid, "raw_bytes is no text; expected bytes as in '0x06 0x01'").WithHint("%s", example)
	}
	var raw []byte
	for i, word := range strings.Fields(s) {
		b, err := strconv.ParseUint(word, 0, 8)
		if err != nil {
			return nil, errs.New(errs.Invalid, "raw_bytes: byte %d is %q, not a number between 0x00 and 0xff", i+1, word).WithHint("%s", example)
		}
		raw = append(raw, byte(b))
	}
	switch {
	case len(raw) < 2:
		return nil, errs.New(errs.Invalid, "raw_bytes has %d bytes; expected network function and command, then data", len(raw)).WithHint("%s", example)
	case len(raw) > maxRaw:
		return nil, errs.New(errs.Invalid, "raw_bytes has %d bytes; expected %d at most", len(raw), maxRaw)
	case raw[0] > 0x3e || raw[0]%2 != 0: // IPMI 2.0, table 5-1: odd ones are of answers
		return nil, errs.New(errs.Invalid, "raw_bytes: the network function 0x%02x is none of a request; expected an even number up to 0x3e", raw[0]).WithHint("%s", example)
	}
	return raw, nil
}

// warm reads the argument of bmc_reset. What is no yes or no is refused: in Ironic any such
// word is a cold reset.
func warm(args map[string]any) (bool, error) {
	for key := range args {
		if key != argWarm {
			return false, errs.New(errs.Invalid, "bmc_reset does not know the argument %q; it takes warm", key)
		}
	}
	v, given := args[argWarm]
	if !given {
		return true, nil
	}
	switch strings.ToLower(strings.TrimSpace(fmt.Sprint(v))) {
	case "1", "t", "true", "on", "y", "yes":
		return true, nil
	case "0", "f", "false", "off", "n", "no":
		return false, nil
	}
	return false, errs.New(errs.Invalid, "warm is %s; expected true or false", ironic.PyRepr(v))
}

// sendRaw sends one command. Its data is not repeated anywhere, as it may be a password.
func (d *Driver) sendRaw(ctx context.Context, n *ironic.Node, raw []byte) (string, error) {
	command := fmt.Sprintf("raw command 0x%02x 0x%02x", raw[0], raw[1])
	var answer []byte
	err := d.once(ctx, n, command, func(ctx context.Context, c *client.Client) error {
		res, err := c.RawCommand(ctx, types.NetFn(raw[0]), raw[1], raw[2:], command)
		if err == nil {
			answer = res.Response
		}
		return err
	})
	if err != nil {
		return "", err
	}
	text := "nothing more"
	if len(answer) > 0 {
		text = fmt.Sprintf("% x", answer)
	}
	return fmt.Sprintf("the BMC carried out the %s with %d bytes of data and answered %s", command, len(raw)-2, text), nil
}

// resetBMC has the BMC start anew. Its sessions are gone then, and a cold one may be before
// it has answered: silence is no failure there.
func (d *Driver) resetBMC(ctx context.Context, n *ironic.Node, warm bool) (string, error) {
	kind := "cold"
	if warm {
		kind = "warm"
	}
	s, unanswered := d.session(n.UUID), ""
	err := d.once(ctx, n, kind+" reset of the BMC", func(ctx context.Context, c *client.Client) error {
		reset := c.ColdReset
		if warm {
			reset = c.WarmReset
		}
		err := reset(ctx)
		if err != nil && !warm && ctx.Err() == nil && silent(err) {
			err, unanswered = nil, ", without an answer"
		}
		if err == nil {
			s.drop()
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return "the BMC was told to start anew (" + kind + " reset)" + unanswered, nil
}

// once is do for a command that must not go out twice: a session that the BMC has forgotten
// is found out by a question without effect.
func (d *Driver) once(ctx context.Context, n *ironic.Node, what string, f func(context.Context, *client.Client) error) error {
	start := d.now()
	var failed error
	err := d.do(ctx, n, what, func(ctx context.Context, c *client.Client) error {
		_, err := c.GetDeviceID(ctx)
		if _, refused := types.IsResponseError(err); err != nil && !refused {
			return err
		}
		failed = f(ctx, c)
		return nil
	})
	if err != nil || failed == nil {
		return err
	}
	i, err := parse(n)
	if err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", what, explain(failed, i, d.now().Sub(start)))
}
