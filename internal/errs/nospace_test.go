package errs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"trefoil/internal/errs"
)

// coded is an error of a library with result codes.
type coded int

func (c coded) Error() string { return fmt.Sprint("code ", int(c)) }
func (c coded) Code() int     { return int(c) }

func TestNoSpace(t *testing.T) {
	for _, full := range []error{coded(13), fmt.Errorf("store: %w", coded(13|3<<8)), coded(10 | 19<<8), &fs.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}, syscall.EDQUOT} {
		if err := errs.NoSpace(full); !errs.Is(err, errs.Unavailable) || !errors.Is(err, full) || errs.HintOf(err) == "" {
			t.Errorf("%v: %v", full, err)
		}
	}
	for _, other := range []error{nil, coded(5), coded(5 | 13<<8), coded(10), coded(10 | 3<<8), syscall.EIO, errs.New(errs.Conflict, "x")} {
		if err := errs.NoSpace(other); err != other {
			t.Errorf("%v: %v", other, err)
		}
	}
}

func TestUntold(t *testing.T) {
	for text, want := range map[string][2]string{"x: y\nhint: z": {"x: y", "z"}, "x\ny": {"x\ny", ""}} {
		if sentence, hint := errs.Untold(text); sentence != want[0] || hint != want[1] {
			t.Errorf("%q: %q, %q", text, sentence, hint)
		}
	}
}

func TestTold(t *testing.T) {
	e := errs.New(errs.Unavailable, "the disk is full")
	if got := errs.Told(e); got != "the disk is full" {
		t.Error(got)
	}
	if got := errs.Told(fmt.Errorf("x: %w", e.WithHint("make room"))); got != "x: the disk is full\nhint: make room" {
		t.Error(got)
	}
}
