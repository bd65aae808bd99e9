package resource

import (
	"regexp"
	"strings"
)

// Probe is looked at when somebody asks how a service is. Steps pass over it: what a user
// of the cloud broke must keep no deployment. It wants a running program for each row of a
// query, as a dnsmasq for each network.
type Probe struct {
	Name string `json:"name" yaml:"name"`
	// SQL is a query to the node's own MariaDB, as its root. The first column of a row is what
	// the file is called after, the second, if there is one, what people call it.
	SQL string `json:"sql" yaml:"sql"`
	// PIDFile holds the process id of a row's program; * in it is the row's first column.
	PIDFile string `json:"pid_file" yaml:"pid_file"`
	Program string `json:"program" yaml:"program"` // as /proc/PID/comm has it, at most 15 letters
	Missing string `json:"missing" yaml:"missing"` // what is told of a row without it; * is the row
}

// programName is what Linux keeps of a program's name.
var programName = regexp.MustCompile(`^[A-Za-z0-9_.+-]{1,15}$`)

func (c *checker) probe(p *Probe) {
	c.want(p.Name != "", "probe.name: missing")
	c.want(p.SQL != "", "probe.sql: missing")
	c.path("probe.pid_file", p.PIDFile)
	c.want(strings.Count(p.PIDFile, "*") == 1, "probe.pid_file: %q must have one *, for the first column of a row", p.PIDFile)
	c.want(programName.MatchString(p.Program), "probe.program: %q is not a program's name of at most 15 letters", p.Program)
	c.want(strings.Contains(p.Missing, "*"), "probe.missing: %q must have a *, for the row", p.Missing)
}
