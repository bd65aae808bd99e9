package apply

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"trefoil/internal/logfile"
)

// Limits of a report: logs of a day are of use, logs of a year are not.
const (
	reportTail  = 1 << 20 // of each file, its end
	reportLimit = 2 * time.Minute
)

// reportCommand is a question to the machine whose answer goes into a report.
type reportCommand struct {
	file string
	args []string
}

func reportCommands() []reportCommand {
	return []reportCommand{
		{"journal.txt", []string{"journalctl", "--no-pager", "-o", "short-iso", "-n", "5000"}},
		{"units.txt", []string{"systemctl", "--no-pager", "list-units", "--all"}},
		{"failed-units.txt", []string{"systemctl", "--no-pager", "list-units", "--failed"}},
		{"processes.txt", []string{"ps", "axo", "pid,user,rss,stat,start,time,comm"}}, // without arguments: they may hold anything
		{"disks.txt", []string{"df", "-h"}},
		{"addresses.txt", []string{"ip", "address"}},
		{"routes.txt", []string{"ip", "route"}},
	}
}

// Report packs what helps to find a fault into a tar.gz: the journal, the ends of
// the logs below /var/log, what this program recorded, and how the machine is. Each
// of secrets, and what looks like one, is masked. It changes nothing.
func (e *Engine) Report(ctx context.Context, secrets []string, w io.Writer) error {
	z := gzip.NewWriter(w)
	r := &report{Engine: e, tar: tar.NewWriter(z)}
	for _, s := range secrets {
		r.hide.add(s)
	}
	r.hide.sort()
	for _, c := range reportCommands() {
		out, err := e.System.Run(ctx, Command{Args: c.args, Timeout: reportLimit})
		if err != nil {
			out = err.Error() // a tool that this machine lacks is no reason to give up
		}
		if err := r.add(c.file, []byte(out)); err != nil {
			return err
		}
	}
	if err := r.folder("var/log"); err != nil {
		return err
	}
	if err := r.folder(stateDir); err != nil {
		return err
	}
	return errors.Join(r.tar.Close(), z.Close())
}

// report is one report that is being written.
type report struct {
	*Engine
	tar  *tar.Writer
	hide mask
}

// folder adds the text files of a folder. One that vanishes meanwhile is left out.
func (r *report) folder(dir string) error {
	return filepath.WalkDir(r.path(dir), func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // no such folder, or gone
		case d.IsDir() && d.Name() == "journal":
			return fs.SkipDir // journal.txt has it
		case d.IsDir() && d.Name() == "ceph-osd", strings.HasPrefix(d.Name(), ".os-apply-config-"):
			return skipped(d) // keys of OSDs that are begun, and what a killed run had half written
		case !d.Type().IsRegular():
			return nil
		}
		data, err := logfile.End(name, reportTail)
		if err != nil || bytes.IndexByte(data, 0) >= 0 {
			return nil //nolint:nilerr // gone, or no text
		}
		within, err := filepath.Rel(r.Root, name)
		if err != nil {
			return err
		}
		return r.add(within, data)
	})
}

func skipped(d fs.DirEntry) error {
	if d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// add writes one file, masked line by line.
func (r *report) add(name string, data []byte) error {
	var masked strings.Builder
	for line := range strings.Lines(string(data)) {
		masked.WriteString(r.hide.line(line))
	}
	text := masked.String()
	if err := r.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text)), ModTime: r.Now().UTC().Truncate(time.Second)}); err != nil {
		return fmt.Errorf("pack %s: %w", name, err)
	}
	if _, err := io.WriteString(r.tar, text); err != nil {
		return fmt.Errorf("pack %s: %w", name, err)
	}
	return nil
}
