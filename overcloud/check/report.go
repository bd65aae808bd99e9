package check

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// What became of a step.
const (
	OK        = "ok"
	NotTested = "not tested"
	Failed    = "failed"
)

// Result is one step's.
type Result struct {
	Name    string  `json:"name"`
	Result  string  `json:"result"` // OK, NotTested or Failed
	Seconds float64 `json:"seconds"`
	Detail  string  `json:"detail"`         // what was seen, or why not
	Hint    string  `json:"hint,omitempty"` // what to try
}

// Line is the step for a reader.
func (r Result) Line() string {
	text := r.Result
	if r.Detail != "" {
		text += ": " + strings.Join(strings.Fields(r.Detail), " ")
	}
	if r.Hint != "" {
		text += "; try: " + r.Hint
	}
	return fmt.Sprintf("%-20s %7.1f s  %s", r.Name, r.Seconds, text)
}

// Report is what a check saw, in order.
type Report struct {
	Steps     []Result `json:"steps"`
	OK        int      `json:"ok"`
	NotTested int      `json:"not_tested"`
	Failed    int      `json:"failed"`
	Seconds   float64  `json:"seconds"`
}

func (r *Report) count(took time.Duration) {
	r.Seconds = seconds(took)
	for _, s := range r.Steps {
		switch s.Result {
		case OK:
			r.OK++
		case NotTested:
			r.NotTested++
		case Failed:
			r.Failed++
		}
	}
}

// Summary is the report's last line.
func (r *Report) Summary() string {
	return fmt.Sprintf("Overcloud check: %d ok, %d not tested, %d failed [%.0f s]", r.OK, r.NotTested, r.Failed, r.Seconds)
}

// seconds keeps tenths.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*10) / 10 }
