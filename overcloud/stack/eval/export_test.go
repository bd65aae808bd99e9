package eval

// Steps is how much work the last evaluation took: values looked at, about.
func (ev *Evaluator) Steps() int { return ev.steps }
