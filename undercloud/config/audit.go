package config

import (
	"fmt"
	"slices"
	"strings"
)

// Audit is the section [audit], as Ironic has it: which requests to the bare-metal API
// that change something are logged, with who sent them and how they ended. The zero
// value is what holds where no file says anything: all are.
type Audit struct {
	Off    bool     `json:"off,omitempty"`
	Ignore []string `json:"ignore_req_list,omitempty"` // HTTP methods
}

func (a *Audit) options() []entry {
	return []entry{
		{"enabled", "", func(v string) error {
			on, err := parseBool(v)
			a.Off = !on
			return err
		}},
		{"ignore_req_list", "", func(v string) error {
			known := []string{"GET", "POST", "PUT", "PATCH", "DELETE"}
			for _, m := range split(v) {
				if m = strings.ToUpper(m); !slices.Contains(known, m) {
					return fmt.Errorf("expected some of the methods %s", strings.Join(known, ", "))
				}
				a.Ignore = append(a.Ignore, m)
			}
			return nil
		}},
	}
}
