package hints

import (
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic/agentapi"
)

func disks() []agentapi.Disk {
	wwn := "0x5000c500a1b2c3d4"
	return []agentapi.Disk{
		{Name: "/dev/sda", Size: 2000 << 30, Model: "BIG DISK 7K", Vendor: "Seagate", Rotational: true, WWN: &wwn},
		{Name: "/dev/sdb", Size: 100 << 30, Model: "Fast SSD", Serial: "S1", Transport: "sata"},
		{Name: "/dev/sdc", Size: 100 << 30, Model: "Fast SSD", Serial: "S2"},
		{Name: "/dev/sdd", Size: 2 << 30, Model: "USB stick"},
	}
}

func TestChoose(t *testing.T) {
	for name, c := range map[string]struct {
		hint map[string]any
		skip []map[string]any
		want string
	}{
		"no hint: smallest of 4 GiB, first by name": {nil, nil, "/dev/sdb"},
		"no hint, one skipped":                      {nil, []map[string]any{{"serial": "S1"}}, "/dev/sdc"},
		"size exact":                                {map[string]any{"size": 100}, nil, "/dev/sdb"},
		"size as JSON number":                       {map[string]any{"size": float64(2000)}, nil, "/dev/sda"},
		"= means at least":                          {map[string]any{"size": "= 101"}, nil, "/dev/sda"},
		"less":                                      {map[string]any{"size": "< 100"}, nil, "/dev/sdd"},
		"all must match":                            {map[string]any{"size": 100, "serial": "s2"}, nil, "/dev/sdc"},
		"text ignores case":                         {map[string]any{"vendor": "SEAGATE"}, nil, "/dev/sda"},
		"in":                                        {map[string]any{"model": "<in> disk"}, nil, "/dev/sda"},
		"all-in":                                    {map[string]any{"model": "<all-in> 7k big"}, nil, "/dev/sda"},
		"or":                                        {map[string]any{"serial": "<or> x <or> S2"}, nil, "/dev/sdc"},
		"or of numbers":                             {map[string]any{"size": "<or> 7 <or> 2"}, nil, "/dev/sdd"},
		"not":                                       {map[string]any{"serial": "s!= S1", "size": 100}, nil, "/dev/sdc"},
		"rotational false":                          {map[string]any{"rotational": false}, nil, "/dev/sdb"},
		"rotational as text":                        {map[string]any{"rotational": "True"}, nil, "/dev/sda"},
		"wwn":                                       {map[string]any{"wwn": "0x5000C500A1B2C3D4"}, nil, "/dev/sda"},
		"name":                                      {map[string]any{"name": "/dev/sdd"}, nil, "/dev/sdd"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := Choose(disks(), c.hint, c.skip)
			if err != nil || d.Name != c.want {
				t.Errorf("got %v, %v", d, err)
			}
		})
	}
}

func TestChooseSaysWhyNot(t *testing.T) {
	_, err := Choose(disks(), map[string]any{"serial": "nobody"}, nil)
	if !errs.Is(err, errs.NotFound) || strings.Count(err.Error(), "serial is") != 4 {
		t.Errorf("got %v", err)
	}
	if _, err := Choose(disks(), map[string]any{"colour": "red"}, nil); !errs.Is(err, errs.Invalid) {
		t.Errorf("an unknown hint: %v", err)
	}
	if _, err := Choose(disks(), map[string]any{"size": ">= many"}, nil); !errs.Is(err, errs.Invalid) {
		t.Errorf("a hint that is no number: %v", err)
	}
	if _, err := Choose(nil, nil, nil); err == nil || !strings.Contains(err.Error(), "no disk") {
		t.Errorf("no disks: %v", err)
	}
}

func FuzzMatch(f *testing.F) {
	for _, s := range []string{"<or> a <or> b", ">= 5", "<in> x", "s== y", ""} {
		f.Add("5", s, true)
	}
	f.Fuzz(func(_ *testing.T, have, expr string, numeric bool) { _, _ = Match(have, expr, numeric) })
}
