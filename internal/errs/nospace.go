package errs

import (
	"errors"
	"strings"
	"syscall"
)

// SQLite's result codes of a disk, or a database, that can take no more, and of one that has no room
// for the index of a database's journal (SQLITE_IOERR_SHMSIZE), which each start makes anew.
const (
	sqliteFull    = 13
	sqliteShmSize = 10 | 19<<8
)

// NoSpace makes an Unavailable, with what to do, of an error that comes of a full disk: the kernel's
// (ENOSPC, EDQUOT) or SQLite's, whose errors tell their result code. Others, and nil, stay as they are.
func NoSpace(err error) error {
	var sqlite interface {
		error
		Code() int
	}
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
	if !full && errors.As(err, &sqlite) {
		full = sqlite.Code()&0xff == sqliteFull || sqlite.Code() == sqliteShmSize
	}
	if !full {
		return err
	}
	return Wrap(Unavailable, err, "the undercloud's disk is full, and this was not written").
		WithHint("make room where its state is (df -h), then the same again")
}

// hintMark stands between a sentence and its hint where a body has one text for both.
const hintMark = "\nhint: "

// Told is what a client is told in a body that has one text: the sentence and, in a line of its own, the hint.
func Told(err error) string {
	if hint := HintOf(err); hint != "" {
		return err.Error() + hintMark + hint
	}
	return err.Error()
}

// Untold takes apart again what Told has put together; without a hint the sentence is all.
func Untold(text string) (sentence, hint string) {
	sentence, hint, _ = strings.Cut(text, hintMark)
	return sentence, hint
}
