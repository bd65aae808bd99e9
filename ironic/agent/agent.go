// Package agent is the ramdisk agent as a library. It posts the machine's
// inventory, finds its node, tells the conductor that it lives and runs the
// commands that the conductor sends, in the protocol of ironic-python-agent.
//
// The program around it (cmd/ironic-agent) is the ramdisk's /init.
package agent

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"trefoil/ironic/agent/disk"
	"trefoil/ironic/agentapi"
)

// Version is what heartbeats carry as agent_version.
const Version = "12.0.0+trefoil"

// Hardware reads the machine. hw.Probe implements it.
type Hardware interface {
	Inventory() agentapi.Inventory
	Disks() []agentapi.Disk
}

// Config of an agent.
type Config struct {
	APIURLs    []string // bare-metal API, first that answers wins; empty: inspection only
	InspectURL string   // where the inventory goes; empty: no inspection
	Token      string   // pregenerated agent token; usually empty, the lookup gives it
	BootIF     string   // kernel parameter BOOTIF
	Listen     string   // default :9999
	// AdvertiseHost is the address in callback_url; default: the one that reaches the API.
	AdvertiseHost string

	Root     string        // where the ramdisk's files are; default /
	EndAfter time.Duration // how long a command that ends the agent leaves for its answer; default 1 s

	Hardware Hardware
	Disks    disk.Opener // opens block devices; default disk.System
	PowerOff func()      // default: nothing
	Reboot   func()
	LogTail  func() []byte // what was logged so far; may be nil
	HTTP     *http.Client
	Log      *slog.Logger
}

// Agent is one running agent.
type Agent struct {
	cfg     Config
	cmds    *commands
	beat    chan struct{} // asks for a heartbeat now
	started chan struct{} // says that a command began: progress is due
	over    chan struct{} // says that the machine is a person's now, or about to be reset
	client  *apiClient

	nodeUUID string
	token    string
	url      string
	interval time.Duration
	node     agentapi.LookupNode
}

// New fills in the defaults.
func New(cfg Config) *Agent {
	if cfg.Listen == "" {
		cfg.Listen = ":9999"
	}
	if cfg.Root == "" {
		cfg.Root = "/"
	}
	if cfg.EndAfter == 0 {
		cfg.EndAfter = time.Second
	}
	if cfg.HTTP == nil {
		// No overall time-out: an image takes as long as it takes. Each small call sets its own.
		cfg.HTTP = &http.Client{Transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			ResponseHeaderTimeout: 60 * time.Second, MaxIdleConnsPerHost: 8, DisableCompression: true,
		}}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Disks == nil {
		cfg.Disks = disk.System
	}
	for _, f := range []*func(){&cfg.PowerOff, &cfg.Reboot} {
		if *f == nil {
			*f = func() {}
		}
	}
	a := &Agent{cfg: cfg, beat: make(chan struct{}, 1), started: make(chan struct{}, 1),
		over: make(chan struct{}, 1), token: cfg.Token}
	a.client = &apiClient{http: cfg.HTTP, bases: cfg.APIURLs}
	a.cmds = newCommands(a.handlers(), func() { nudge(a.started) }, func() { nudge(a.beat) }, cfg.Log)
	return a
}

// Run inspects when asked to, then serves commands until ctx ends, then returns
// nil. It retries what fails for as long as it runs; each try is a log line.
func (a *Agent) Run(ctx context.Context) error {
	if err := a.run(ctx); ctx.Err() == nil {
		return err
	}
	return nil
}

