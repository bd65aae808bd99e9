package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"

	"trefoil/internal/errs"
)

// logger writes TripleO's lines to the operator and to the log file.
type logger struct {
	opt  Options
	path string
	file *os.File
	mu   sync.Mutex // guards out
	out  io.Writer
}

func openLog(o Options) (*logger, error) {
	dir := o.home(".instack")
	if err := makeHomeDir(o.Home, dir, 0o755); err != nil {
		return nil, err
	}
	path := o.home(".instack", "install-undercloud.log")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open install log: %w", err)
	}
	if err := giveToOwner(o.Home, path); err != nil {
		f.Close()
		return nil, err
	}
	return &logger{opt: o, path: path, file: f, out: io.MultiWriter(o.Out, f)}, nil
}

func (l *logger) close() { _ = l.file.Close() }

func (l *logger) line(level, format string, args ...any) {
	now := l.opt.Now()
	stamp := fmt.Sprintf("%s,%03d", now.Format("2006-01-02 15:04:05"), now.Nanosecond()/1_000_000)
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprintf(l.out, "%s %s: %s\n", stamp, level, fmt.Sprintf(format, args...))
}

func (l *logger) info(format string, args ...any) { l.line("INFO", format, args...) }
func (l *logger) warn(format string, args ...any) { l.line("WARNING", format, args...) }

// waits tells each half minute what is waited for and since when, until the function that it returns is called.
func (l *logger) waits(since time.Time, format string, args ...any) (over func()) {
	ctx, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(30 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				l.info("Waiting for %s, %d s so far", fmt.Sprintf(format, args...), int(l.opt.Now().Sub(since).Seconds()))
			}
		}
	})
	return func() { stop(); done.Wait() }
}

var ruler = strings.Repeat("#", 77)

// complete prints the block that ends a successful installation.
func (l *logger) complete(passwords, stackrc string) {
	l.info("\n%s\nUndercloud install complete.\n\nThe file containing this installation's passwords is at\n%s.\n\n"+
		"There is also a stackrc file at %s.\n\nThese files are needed to interact with the OpenStack services, and should be\nsecured.\n\n%s",
		ruler, passwords, stackrc, ruler)
}

// failure prints the block that ends a failed one.
func (l *logger) failure(err error) {
	l.line("ERROR", "\n%s\nUndercloud install failed.\n\nReason: %s\n\nThe whole log is at\n%s.\n\n%s", ruler, reasons(err), l.path, ruler)
}

// reasons lists all that is wrong, each with what to do about it.
func reasons(err error) string {
	var many *multierror.Error
	list := []error{err}
	if errors.As(err, &many) {
		list = many.Errors
	}
	var lines []string
	for _, e := range list {
		line := e.Error()
		if hint := errs.HintOf(e); hint != "" {
			line += "\n  " + hint
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
