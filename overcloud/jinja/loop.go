package jinja

// loopState is a running for and the value of "loop": it reads one item ahead
// only when it is asked about what comes.
type loopState struct {
	r       *renderer
	n       *forNode
	s       *scope
	src     any
	it      *Iter
	ahead   []any // read, but not yet given
	i       int   // index0
	before  any
	item    any
	total   int // -1: not yet counted
	level   int
	changed any
	seen    bool
}

// loop runs a for. Each round has a scope of its own: what it sets is gone after it.
func (r *renderer) loop(n *forNode, s *scope, src any, level int) {
	r.enter(n.at())
	defer r.leave()
	l := &loopState{r: r, n: n, s: s, src: src, i: -1, total: -1, level: level}
	l.it = r.iter(n.at(), src)
	if n.cond != nil {
		l.filter()
	}
	l.item = Undefined{"there is no previous item"}
	for {
		item, ok := l.take()
		if !ok {
			break
		}
		l.before, l.item = l.item, item
		l.i++
		in := newScope(s)
		if n.usesLoop || n.recursive {
			in.set("loop", l)
		}
		r.assign(n.target, item, in)
		r.exec(n.body, in)
	}
	if l.i < 0 && n.orel != nil {
		r.exec(n.orel, newScope(s))
	}
}

// filter lets only the items through that the for's if accepts, one by one: the
// condition sees what the body did in earlier rounds.
func (l *loopState) filter() {
	all := l.it
	l.src = nil
	l.it = generator(func() (any, bool) {
		for {
			v, ok := l.r.pull(l.n.at(), all)
			if !ok {
				return nil, false
			}
			in := newScope(l.s)
			l.r.assign(l.n.target, v, in)
			if Truth(l.r.eval(l.n.cond, in)) {
				return v, true
			}
		}
	})
}

func (l *loopState) take() (any, bool) {
	if len(l.ahead) > 0 {
		v := l.ahead[0]
		l.ahead = l.ahead[1:]
		return v, true
	}
	return l.r.pull(l.n.at(), l.it)
}

// peek is the next item.
func (l *loopState) peek() (any, bool) {
	if len(l.ahead) == 0 {
		v, ok := l.r.pull(l.n.at(), l.it)
		if !ok {
			return Undefined{"there is no next item"}, false
		}
		l.ahead = append(l.ahead, v)
	}
	return l.ahead[0], true
}

func (l *loopState) length() int {
	if l.total >= 0 {
		return l.total
	}
	n, ok := length(l.src)
	if !ok || l.src == nil {
		for {
			v, more := l.r.pull(l.n.at(), l.it)
			if !more {
				break
			}
			l.r.alloc(l.n.at(), 16)
			l.ahead = append(l.ahead, v)
		}
		n = l.i + 1 + len(l.ahead)
	}
	l.total = n
	return n
}

func (l *loopState) attr(name string) (any, bool) {
	switch name {
	case "index":
		return int64(l.i + 1), true
	case "index0":
		return int64(l.i), true
	case "revindex":
		return int64(l.length() - l.i), true
	case "revindex0":
		return int64(l.length() - l.i - 1), true
	case "first":
		return l.i == 0, true
	case "last":
		_, more := l.peek()
		return !more, true
	case "length":
		return int64(l.length()), true
	case "depth":
		return int64(l.level + 1), true
	case "depth0":
		return int64(l.level), true
	case "previtem":
		return l.before, true
	case "nextitem":
		v, _ := l.peek()
		return v, true
	case "cycle":
		return newFunc("cycle", "*", func(c *Call) any {
			if len(c.Rest()) == 0 {
				c.Fail("no items for cycling given")
			}
			return c.Rest()[l.i%len(c.Rest())]
		}), true
	case "changed":
		return newFunc("changed", "*", func(c *Call) any {
			now := Tuple{Items: c.Rest()}
			if l.seen && c.Equal(l.changed, now) {
				return false
			}
			l.changed, l.seen = now, true
			return true
		}), true
	}
	return nil, false
}

// again is loop(items) in a recursive loop.
func (l *loopState) again(line int, args []any) any {
	if !l.n.recursive {
		l.r.fail(line, "loop() needs \"recursive\" at the end of the for")
	}
	if len(args) != 1 {
		l.r.fail(line, "loop() needs one argument, the items of the next level")
	}
	return l.r.captured(func() { l.r.loop(l.n, l.s, args[0], l.level+1) })
}

func (l *loopState) repr() string {
	return "<LoopContext " + Repr(int64(l.i+1)) + "/" + Repr(int64(l.length())) + ">"
}
