// Package ceph makes a node's part of a Ceph cluster: the store of a monitor,
// OSDs on data disks, and, on one machine with a monitor, keys, pools and the
// look at the cluster's health. It does without ceph-volume and the ceph
// command, which are Python programs that cost seconds a call under emulation:
// the monitors are asked everything in one conversation, and a daemon of this
// node through its own socket.
package ceph

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"trefoil/internal/errs"
)

// Node is the machine that is worked on.
type Node struct {
	Root  string                                                    // "/" in earnest
	Run   func(context.Context, Command) (stdout string, err error) // from many goroutines
	Owner func(user, group string) (uid, gid int, err error)        // -1 leaves it
	Write func(path string, content []byte, mode os.FileMode, uid, gid int) error
}

// Command is a program to run without a shell; secrets go to Stdin.
type Command struct {
	Args    []string
	Stdin   string
	User    string // "" is root
	Timeout time.Duration
}

// User owns the daemons, their files and the disks of OSDs.
const User = "ceph"

const (
	adminName    = "client.admin"
	adminKeyring = "/etc/ceph/ceph.client.admin.keyring"
	// A busy monitor under emulation answers after minutes.
	monSeconds  = "300"
	talkTimeout = 30 * time.Minute
)

func (n *Node) path(p string) string { return filepath.Join(n.Root, p) }

func (n *Node) exists(p string) bool {
	_, err := os.Lstat(n.path(p))
	return err == nil
}

//go:embed conversation.py
var conversation string

// question is one command to the monitors.
type question struct {
	Command map[string]any `json:"command"`
	Input   string         `json:"input"`
}

// answer is what came of it; Code is a negative errno.
type answer struct {
	Code   int    `json:"code"`
	Output string `json:"output"`
	Status string `json:"status"`
}

// String names what is asked for, without values: some are keys.
func (q question) String() string {
	words := []string{fmt.Sprint(q.Command["prefix"])}
	for _, key := range []string{"who", "name", "pool"} {
		if v, ok := q.Command[key]; ok {
			words = append(words, fmt.Sprint(v))
		}
	}
	return strings.Join(words, " ")
}

func ask(prefix string, args ...any) question {
	q := question{Command: map[string]any{"prefix": prefix, "format": "json"}}
	for i := 0; i+1 < len(args); i += 2 {
		q.Command[args[i].(string)] = args[i+1]
	}
	return q
}

// talk asks the monitors everything in one conversation, as the named client:
// the questions of a wave at the same time, waves one after the other. It ends
// with an error after a wave of which a question was refused.
func (n *Node) talk(ctx context.Context, client, keyring string, waves ...[]question) ([]answer, error) {
	var in bytes.Buffer
	var all []question
	for i, wave := range slices.DeleteFunc(waves, func(w []question) bool { return len(w) == 0 }) {
		if i > 0 {
			in.WriteByte('\n')
		}
		for _, q := range wave {
			b, err := json.Marshal(q)
			if err != nil {
				return nil, err
			}
			in.Write(append(b, '\n'))
			all = append(all, q)
		}
	}
	out, err := n.Run(ctx, Command{Args: []string{"python3", "-I", "-c", conversation, client, keyring, monSeconds}, Stdin: in.String(), Timeout: talkTimeout})
	if err != nil {
		return nil, errs.Wrap(errs.Unavailable, err, "talk to Ceph's monitors as %s", client).
			WithHint("is a ceph-mon started on each machine of mon_host in /etc/ceph/ceph.conf, and is package python3-rados in the image?")
	}
	return parseAnswers(out, all)
}

func parseAnswers(out string, questions []question) ([]answer, error) {
	var answers []answer
	for _, line := range bytes.Split(bytes.TrimSpace([]byte(out)), []byte("\n")) {
		var a answer
		if len(answers) >= len(questions) || json.Unmarshal(line, &a) != nil {
			return nil, errs.New(errs.Internal, "the conversation with Ceph's monitors gave no answer that can be read to %q", nameOf(questions, len(answers)))
		}
		if a.Code == -int(syscall.ETIMEDOUT) {
			return nil, errs.New(errs.Unavailable, "Ceph's monitors do not answer %q within %s seconds", nameOf(questions, len(answers)), monSeconds)
		}
		if a.Code != 0 {
			return nil, errs.New(errs.Internal, "Ceph's monitors refuse %q: %s (code %d)", nameOf(questions, len(answers)), a.Status, a.Code)
		}
		answers = append(answers, a)
	}
	if len(answers) != len(questions) {
		return nil, errs.New(errs.Internal, "Ceph's monitors answered %d of %d questions", len(answers), len(questions))
	}
	return answers, nil
}

func nameOf(questions []question, i int) string {
	if i >= len(questions) {
		return "nothing"
	}
	return questions[i].String()
}

// read decodes the JSON of an answer.
func (a answer) read(into any) error {
	if err := json.Unmarshal([]byte(a.Output), into); err != nil {
		return fmt.Errorf("answer of Ceph's monitors: %w", err)
	}
	return nil
}

// removed joins the errors of cleaning up to one that may be there.
func removed(err error, paths ...string) error {
	for _, p := range paths {
		err = errors.Join(err, os.RemoveAll(p))
	}
	return err
}
