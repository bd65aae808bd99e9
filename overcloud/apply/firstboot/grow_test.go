package firstboot

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"trefoil/overcloud/image/gpt"
)

// TestAnInterruptedGrowthIsFinished: power is lost, or a step fails, after the new
// table was written. The next boot finds nothing to write and must go on all the same.
func TestAnInterruptedGrowthIsFinished(t *testing.T) {
	const small, big = 40960, 409600
	f, err := os.Create(filepath.Join(t.TempDir(), "vda"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(big * gpt.Sector); err != nil {
		t.Fatal(err)
	}
	root := gpt.Partition{Type: gpt.GUID{1}, ID: gpt.GUID{2}, First: 2048, Last: 32767}
	if err := (&gpt.Table{DiskID: gpt.GUID{3}, Partitions: []gpt.Partition{root}}).Write(f, small); err != nil {
		t.Fatal(err)
	}
	const whole = (big-33)/2048*2048 - 1
	cut := errors.New("power lost")
	var partition, filesystem uint64
	fails := func(gpt.Partition) error { return cut }
	takes := func(last *uint64) func(gpt.Partition) error {
		return func(p gpt.Partition) error { *last = p.Last; return nil }
	}
	for _, step := range []struct {
		what string
		k    kernel
		want error
	}{
		{"before the partition", kernel{fails, fails}, cut},
		{"before the filesystem", kernel{takes(&partition), fails}, cut},
		{"again", kernel{takes(&partition), takes(&filesystem)}, nil},
	} {
		partition, filesystem = 0, 0
		_, err := grow(f, 1, big, step.k)
		if !errors.Is(err, step.want) {
			t.Fatalf("%s: %v", step.what, err)
		}
	}
	if partition != whole || filesystem != whole {
		t.Errorf("partition up to sector %d, filesystem up to %d; want %d", partition, filesystem, whole)
	}
}
