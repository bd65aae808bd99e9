package rules

import (
	"context"

	"trefoil/internal/errs"
)

// Bounds of what rules do with one machine. What they work on may come from whoever is on the
// provisioning network, and a rule that is written in good faith may multiply it.
const (
	maxText     = 1 << 20  // bytes of a text that fields were filled into, or that a regular expression looks through
	maxFilled   = 64 << 20 // bytes of all texts that were filled in or said
	maxGrowth   = 8 << 20  // bytes by which node, ports and plugin data grow
	maxLevels   = 64       // of objects and lists within each other, as in bodies of requests
	maxProgram  = 10_000   // instructions of a regular expression
	maxMatching = 1 << 26  // instructions times bytes that all regular expressions look at: about a second
)

// spent is what one run has taken of its bounds.
type spent struct{ filled, matching int }

// fill counts a text that rules made. The error stays: what makes the texts may pass over one that cannot be filled in.
func (r *run) fill(n int) error {
	if r.spent.filled += n; r.spent.filled > maxFilled && r.stop == nil {
		r.stop = errs.New(errs.Invalid, "rules fill in more than %d bytes; use fewer or shorter fields, or a shorter loop", maxFilled)
	}
	return r.stop
}

// going is why a run must not go on; nil: it may.
func (r *run) going() error {
	if r.stop == nil && r.ctx.Err() != nil {
		r.stop = errs.Wrap(errs.Unavailable, context.Cause(r.ctx), "rules were broken off")
	}
	return r.stop
}

// match counts a regular expression of so many instructions that looks through n bytes.
func (r *run) match(program, n int) error {
	if n > maxText {
		return errs.New(errs.Invalid, "a text of %d bytes is looked through; at most %d are", n, maxText)
	}
	if r.spent.matching += program * n; r.spent.matching > maxMatching {
		return errs.New(errs.Invalid, "the regular expressions take too long for the texts they look through (%d instructions, %d bytes, the last one); "+
			"write shorter ones, without large repetitions", program, n)
	}
	return nil
}

// bulk is how many bytes the documents take that rules write; deep, whether one goes deeper than maxLevels.
func (m *Machine) bulk() (bytes int, deep bool) {
	docs := []map[string]any{m.Node.DriverInfo, m.Node.Properties, m.Node.InstanceInfo, m.Node.Extra, m.PluginData}
	for _, p := range m.Ports {
		docs = append(docs, p.Extra, p.LocalLinkConnection)
	}
	for _, d := range docs {
		n, tooDeep := bulk(d, maxLevels-1) // they are members of an object
		bytes, deep = bytes+n, deep || tooDeep
	}
	return bytes, deep
}

func bulk(v any, levels int) (bytes int, deep bool) {
	within := func(m any) {
		n, tooDeep := bulk(m, levels-1)
		bytes, deep = bytes+n, deep || tooDeep
	}
	switch x := v.(type) {
	case string:
		return len(x) + 2, false
	case map[string]any:
		if levels == 0 {
			return 0, true
		}
		bytes = 2
		for k, m := range x {
			bytes += len(k) + 4
			within(m)
		}
		return bytes, deep
	case []any:
		if levels == 0 {
			return 0, true
		}
		bytes = 2
		for _, m := range x {
			bytes++
			within(m)
		}
		return bytes, deep
	}
	return 8, false
}

// checkBulk holds what the rules made against what was there before, in bytes, and whether that was too deep already.
func (m *Machine) checkBulk(before int, wasDeep bool) error {
	after, deep := m.bulk()
	switch {
	case after > before+maxGrowth:
		return errs.New(errs.Invalid, "inspection rules add %d bytes to node, ports and plugin data; at most %d are taken", after-before, maxGrowth)
	case deep && !wasDeep:
		return errs.New(errs.Invalid, "inspection rules nest a document of the node, its ports or the plugin data deeper than %d levels", maxLevels)
	}
	return nil
}
