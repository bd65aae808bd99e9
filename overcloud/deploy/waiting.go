package deploy

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"trefoil/overcloud/resource"
)

// tellWaits is how long a machine waits for something until it is told, and how
// often it is told again.
const tellWaits = time.Minute

// waits is what one machine waits for in one step. Not safe for concurrent use.
type waits struct {
	doc  resource.Document
	told time.Time
	open map[string]resource.Event // the last event of each resource that is waited for
}

// see takes an event in, and returns what is to be told now: of all that is waited
// for the longest, since when, what is missing and where to look; "" most of the time.
func (w *waits) see(ev resource.Event, now time.Time) string {
	if ev.Event != "waiting" {
		delete(w.open, ev.Key)
		return ""
	}
	if w.open == nil {
		w.open = map[string]resource.Event{}
	}
	w.open[ev.Key] = ev
	longest := ev
	for _, o := range w.open {
		if o.MS > longest.MS || o.MS == longest.MS && o.Key < longest.Key {
			longest = o
		}
	}
	so := time.Duration(longest.MS) * time.Millisecond
	if so < tellWaits || now.Sub(w.told) < tellWaits {
		return ""
	}
	w.told = now
	of := serviceOf(w.doc, longest.Key)
	if of != "" { // not of what the node itself made of another resource, such as an OSD for each disk
		of = " of " + of
	}
	text := fmt.Sprintf("waits for %s%s, %.0f s so far: %s", longest.Key, of, so.Seconds(), cmp.Or(longest.Missing, "no answer"))
	if n := len(w.open) - 1; n > 0 {
		text += fmt.Sprintf(" (and for %d more)", n)
	}
	return text + w.where(longest.Key)
}

// missing is what lacks of all that is waited for.
func (w *waits) missing() string {
	var out []string
	for _, key := range sortedKeys(w.open) {
		out = append(out, w.open[key].Missing)
	}
	return strings.Join(out, ", ")
}

// where is the place on the machine that tells more.
func (w *waits) where(key string) string {
	for _, r := range w.doc.Resources {
		switch {
		case r.Key() != key || r.Wait == nil:
		case r.Wait.Log != "":
			return "; its log: " + r.Wait.Log
		case r.Wait.Unit != "":
			return "; its log: journalctl -u " + r.Wait.Unit
		}
	}
	return ""
}
