package main

import (
	"context"
	"encoding/json"
	"io"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

// health looks at services; that one is ill is an answer, not a failure.
func health(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	var checks []resource.Check
	if err := json.NewDecoder(stdin).Decode(&checks); err != nil {
		return errs.New(errs.Invalid, "read checks: %v", err)
	}
	found, err := engine(nil).Health(ctx, checks)
	enc := json.NewEncoder(stdout)
	for _, h := range found {
		if err := enc.Encode(h); err != nil {
			return err
		}
	}
	return err
}
