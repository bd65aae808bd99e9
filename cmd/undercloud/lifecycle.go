package main

import (
	"context"
	"errors"
	"time"
)

// stopTimeout bounds how long running steps may take to come to a stop.
const stopTimeout = 20 * time.Second

// lifecycle is the order in which the parts begin and end.
type lifecycle struct {
	serve func(context.Context) error // the APIs, until its context ends
	boot  func(context.Context) error // DHCP and TFTP, until its context ends
	start func(context.Context) error // takes up jobs and nodes
	stop  func(context.Context) error // ends what start began; unfinished jobs go on at the next start
	ready func(bool)
}

// run lives until ctx ends or a part fails. The APIs answer before jobs go on and
// until they have stopped: a step of the deployer that got no answer would record
// a failure where there is only an orderly stop.
func (l lifecycle) run(ctx context.Context) error {
	work, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	apis, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	go func() { // DHCP and TFTP end the program when they fail: without them no machine boots
		if err := l.boot(apis); err != nil && apis.Err() == nil {
			fail(err)
		}
	}()
	served := make(chan error, 1)
	go func() {
		err := l.serve(apis)
		fail(err)
		served <- err
	}()
	err := l.start(work)
	if err == nil {
		l.ready(true)
		<-work.Done()
		l.ready(false)
	}
	bounded, done := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer done()
	err = errors.Join(err, l.stop(bounded))
	hangUp()
	last := <-served
	if cause := context.Cause(work); cause != nil && !errors.Is(cause, context.Canceled) && !errors.Is(last, cause) {
		err = errors.Join(cause, err)
	}
	return errors.Join(last, err)
}
