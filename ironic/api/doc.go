// Package api is Ironic's bare-metal API v1 over HTTP: microversions, JSON
// patch, the nested error body, paging and masking as Ironic's clients expect
// them.
//
// One table (fields.go) names every field of every resource with the
// microversion that brought it; it serves output, `fields=`, sorting, refusal
// of input and the patch whitelist. Verbs and filters have their tables in
// verbs.go. Everything that is more than reading or writing a row is asked of
// the Conductor.
package api
