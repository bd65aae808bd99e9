package networkd

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
)

var (
	onBoard = regexp.MustCompile(`^(em|eth|eno)[0-9]`)
	parts   = regexp.MustCompile(`[0-9]+|[^0-9]+`)
)

// Order sorts interfaces as os-net-config numbers them: those on the board first,
// each kind by name, with numbers as numbers: ens3 before ens10.
func Order(nics []NIC) {
	slices.SortFunc(nics, func(a, b NIC) int {
		if x, y := onBoard.MatchString(a.Name), onBoard.MatchString(b.Name); x != y {
			if x {
				return -1
			}
			return 1
		}
		return natural(a.Name, b.Name)
	})
}

func natural(a, b string) int {
	x, y := parts.FindAllString(a, -1), parts.FindAllString(b, -1)
	for i := range min(len(x), len(y)) {
		m, err1 := strconv.Atoi(x[i])
		n, err2 := strconv.Atoi(y[i])
		c := cmp.Compare(x[i], y[i])
		if err1 == nil && err2 == nil {
			c = cmp.Compare(m, n)
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(x), len(y))
}
