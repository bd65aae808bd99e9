//go:build e2e

package image

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
)

func TestASecondBuildIsUpToDate(t *testing.T) {
	dir := t.TempDir()
	build := func() *Result {
		r, err := Build(t.Context(), Options{OutputDir: dir, CacheDir: filepath.Join(dir, "cache"), FirstBoot: os.Args[0], Progress: func(p Progress) {
			t.Logf("%-9s %5.1fs %4d/%-4d %s", p.Stage, p.Elapsed.Truncate(100*time.Millisecond).Seconds(), p.Done, p.Total, p.Note)
		}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if build().UpToDate {
		t.Error("the first build found itself up to date")
	}
	if !build().UpToDate {
		t.Error("the second build built again")
	}
}

func TestAPackageThatDoesNotExistIsNamed(t *testing.T) {
	dir := t.TempDir()
	_, err := Build(t.Context(), Options{Packages: []string{"keystonne"}, OutputDir: dir, CacheDir: filepath.Join(dir, "cache"), FirstBoot: os.Args[0]})
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "has no package keystonne") {
		t.Errorf("error %v", err)
	}
}

func TestAStoppedBuildLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	_, err := Build(ctx, Options{OutputDir: dir, CacheDir: filepath.Join(dir, "cache"), FirstBoot: os.Args[0], Progress: func(p Progress) {
		if p.Stage == "packages" && p.Done > 50 {
			stop()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	more, _ := filepath.Glob(filepath.Join(dir, "cache/*"))
	if len(left) != 1 || len(more) != 1 { // the cache with its lock
		t.Errorf("left behind: %v %v", left, more)
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(mounts), dir) {
		t.Errorf("a mount is left, or %v", err)
	}
	procs, _ := filepath.Glob("/proc/[0-9]*/root")
	for _, p := range procs {
		if root, err := os.Readlink(p); err == nil && strings.HasPrefix(root, dir) {
			t.Errorf("%s still runs in the tree", p)
		}
	}
}
