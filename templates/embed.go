// Package templates is the default template tree, in TripleO's shape. Users
// copy it, change it and give it to deploy with --templates.
package templates

import "embed"

// FS holds the tree; overcloud.j2.yaml stands at its root.
//
//go:embed *.yaml common puppet network environments deployment
var FS embed.FS
