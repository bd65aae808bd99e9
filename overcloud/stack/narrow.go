package stack

import "maps"

// What an action may be narrowed to. Such an action needs no templates and
// leaves everything else as it was deployed.
const (
	OnlyProvision   = "provision"   // bring up the machines of BaremetalFile, configure nothing
	OnlyUnprovision = "unprovision" // give back the machines that Unprovision names
	OnlyDelete      = "delete"      // likewise, and have later deployments do without them
)

// Whole is the input without what narrowed its last action: that says what the
// action does, not what is there.
func (in Input) Whole() Input {
	in.Only, in.Unprovision, in.Force, in.Limits = "", nil, false, Limits{}
	return in
}

// Whole is a copy of the stack with its whole input: what is described, compared or
// downloaded is the deployment, also while an action leaves most of it alone.
func (s *Stack) Whole() *Stack {
	out := *s
	out.Input = s.Input.Whole()
	return &out
}

// onto is what a stack with the input old keeps when in is asked of it: a
// narrowed action adds itself to what was deployed, any other takes its place.
func (in Input) onto(old Input) Input {
	if in.Only == "" {
		in.Removed, in.Force = old.Removed, false
		return in
	}
	old.Only, old.Unprovision, old.Force = in.Only, in.Unprovision, in.Force
	if in.BaremetalFile != "" {
		files := maps.Clone(in.Files)
		if files == nil {
			files = map[string]string{}
		}
		for name, text := range old.Files {
			if _, has := files[name]; !has && name != old.BaremetalFile {
				files[name] = text
			}
		}
		old.Files, old.BaremetalFile, old.SSHKeys = files, in.BaremetalFile, in.SSHKeys
	}
	return old
}
