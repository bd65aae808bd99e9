package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/apply"
	"trefoil/overcloud/apply/firstboot"
	"trefoil/overcloud/resource"
)

const usage = `usage: os-apply-config COMMAND

  apply       make one step of this node's configuration so: a JSON document on
              standard input, JSON lines of events on standard output
  verify      tell which steps are as they were recorded, up to the first that is
              not: a JSON document a line on standard input, an event "verified"
              for each on standard output; nothing is changed
  status      print which steps have been applied, as JSON
  health      tell how this node's services are: what to look at as JSON on
              standard input, one JSON line a service on standard output
  report      pack this node's logs into a tar.gz, as lines of base64; the secrets to
              mask come as a JSON list on standard input
  first-boot  set this node up from its config drive
  galera-check  tell HAProxy and the other machines how this one's database is
  galera-start  decide how this machine's database may start; it waits until it may
  galera-force  begin the database's cluster here, without machines that are lost
  at-address ADDRESS PROGRAM …
              run a program while this machine has an address: of one that may
              work on one machine at a time
  version     print the hash of this program

Exit codes: 0 done, 1 failed (the last event says what), 2 wrong use.
`

// configDriveWait is for a drive whose driver is still being loaded.
const configDriveWait = 30 * time.Second

// lockWait is longer than a step whose deployer was lost may still take.
const lockWait = 20 * time.Minute

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	commands := map[string]func() error{
		"apply":      func() error { return applyStep(ctx, stdin, stdout) },
		"verify":     func() error { return verify(ctx, stdin, stdout) },
		"status":     func() error { return status(stdout) },
		"health":     func() error { return health(ctx, stdin, stdout) },
		"report":     func() error { return report(ctx, stdin, stdout) },
		"version":    func() error { return version(stdout) },
		"first-boot": func() error { return firstBoot(ctx, stdout) },

		"galera-check": func() error { return galeraCheck(ctx, stdout) },
		"galera-start": func() error { return galeraStart(ctx, stdout) },
		"galera-force": func() error { return galeraForce(ctx) },
	}
	if len(args) > 1 && args[0] == "at-address" {
		program := args[1:]
		commands["at-address"] = func() error { return atAddress(ctx, program, stdout) }
		args = args[:1]
	}
	if len(args) != 1 || commands[args[0]] == nil {
		fmt.Fprint(stderr, usage)
		return 2
	}
	if err := commands[args[0]](); err != nil {
		fmt.Fprintf(stderr, "os-apply-config %s: %v\n", args[0], err)
		if hint := errs.HintOf(err); hint != "" {
			fmt.Fprintln(stderr, hint)
		}
		return 1
	}
	return 0
}

func engine(emit func(resource.Event)) *apply.Engine {
	return &apply.Engine{Root: "/", System: apply.Linux{}, Now: time.Now, Emit: emit, LockWait: lockWait}
}

// applyStep ends with an event "done" or "failed" whatever happens, so that the
// deployer never has to guess from a closed connection. Behind one nobody is left to
// wait for: what is being changed is changed to the end, and the next run goes on.
func applyStep(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	enc := json.NewEncoder(stdout)
	enc.SetEscapeHTML(false)
	deaf, lost := context.WithCancel(ctx)
	defer lost()
	emit := func(e resource.Event) {
		if enc.Encode(e) != nil {
			lost()
		}
	}
	doc, err := resource.Decode(stdin)
	step := 0
	if err == nil {
		step = doc.Step
		e := engine(emit)
		e.Deaf = deaf.Done()
		_, err = e.Apply(ctx, doc)
	}
	var known *apply.Failure
	if err != nil && !errors.As(err, &known) {
		emit(resource.Event{Event: "failed", Step: step, Error: err.Error(), Hint: errs.HintOf(err)})
	}
	return err
}

// verify ends with an event "done" or "failed".
func verify(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	enc := json.NewEncoder(stdout)
	enc.SetEscapeHTML(false)
	emit := func(e resource.Event) { _ = enc.Encode(e) }
	docs, err := resource.DecodeLines(stdin)
	if err == nil {
		_, err = engine(emit).Verify(ctx, docs)
	}
	if err != nil {
		emit(resource.Event{Event: "failed", Error: err.Error(), Hint: errs.HintOf(err)})
		return err
	}
	emit(resource.Event{Event: "done"})
	return nil
}

// stepStatus is one line of status.
type stepStatus struct {
	apply.Record
	Pending bool `json:"pending,omitempty"` // a run was begun and has not ended well
}

func status(stdout io.Writer) error {
	e := engine(nil)
	enc := json.NewEncoder(stdout)
	for step := 1; step <= 5; step++ {
		r, ok := e.Recorded(step)
		pending := e.Pending(step)
		if !ok && !pending {
			continue
		}
		r.Step = step
		if err := enc.Encode(stepStatus{r, pending}); err != nil {
			return err
		}
	}
	return nil
}

// version prints the SHA-256 of this program, by which one can tell two apart: it comes with
// the image, and a deployment brings a newer one.
func version(stdout io.Writer) error {
	name, err := os.Executable()
	if err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, hex.EncodeToString(h.Sum(nil)))
	return err
}

func firstBoot(ctx context.Context, stdout io.Writer) error {
	return firstboot.Run(ctx, firstboot.Options{Root: "/", User: firstboot.User, Log: stdout, Wait: configDriveWait,
		Machine: firstboot.Linux{Sys: "/sys", Dev: "/dev"}})
}
