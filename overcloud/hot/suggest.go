package hot

import "trefoil/internal/nearest"

// Suggest returns `; did you mean "x"?` for the known name nearest to one that
// is not known, or nothing when none is near.
func Suggest(name string, known []string) string { return nearest.Hint(name, known) }

// Nearest returns the known name that is fewest letters away, or "" when all are far.
func Nearest(name string, known []string) string { return nearest.Name(name, known) }
