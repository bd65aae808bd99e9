package conductor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"trefoil/internal/errs"
	"trefoil/ironic/steps"
)

// errOtherVersions: the agent did not begin a step, since its hardware managers are others than
// those that announced it. The machine has booted another ramdisk in between.
var errOtherVersions = errs.New(errs.Conflict, "the ramdisk's hardware managers are of other versions than those that listed the steps")

// errListAnew ends a round of automated cleaning for that reason.
var errListAnew = errors.New("the steps are listed anew")

// maxRounds bounds how often cleaning begins anew because of errOtherVersions.
const maxRounds = 2

// verdict is what a step leads to for its list.
type verdict string

const (
	goOn     verdict = ""
	endHere  verdict = "end"       // somebody wants it to end here
	listAnew verdict = "list anew" // the list is of another version of the agent
)

// UnmarshalJSON also reads the bool that jobs remember from before there was listAnew.
func (v *verdict) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "false":
		*v = goOn
		return nil
	case "true":
		*v = endHere
		return nil
	}
	return json.Unmarshal(b, (*string)(v))
}

// mayListAnew reports whether the list is automated cleaning's, which nobody wants to end and which began anew
// few times.
func (t *task) mayListAnew(f flow, p *plan) bool {
	return f.kind == steps.Clean && !manual(t.node) && t.node.CleanStep[keyAbortAfter] != true && p.Round < maxRounds
}

// name is the durable name of step i. Each round has names of its own, under which the commands
// that were sent are remembered, too.
func (p *plan) name(f flow, i int) string {
	name := fmt.Sprintf("%s %d %s", f.kind, i, p.Steps[i].Name)
	if p.Round > 0 {
		name += fmt.Sprintf(" (round %d)", p.Round+1)
	}
	return name
}

// versioned runs a step of the agent; run knows it by a name. Where that agent is of other versions
// than the list, automated cleaning is listed anew, for order and steps may be others. A step that a
// person asked for, or a deployment consists of, is not: it is asked for once more as it is, with the
// versions of now, as Ironic does in manual cleaning.
func (t *task) versioned(ctx context.Context, f flow, name string, versions map[string]any, run func(name string, versions map[string]any) error) error {
	err := run(name, versions)
	if !errors.Is(err, errOtherVersions) || f.kind == steps.Clean && !manual(t.node) {
		return err
	}
	_, versions, err = t.agentSteps(ctx, f.kind)
	if err != nil {
		return err
	}
	return run(name+" again", versions)
}
