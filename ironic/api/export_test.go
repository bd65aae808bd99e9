package api

// GuardedCall is a method of a guarded route with its policy.
type GuardedCall struct{ Method, Path, Policy string }

// GuardedCalls are all of them, in the order of the routes.
func GuardedCalls(cfg Config) []GuardedCall {
	s := newServer(cfg)
	var out []GuardedCall
	for _, rt := range s.guardedRoutes() {
		policies := s.rulesOf(rt)
		for _, method := range methodNames(rt.methods) {
			out = append(out, GuardedCall{method, rt.path, policies[method]})
		}
	}
	return out
}
