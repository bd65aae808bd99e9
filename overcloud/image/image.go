// Package image makes overcloud-full: a bootable disk image (BIOS and UEFI)
// of a Debian system with the packages that the roles' services name, present
// but not started, and with os-apply-config's first boot in it. Nothing is
// mounted and no loop device is used: partition table, EFI system partition and
// boot sectors are written as bytes, the root filesystem by mke2fs -d.
//
// The build needs root (dpkg must give files to their owners) and works in a
// mount namespace of its own.
package image

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"trefoil/internal/errs"
)

// Name is the base name of the three files: Name.qcow2, .vmlinuz and .initrd.
const Name = "overcloud-full"

// builder changes when what the builder writes changes, so that images built
// before are not taken for up to date.
const builder = "8"

// Options of one build. Suite, Kernel and Cmdline have defaults.
type Options struct {
	Packages  []string // Debian packages that services need, beside the base set
	OutputDir string   // gets the three files and Name.manifest.json
	CacheDir  string   // package tree and work files; may be deleted at any time
	Suite     string   // default bookworm
	Kernel    string   // default linux-image-cloud-amd64 (virtio); linux-image-amd64 for hardware
	Cmdline   string   // further kernel arguments
	SizeGB    int      // size of the disk; 0 is as small as the content allows
	FirstBoot string   // path of a static os-apply-config
	AptDir    string   // default /etc/apt: where the package sources are read
	Force     bool     // build even when the files are up to date
	Progress  func(Progress)
	Log       io.Writer // everything the tools print; nil is discarded
}

// Progress is told at the begin of a stage, while it goes on, and at its end.
type Progress struct {
	Stage       string // check, packages, schema, system, boot, disk, convert, done
	Done, Total int    // of what the stage counts; Total 0 is unknown
	Note        string
	Elapsed     time.Duration // of the stage
}

// Result tells what lies in OutputDir.
type Result struct {
	Manifest
	UpToDate bool // nothing was built: the files are those of the same inputs
}

// Build makes the image, or says that it is there already. It returns only
// after everything it started has ended and its work files are gone, also when
// ctx ends; the files in OutputDir are replaced as a whole or not at all.
func Build(ctx context.Context, o Options) (*Result, error) {
	b, err := newBuild(o)
	if err != nil {
		return nil, err
	}
	if !o.Force {
		if m, ok := b.upToDate(); ok {
			b.note("done", "up to date")
			return &Result{Manifest: *m, UpToDate: true}, nil
		}
	}
	if err := b.preflight(); err != nil {
		return nil, err
	}
	unlock, err := b.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	b.work, err = os.MkdirTemp(b.CacheDir, "work-")
	if err != nil {
		return nil, fmt.Errorf("make work directory: %w", err)
	}
	defer os.RemoveAll(b.work)
	m, err := b.run(ctx)
	if err != nil && ctx.Err() != nil {
		return nil, errs.Wrap(errs.Unavailable, ctx.Err(), "image build was stopped; nothing in %s was changed", b.OutputDir).
			WithHint("packages that were installed completely are kept in %s and are not fetched again", b.CacheDir)
	}
	if err != nil {
		return nil, err
	}
	return &Result{Manifest: *m}, nil
}

// build is one run.
type build struct {
	Options
	sources sources
	work    string // gone after the build
	tree    string // the root filesystem as a directory, in the cache
	stage   string
	began   time.Time
	seconds map[string]float64
}

func newBuild(o Options) (*build, error) {
	b := &build{Options: o, seconds: map[string]float64{}}
	for _, d := range []struct {
		field *string
		value string
	}{{&b.Suite, "bookworm"}, {&b.Kernel, "linux-image-cloud-amd64"}, {&b.AptDir, "/etc/apt"}} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if b.OutputDir == "" || b.CacheDir == "" || b.FirstBoot == "" {
		return nil, errs.New(errs.Invalid, "image build: OutputDir, CacheDir and FirstBoot must be given")
	}
	for _, p := range b.Packages {
		if !packageName.MatchString(p) {
			return nil, errs.New(errs.Invalid, "image build: %q is not the name of a Debian package", p)
		}
	}
	if b.Log == nil {
		b.Log = io.Discard
	}
	for _, p := range []*string{&b.OutputDir, &b.CacheDir, &b.FirstBoot} {
		abs, err := filepath.Abs(*p)
		if err != nil {
			return nil, fmt.Errorf("image build: %w", err)
		}
		*p = abs
	}
	var err error
	b.sources, err = readSources(b.AptDir, b.Suite)
	if err != nil {
		return nil, err
	}
	b.tree = filepath.Join(b.CacheDir, "tree-"+b.treeKey()[:16])
	return b, nil
}

func (b *build) run(ctx context.Context) (*Manifest, error) {
	disk, began := &layout{}, time.Now()
	stages := []struct {
		name string
		do   func(context.Context) error
	}{
		{"packages", b.packages},
		{"schema", b.schema},
		{"system", b.system},
		{"boot", func(ctx context.Context) error { return b.bootFiles(ctx, disk) }},
		{"disk", func(ctx context.Context) error { return b.rawDisk(ctx, disk) }},
		{"convert", b.convert},
	}
	for _, s := range stages {
		b.begin(s.name)
		if err := s.do(ctx); err != nil {
			return nil, fmt.Errorf("image build, stage %s: %w", s.name, err)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		b.end()
	}
	b.began = began // what is told with "done" is the time of the whole build
	return b.publish()
}

func (b *build) begin(stage string) {
	b.stage, b.began = stage, time.Now()
	b.note(stage, "")
}

func (b *build) end() {
	b.seconds[b.stage] = time.Since(b.began).Seconds()
	b.note(b.stage, "finished")
}

func (b *build) note(stage, note string) { b.report(Progress{Stage: stage, Note: note}) }

func (b *build) report(p Progress) {
	if b.Progress == nil {
		return
	}
	if !b.began.IsZero() {
		p.Elapsed = time.Since(b.began)
	}
	b.Progress(p)
}
