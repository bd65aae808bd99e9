package format

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Narrow breaks cells into lines so that a table is as wide as width, in characters,
// where that can be: the columns that are wider than their even share are cut to what
// the others leave, none below narrowest (cliff 4's --max-width).
func Narrow(columns []string, rows [][]any, width, narrowest int) [][]any {
	cells := make([]int, len(columns))
	for i, c := range columns {
		cells[i] = utf8.RuneCountInString(c)
		for _, row := range rows {
			for line := range strings.SplitSeq(Text(row[i]), "\n") {
				cells[i] = max(cells[i], utf8.RuneCountInString(line))
			}
		}
	}
	limits := limitWidths(cells, width, narrowest)
	out := make([][]any, len(rows))
	for r, row := range rows {
		out[r] = slices.Clone(row)
		for i, limit := range limits {
			if text := Text(row[i]); limit > 0 {
				limit = max(limit, utf8.RuneCountInString(columns[i])) // a title is never cut
				if broken := wrap(text, limit); broken != text {
					out[r][i] = pad(broken, limit)
				}
			}
		}
	}
	return out
}

// pad makes the first line as wide as the column: it is so in cliff, however short the
// lines become.
func pad(broken string, width int) string {
	first, rest, _ := strings.Cut(broken, "\n")
	return first + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(first))) + "\n" + rest
}

// limitWidths gives the columns that must shrink a width, the others 0.
func limitWidths(cells []int, width, narrowest int) []int {
	frame := 1 + 3*len(cells)
	total := frame
	for _, n := range cells {
		total += n
	}
	limits := make([]int, len(cells))
	if total <= width {
		return limits
	}
	left := max(0, width-frame)
	share := left / len(cells)
	var wide []int
	for i, n := range cells {
		if n > share {
			wide = append(wide, i)
		} else {
			left -= n
		}
	}
	each := left / len(wide)
	for _, i := range wide {
		limits[i] = max(narrowest, each)
	}
	last := wide[len(wide)-1]
	limits[last] = max(narrowest, left-each*(len(wide)-1)) // and what does not divide
	return limits
}

// wrap breaks every line that is longer than width, as Python's textwrap.fill does:
// between words, behind hyphens in words, and inside what is too long for any line.
func wrap(text string, width int) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if utf8.RuneCountInString(l) > width {
			lines[i] = fill(chunks(l), width)
		}
	}
	return strings.Join(lines, "\n")
}

// fill puts pieces of text into lines of a width.
func fill(pieces [][]rune, width int) string {
	var lines []string
	for len(pieces) > 0 {
		var line []rune
		if blank(pieces[0]) && len(lines) > 0 {
			pieces = pieces[1:]
		}
		last := -1 // where the latest piece begins
		for len(pieces) > 0 && len(line)+len(pieces[0]) <= width {
			last = len(line)
			line = append(line, pieces[0]...)
			pieces = pieces[1:]
		}
		if len(pieces) > 0 && len(pieces[0]) > width {
			at := breakAt(pieces[0], width-len(line))
			last = len(line)
			line = append(line, pieces[0][:at]...)
			pieces[0] = pieces[0][at:]
		}
		if last >= 0 && blank(line[last:]) {
			line = line[:last]
		}
		if len(line) > 0 {
			lines = append(lines, string(line))
		}
	}
	return strings.Join(lines, "\n")
}

// breakAt is where a word that is longer than room is broken: behind its last hyphen
// that fits, unless there are only hyphens before it.
func breakAt(word []rune, room int) int {
	for at := room - 1; at > 0; at-- {
		if word[at] == '-' {
			if strings.Trim(string(word[:at]), "-") != "" {
				return at + 1
			}
			break
		}
	}
	return room
}

func blank(piece []rune) bool { return strings.TrimSpace(string(piece)) == "" }

// chunks are the pieces between which a line may be broken: words, the blanks between
// them, the parts of words with hyphens between letters, and dashes between words.
func chunks(line string) [][]rune {
	text := []rune(strings.ReplaceAll(line, "\t", " "))
	var out [][]rune
	begin := 0
	cut := func(end int) {
		if end > begin {
			out = append(out, text[begin:end])
			begin = end
		}
	}
	for i := 1; i < len(text); i++ {
		if end := dash(text, i); end > 0 {
			cut(i)
			cut(end)
			continue
		}
		if unicode.IsSpace(text[i]) != unicode.IsSpace(text[i-1]) || text[i-1] == '-' && hyphenated(text, i) {
			cut(i)
		}
	}
	cut(len(text))
	return out
}

// hyphenated tells whether the hyphen before i joins two words of letters: two letters
// before it, or a letter in a chain of hyphens, and two behind.
func hyphenated(text []rune, i int) bool {
	letter := func(at int) bool {
		return at >= 0 && at < len(text) && (unicode.IsLetter(text[at]) || text[at] == '_')
	}
	hyphen := func(at int) bool { return at >= 0 && at < len(text) && text[at] == '-' }
	before := letter(i-2) && letter(i-3) || letter(i-2) && hyphen(i-3) && letter(i-4)
	behind := letter(i) && (letter(i+1) || hyphen(i+1) && letter(i+2))
	return before && behind
}

// dash is where a dash of two hyphens or more that begins at i between words ends; 0: there
// is none.
func dash(text []rune, i int) (end int) {
	word := func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }
	if text[i] != '-' || !word(text[i-1]) && !strings.ContainsRune(`!"'&.,?`, text[i-1]) {
		return 0
	}
	end = i
	for end < len(text) && text[end] == '-' {
		end++
	}
	if end < i+2 || end == len(text) || !word(text[end]) {
		return 0
	}
	return end
}
