// Package roles holds one role a file, in TripleO's shape. "overcloud roles
// generate" puts them together into a roles_data.yaml.
package roles

import "embed"

// FS holds Controller.yaml, Compute.yaml, CephStorage.yaml …
//
//go:embed *.yaml
var FS embed.FS
