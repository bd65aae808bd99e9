package galera

import (
	"strconv"

	"trefoil/internal/errs"
)

// against is why the machine at self must not begin the cluster, though a person wants it:
// it would be a second one, or data that another machine is heard to have would be replaced
// by what is here. A person decides about machines that cannot be asked.
func against(machines []Machine, self int, states []*State) error {
	own := states[self]
	if own.Lost {
		return errs.New(errs.Conflict, "the data of this machine is half of another's, since copying it was broken off").WithHint("give it on another machine")
	}
	for i, s := range states {
		if i == self || s == nil {
			continue
		}
		name := machines[i].label()
		same := s.UUID != "" && s.UUID == own.UUID
		switch {
		case s.Primary:
			return errs.New(errs.Conflict, "%s serves the cluster: a second one would not have its data", name).
				WithHint("this machine joins it by itself; if it does not, the network between them is what to look at")
		case s.Begun:
			return errs.New(errs.Conflict, "%s begins the cluster: there would be two", name).WithHint("if it cannot start: systemctl stop mariadb there")
		case s.Lost:
		case same && own.Doubt && !s.Doubt:
			return errs.New(errs.Conflict, "the data of this machine may be half of another's, and those of %s are whole", name).WithHint("give it on that machine")
		case s.Unread, same && s.Seqno == Unknown:
			return errs.New(errs.Conflict, "%s has not looked yet how new its data is", name).
				WithHint("systemctl start mariadb there; if it cannot start, and its data are to be lost: systemctl stop galera-check there")
		case s.UUID != "" && own.UUID == "", same && s.Seqno > own.Seqno:
			return errs.New(errs.Conflict, "%s has newer data (%s, here %s)", name, s.position(), own.position()).WithHint("give it there")
		}
	}
	return nil
}

// position is how new the data are, for people.
func (s State) position() string {
	switch {
	case s.UUID == "":
		return "none"
	case s.Seqno == Unknown:
		return "not known"
	}
	return strconv.FormatInt(s.Seqno, 10)
}
