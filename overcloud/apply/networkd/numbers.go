package networkd

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

// NICFile is the name of the file among a Result's that keeps which card is nic1, nic2 …:
// links come and go, and what a wire is for does not go with them.
const NICFile = "nics"

const (
	nicsHead  = "# Which card is nic1, nic2 …: number, address, name. It keeps its number with a link and without.\n"
	maxNumber = 999 // more is a slip of whoever edited the file
)

func nicsText(nics []NIC) string {
	var b strings.Builder
	b.WriteString(nicsHead)
	for i, n := range nics {
		if n.Name != "" {
			fmt.Fprintf(&b, "nic%d %s %s\n", i+1, n.MAC, n.Name)
		}
	}
	return b.String()
}

// NICs are the cards that the NICFile of an earlier Result numbers, Gone until Number finds
// them; none where there is no such file. The error names file and line.
func NICs(files map[string]string) ([]NIC, error) {
	var out []NIC
	for i, line := range strings.Split(files[NICFile], "\n") {
		f := strings.Fields(line)
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		number, named := strings.CutPrefix(f[0], "nic")
		n, err := strconv.Atoi(number)
		if !named || err != nil || n < 1 || n > maxNumber || len(f) != 3 {
			return nil, wrongNICs(i, "%q is not NUMBER ADDRESS NAME, like nic2 52:54:00:12:34:56 ens4", line)
		}
		out = append(out, make([]NIC, max(0, n-len(out)))...)
		if out[n-1].Name != "" {
			return nil, wrongNICs(i, "nic%d stands twice", n)
		}
		out[n-1] = NIC{Name: f[2], MAC: strings.ToLower(f[1]), Gone: true}
	}
	return out, nil
}

func wrongNICs(line int, format string, args ...any) error {
	return errs.New(errs.Invalid, "/%s%s:%d: %s", Kept, NICFile, line+1, fmt.Sprintf(format, args...)).
		WithHint("mend the line, or remove the file: cards are then numbered by what the files beside it configure, and by their links")
}

// Number gives the machine's cards their numbers: nic1 is the first of what it returns. A
// card that has one keeps it, with a link or without. One that has a link and stands under the name of
// one that is gone is in its slot, and takes its number. Others with a link, in their order, take what
// numbers are free: those of lines that somebody took out of the file, then those behind.
func Number(numbered, cards []NIC) []NIC {
	out, rest := slices.Clone(numbered), slices.Clone(cards)
	Order(rest)
	for _, same := range []func(old, card NIC) bool{ // the surest first: cards may share an address
		func(old, card NIC) bool { return old.MAC == card.MAC && old.Name == card.Name },
		func(old, card NIC) bool { return old.MAC == card.MAC },
		func(old, card NIC) bool { return card.Link && old.Name == card.Name },
	} {
		for i, old := range out {
			at := slices.IndexFunc(rest, func(card NIC) bool { return same(old, card) })
			if old.Gone && at >= 0 {
				out[i] = rest[at]
				rest = slices.Delete(rest, at, at+1)
			}
		}
	}
	for _, card := range rest {
		if !card.Link {
			continue
		}
		free := slices.IndexFunc(out, func(n NIC) bool { return n.Name == "" })
		if free < 0 {
			out = append(out, card)
			continue
		}
		out[free] = card
	}
	return out
}

// First numbers the cards of a machine that has no NICFile: one with no kept files, or with
// those of an earlier release, which numbered at each deployment what had a link then. The
// files tell that the cards they configure had one. Taken is the first that makes those files
// again of: what has a link; that and what is configured; the same with what is configured
// before the rest. Where the objects have changed as well, none does, and the second is taken.
func First(objects []resource.NetObject, kept map[string]string, cards []NIC) []NIC {
	all := slices.Clone(cards)
	Order(all)
	pick := func(wanted func(NIC) bool) []NIC {
		return slices.DeleteFunc(slices.Clone(all), func(n NIC) bool { return !wanted(n) })
	}
	configured := func(n NIC) bool { return kept[n.Name+".network"] != "" }
	linked := pick(func(n NIC) bool { return n.Link })
	either := pick(func(n NIC) bool { return n.Link || configured(n) })
	before := slices.Concat(pick(configured), pick(func(n NIC) bool { return n.Link && !configured(n) }))
	for _, nics := range [][]NIC{linked, either, before} {
		if r, err := Render(objects, nics); err == nil && maps.Equal(WithoutRecords(r.Files), WithoutRecords(kept)) {
			return nics
		}
	}
	return either
}

// WithoutRecords are the files of a Result that networkd reads.
func WithoutRecords(files map[string]string) map[string]string {
	out := maps.Clone(files)
	delete(out, OVSFile)
	delete(out, NICFile)
	return out
}

// Replaced tells, in words, of each number that another card has now.
func Replaced(before, now []NIC) []string {
	var out []string
	for i, old := range before {
		if i < len(now) && old.Name != "" && old.MAC != now[i].MAC {
			out = append(out, fmt.Sprintf("nic%d is another card: %s had the address %s, and has %s now", i+1, now[i].Name, old.MAC, now[i].MAC))
		}
	}
	return out
}
