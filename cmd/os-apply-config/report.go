package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"

	"trefoil/internal/errs"
)

// reportLine is how many bytes of a report stand in a line of base64.
const reportLine = 48 << 10

// report writes a tar.gz of this node's logs as lines of base64: what reads them
// takes lines.
func report(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	var secrets []string
	if err := json.NewDecoder(stdin).Decode(&secrets); err != nil {
		return errs.New(errs.Invalid, "read the secrets to mask: expected a JSON list of texts") // the decoder's words could quote one
	}
	w := bufio.NewWriterSize(lines{stdout}, reportLine)
	if err := engine(nil).Report(ctx, secrets, w); err != nil {
		return err
	}
	return w.Flush()
}

// lines writes each piece it gets as a line of base64.
type lines struct{ w io.Writer }

func (l lines) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), reportLine)
		if _, err := io.WriteString(l.w, base64.StdEncoding.EncodeToString(rest[:n])+"\n"); err != nil {
			return len(p) - len(rest), err
		}
		rest = rest[n:]
	}
	return len(p), nil
}
