package hints

import (
	"fmt"
	"strconv"
	"strings"
)

// Match tells whether a value meets an expression. Text is compared without
// regard to case. numeric makes an expression without operator a number.
func Match(have, expr string, numeric bool) (bool, error) {
	have = strings.ToLower(strings.TrimSpace(have))
	words := strings.Fields(strings.ToLower(expr))
	if len(words) == 0 {
		return false, fmt.Errorf("it is empty")
	}
	switch op := words[0]; op {
	case "<in>":
		if len(words) < 2 {
			return false, fmt.Errorf("%s needs a value", op)
		}
		return strings.Contains(have, strings.Join(words[1:], " ")), nil
	case "<all-in>":
		for _, w := range words[1:] {
			if !strings.Contains(have, w) {
				return false, nil
			}
		}
		return len(words) > 1, nil
	case "<or>":
		return matchOr(have, strings.ToLower(expr), numeric)
	case "s==", "s!=", "s<", "s<=", "s>", "s>=":
		return order(strings.Compare(have, strings.Join(words[1:], " ")), op[1:])
	case "=", "==", "!=", ">=", "<=", ">", "<":
		return compareNumbers(have, strings.Join(words[1:], " "), op)
	}
	if numeric {
		return compareNumbers(have, strings.Join(words, " "), "==")
	}
	return have == strings.ToLower(strings.TrimSpace(expr)), nil
}

// matchOr is "<or> a <or> b c".
func matchOr(have, expr string, numeric bool) (bool, error) {
	for alt := range strings.SplitSeq(expr, "<or>") {
		alt = strings.TrimSpace(alt)
		if alt == "" {
			continue
		}
		if numeric {
			if ok, err := compareNumbers(have, alt, "=="); err != nil || ok {
				return ok, err
			}
		} else if have == alt {
			return true, nil
		}
	}
	return false, nil
}

func compareNumbers(have, want, op string) (bool, error) {
	w, err := strconv.ParseFloat(want, 64)
	if err != nil {
		return false, fmt.Errorf("%q is not a number", want)
	}
	h, err := strconv.ParseFloat(have, 64)
	if err != nil {
		return false, nil // the disk has no such value: no match
	}
	cmp := 0
	switch {
	case h < w:
		cmp = -1
	case h > w:
		cmp = 1
	}
	if op == "=" { // Ironic's "=" means "at least"
		op = ">="
	}
	return order(cmp, op)
}

func order(cmp int, op string) (bool, error) {
	switch op {
	case "==":
		return cmp == 0, nil
	case "!=":
		return cmp != 0, nil
	case "<":
		return cmp < 0, nil
	case "<=":
		return cmp <= 0, nil
	case ">":
		return cmp > 0, nil
	case ">=":
		return cmp >= 0, nil
	}
	return false, fmt.Errorf("unknown operator %q", op)
}
