package upload

import "strings"

// table draws one row under its header, every cell centred: the form that the
// original prints after each upload. (Its other tables are left-aligned.)
func table(header, row []string) string {
	rule, head, body := "+", "|", "|"
	for i, h := range header {
		width := max(len(h), len(row[i]))
		rule += strings.Repeat("-", width+2) + "+"
		head += " " + centre(h, width) + " |"
		body += " " + centre(row[i], width) + " |"
	}
	return rule + "\n" + head + "\n" + rule + "\n" + body + "\n" + rule + "\n"
}

// centre pads on both sides; an odd space goes to the right of a text of odd
// length and to the left of one of even length, as Python's PrettyTable does.
func centre(text string, width int) string {
	space := width - len(text)
	left := space / 2
	if space%2 == 1 && len(text)%2 == 0 {
		left++
	}
	return strings.Repeat(" ", left) + text + strings.Repeat(" ", space-left)
}
