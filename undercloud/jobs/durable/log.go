package durable

import (
	"context"
	"log/slog"
	"strings"
)

// library is what DBOS logs into: it logs each step at info level, and its warnings
// are all that a log should carry.
type library struct{ slog.Handler }

func (l library) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && l.Handler.Enabled(ctx, level)
}

// onlyWords begins DBOS's warning that of an error it keeps the words alone, not the Go
// value. That is what jobs.Status promises, and every job that fails would warn of it.
const onlyWords = "workflow error type cannot be gob-encoded"

// Handle passes a record on. Of that warning, and of what DBOS cannot do any more because
// it is being stopped, only those who debug learn, and only the error.
func (l library) Handle(ctx context.Context, r slog.Record) error {
	var why slog.Attr
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "error" {
			why = a
		}
		return true
	})
	message := ""
	switch {
	case strings.HasPrefix(r.Message, onlyWords):
		message = "a job or a step of one failed"
	case strings.HasSuffix(why.Value.String(), context.Canceled.Error()):
		message = "stopped: " + r.Message
	default:
		return l.Handler.Handle(ctx, r)
	}
	if !l.Handler.Enabled(ctx, slog.LevelDebug) {
		return nil
	}
	out := slog.NewRecord(r.Time, slog.LevelDebug, message, r.PC)
	out.AddAttrs(why)
	return l.Handler.Handle(ctx, out)
}

func (l library) WithAttrs(a []slog.Attr) slog.Handler { return library{l.Handler.WithAttrs(a)} }
func (l library) WithGroup(n string) slog.Handler      { return library{l.Handler.WithGroup(n)} }
