package api

import "slices"

// GuardedCall is a method of a guarded route with its policy.
type GuardedCall struct{ Method, Path, Policy string }

// GuardedCalls are all of them, in the order of the routes.
func GuardedCalls(cfg Config) []GuardedCall {
	s := newServer(cfg)
	var out []GuardedCall
	for _, rt := range s.guardedRoutes() {
		for method, name := range s.rulesOf(rt) {
			out = append(out, GuardedCall{method, rt.path, name})
		}
	}
	slices.SortStableFunc(out, func(a, b GuardedCall) int {
		if a.Path != b.Path {
			return 0
		}
		return slices.Index([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, a.Method) - slices.Index([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, b.Method)
	})
	return out
}
