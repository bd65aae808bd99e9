package main

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// logFile is a log that may be moved away: the next line goes to a new file of the old
// name (logrotate's "create", and a plain mv), as it does after Reopen. Safe for
// concurrent use.
type logFile struct {
	path string

	mu sync.Mutex
	f  *os.File
}

func openLog(path string) (*logFile, error) {
	l := &logFile{path: path}
	return l, l.Reopen()
}

// Reopen opens the file of this name anew, and makes it where there is none. After an
// error the log goes on where it was.
func (l *logFile) Reopen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reopen()
}

func (l *logFile) reopen() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log file: %w", err)
	}
	if l.f != nil {
		l.f.Close()
	}
	l.f = f
	return nil
}

// Write appends to the file that has the name now. When a new one cannot be made the
// line goes to the old one, with the reason: a log must not be lost for its name.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.moved() {
		if err := l.reopen(); err != nil {
			_, werr := fmt.Fprintf(l.f, "the log goes on in a file that was moved away: %v\n", err)
			n, err := l.f.Write(p)
			return n, errors.Join(werr, err)
		}
	}
	return l.f.Write(p)
}

// moved tells whether the name stands for another file, or none.
func (l *logFile) moved() bool {
	ours, err := l.f.Stat()
	if err != nil {
		return true
	}
	named, err := os.Stat(l.path)
	return err != nil || !os.SameFile(ours, named)
}

// Close ends the log.
func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.f.Close()
}