func (a *Agent) run(ctx context.Context) error {
	if a.cfg.InspectURL != "" {
		if err := a.inspect(ctx); err != nil {
			return err
		}
	}
	if len(a.cfg.APIURLs) == 0 {
		a.cfg.Log.Info("phase: idle, waiting to be powered off")
		return a.idle(ctx)
	}
	ln, err := net.Listen("tcp", a.cfg.Listen)
	if err != nil {
		return err
	}
	if err := a.lookup(ctx); err != nil {
		return errors.Join(err, ln.Close())
	}
	a.url = a.callbackURL(ln)
	srv := &http.Server{Handler: a.Handler(), ReadHeaderTimeout: 30 * time.Second}
	go func() { _ = srv.Serve(ln) }() // ends with Shutdown or Close
	defer srv.Close()
	a.cfg.Log.Info("phase: serving commands", "url", a.url, "node", a.nodeUUID)
	if err := a.heartbeats(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	a.cfg.Log.Info("phase: over; this agent serves nobody any more")
	a.lastAnswers(ctx, srv)
	<-ctx.Done()
	return nil
}

// answerLimit is how long answers under way may take when the agent's service ends.
const answerLimit = 30 * time.Second

// lastAnswers takes no more connections, lets the answers under way out and ends: on a machine
// that is slow, EndAfter may pass before the conductor has read that its command succeeded.
func (a *Agent) lastAnswers(ctx context.Context, srv *http.Server) {
	limited, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	if err := errors.Join(srv.Shutdown(limited), srv.Close()); err != nil && ctx.Err() == nil {
		a.cfg.Log.Warn("end the agent's service", "error", err)
	}
}

// idle waits to be powered off, with a sign of life.
func (a *Agent) idle(ctx context.Context) error {
	start := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Minute):
			a.cfg.Log.Info("idle: nobody has powered this machine off yet", "for", time.Since(start).Round(time.Second))
			if time.Since(start) > 30*time.Minute {
				a.cfg.Log.Warn("idle for 30 minutes: powering off")
				a.cfg.PowerOff()
				return nil
			}
		}
	}
}

// callbackURL is the address that reaches the API, with the port we listen on.
func (a *Agent) callbackURL(ln net.Listener) string {
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	host := a.cfg.AdvertiseHost
	if u, err := url.Parse(a.client.base()); host == "" && err == nil {
		p := u.Port()
		if p == "" {
			p = "80"
		}
		if c, err := net.Dial("udp", net.JoinHostPort(u.Hostname(), p)); err == nil { // sends nothing
			host, _, _ = net.SplitHostPort(c.LocalAddr().String())
			c.Close()
		}
	}
	return "http://" + net.JoinHostPort(host, port)
}

// nudge wakes whoever waits on ch, once for any number of calls before that.
func nudge(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// heartbeats sends the first at once, one after each command, every ten seconds
// while a command runs (its progress), and else 0.3–0.6 of the conductor's
// time-out, spread so that a rack does not speak in chorus. It returns nil when ctx
// ends, the machine is rescued or the agent is locked.
func (a *Agent) heartbeats(ctx context.Context) error {
	const progress = 10 * time.Second
	pause := 5 * time.Second
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.over:
			return nil
		case <-a.started:
			next.Reset(progress)
			continue
		case <-a.beat:
		case <-next.C:
		}
		wait := time.Duration(float64(a.interval) * (0.3 + 0.3*rand.Float64()))
		if err := a.heartbeat(ctx); err != nil {
			a.cfg.Log.Warn("heartbeat failed", "error", err, "again_in", pause)
			wait = pause
			pause = min(pause*2, 30*time.Second)
		} else {
			pause = 5 * time.Second
		}
		if a.cmds.busy() {
			wait = min(wait, progress)
		}
		next.Reset(wait)
	}
}

func (a *Agent) heartbeat(ctx context.Context) error {
	hb := agentapi.Heartbeat{CallbackURL: a.url, AgentToken: a.token, AgentVersion: Version}
	if msg := a.cmds.progress(); msg != "" {
		hb.AgentStatusMessage = msg
		a.cfg.Log.Info("progress: " + msg)
	}
	return a.client.heartbeat(ctx, a.nodeUUID, hb)
}

// lookup asks who this machine is, with growing pauses, for as long as ctx lives.
func (a *Agent) lookup(ctx context.Context) error {
	var macs []string
	for _, i := range a.cfg.Hardware.Inventory().Interfaces {
		macs = append(macs, i.MACAddress)
	}
	for pause := time.Second; ; pause = min(pause*2, 30*time.Second) {
		a.cfg.Log.Info("phase: lookup", "addresses", strings.Join(macs, ","))
		found, err := a.client.lookup(ctx, macs)
		if err == nil {
			a.nodeUUID, a.node = found.Node.UUID, found.Node
			a.interval = time.Duration(max(found.Config.HeartbeatTimeout, 5)) * time.Second
			if t := found.Config.AgentToken; t != "" && t != "******" {
				a.token = t
			} else if a.token == "" && found.Config.AgentTokenRequired {
				err = errors.New("the conductor has already given this node's token away: the machine must be booted again")
			}
		}
		if err == nil {
			a.cfg.Log.Info("phase: node found", "node", a.nodeUUID)
			return nil
		}
		a.cfg.Log.Warn("lookup failed", "error", err, "again_in", pause)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
