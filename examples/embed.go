// Package examples holds the files that a user copies and edits: a lab, its
// undercloud.conf and a node file in the article's form.
package examples

import "embed"

// FS holds the example files by name, for example "lab.yaml".
//
//go:embed lab.yaml cloud.yaml undercloud.conf inspection.json
var FS embed.FS
