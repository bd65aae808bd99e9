package deploy_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/stack"
)

// reporter tells what it was asked for.
type reporter struct{ secrets []string }

func (r *reporter) Report(_ context.Context, n stack.Node, secrets []string, w io.Writer) error {
	r.secrets = secrets
	_, err := io.WriteString(w, "logs of "+n.Name)
	return err
}

func TestReportOfMachinesAndOfTheUndercloud(t *testing.T) {
	w := newWorld(t)
	asked := &reporter{}
	w.engine.Reporter = asked
	w.nodes.fail = "3 overcloud-controller-0"
	w.begin(stack.Create, 1)
	s := w.run("CREATE_FAILED")
	password := s.Passwords["NovaPassword"]
	var b bytes.Buffer
	if err := w.engine.Report(t.Context(), s, "overcloud-controller-0", nil, &b); err != nil || b.String() != "logs of overcloud-controller-0" {
		t.Errorf("%q %v", b.String(), err)
	}
	if !strings.Contains(strings.Join(asked.secrets, " "), password) {
		t.Error("the machine was not told what to mask")
	}
	if err := w.engine.Report(t.Context(), s, "nope", nil, io.Discard); !errs.Is(err, errs.NotFound) {
		t.Errorf("of a machine that is not there: %v", err)
	}
	b.Reset()
	if err := w.engine.Report(t.Context(), s, deploy.UndercloudReport, []byte("log with "+password+" in it\n"), &b); err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"events.txt", "failures.json", "it would not start", "[overcloud]: CREATE_FAILED", "log with ****** in it"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in the report", want)
		}
	}
	if strings.Contains(string(text), password) {
		t.Error("a password is in the report")
	}
}

// What cannot be planned any more is masked all the same, by what its environments call a secret.
func TestReportOfAStackThatCannotBePlanned(t *testing.T) {
	w := newWorld(t)
	asked := &reporter{}
	w.engine.Reporter = asked
	w.begin(stack.Create, 1)
	s := w.run("CREATE_COMPLETE")
	s.Input.Environments = append(s.Input.Environments, "my.yaml")
	s.Input.Files = map[string]string{"my.yaml": "parameter_defaults:\n  AdminPassword: 'of the operator'\n  CephClientKey: AQBabc==\n  Gone: [\n"}
	if err := w.engine.Report(t.Context(), s, "overcloud-controller-0", nil, io.Discard); err != nil && !strings.Contains(err.Error(), "plan") {
		t.Fatal(err)
	}
	for _, want := range []string{"of the operator", "AQBabc=="} {
		if !slices.Contains(asked.secrets, want) {
			t.Errorf("%q is not masked", want)
		}
	}
}
