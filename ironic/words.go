package ironic

import "strings"

// maxWords is how many bytes of a failure's words are kept: machines and ramdisks say as much as they like.
const maxWords = 4096

// Shortened is the beginning of words that are to be kept as a last_error or a line of history, with … behind it
// where something is left out.
func Shortened(words string) string {
	if len(words) <= maxWords {
		return words
	}
	return strings.ToValidUTF8(words[:maxWords], "") + "…"
}
