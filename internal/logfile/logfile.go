// Package logfile reads logs of any length without holding more than their end.
package logfile

import (
	"bytes"
	"io"
	"os"
)

// End is at most the last limit bytes of a file, from the beginning of a line on: half
// a line could hold half a secret, which nobody would know for one. A file that grows
// meanwhile is read up to where it ended at first. The errors are those of the file.
func End(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, st.Size()-limit)
	data, err := io.ReadAll(io.NewSectionReader(f, from, limit))
	if from == 0 {
		return data, err
	}
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return data[i+1:], err
	}
	return nil, err // one line without an end
}
