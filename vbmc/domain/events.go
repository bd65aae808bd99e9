package domain

import "sync"

// Events is the sender's side of Notifier: a queue in front of the receivers, so
// that events are told in their order, one at a time, and never from under a lock
// of the sender. The zero value is ready for use.
type Events struct {
	mu       sync.Mutex
	queue    []queued
	telling  bool
	next     int
	receiver map[int]func(Event)
}

// queued is an event that waits to be told; only is 0 or the one receiver it is for.
type queued struct {
	Event
	only int
}

// OnEvent implements Notifier. A call of f that runs already while cancel is
// called comes to its end.
func (e *Events) OnEvent(f func(Event)) (cancel func()) {
	return e.subscribe(f)
}

// Greet is OnEvent with an event that only this receiver gets, before all others.
func (e *Events) Greet(f func(Event), first Event) (cancel func()) {
	return e.subscribe(f, first)
}

func (e *Events) subscribe(f func(Event), first ...Event) (cancel func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.next++
	id := e.next
	for _, ev := range first {
		e.queue = append(e.queue, queued{ev, id})
	}
	if e.receiver == nil {
		e.receiver = map[int]func(Event){}
	}
	e.receiver[id] = f
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.receiver, id)
	}
}

// Add puts events into the queue. It may be called with a lock held.
func (e *Events) Add(events ...Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.receiver) == 0 {
		return
	}
	for _, ev := range events {
		e.queue = append(e.queue, queued{ev, 0})
	}
}

// Tell empties the queue. When another call of Tell is at it, also one further up
// this goroutine's stack, that one tells what was added since.
func (e *Events) Tell() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.telling {
		return
	}
	e.telling = true
	defer func() { e.telling = false }()
	for len(e.queue) > 0 {
		q := e.queue[0]
		e.queue = e.queue[1:]
		for id := 1; id <= e.next; id++ {
			if q.only == 0 || q.only == id {
				e.tell(id, q.Event)
			}
		}
	}
	e.queue = nil
}

// tell is called with e.mu held and gives it away for the call.
func (e *Events) tell(id int, ev Event) {
	f := e.receiver[id]
	if f == nil {
		return
	}
	e.mu.Unlock()
	defer e.mu.Lock()
	f(ev)
}
