// Package api is Ironic's bare-metal API v1 over HTTP: microversions, JSON
// patch, the nested error body, paging and masking as Ironic's clients expect
// them.
//
// One table (fields.go) names every field of every resource with the
// microversion that brought it; it serves output, `fields=`, sorting, refusal
// of input and the patch whitelist. The fields of each resource and its filters
// stand in a table of that form beside it (nodefields.go, filters.go, portfields.go,
// portgroups.go, chassis.go, volumefields.go, deploytemplates.go, runbooks.go, inspectionrules.go), the verbs in ironic/fsm. Everything that is more
// than reading or writing a row is asked of the Conductor; what only some
// conductors can (hardware.go, vmedia.go, indicators.go) is a small interface of its own.
//
// Volume connectors and targets are kept for their clients: no hardware here boots
// from one. Events are checked and logged, nobody waits for them.
//
// Who may do what is a matter of ironic/policy; access.go holds requests against it,
// and rules.go has the policy of each route. ironic/audit logs who changed what.
//
// Where it is more lenient than Ironic: keys with ~ and / are patched at every
// version, not from 1.98 on; X-Openstack-Request-Id stands on successes at every
// version, not from 1.107 on.
//
// The OpenAPI document of all this (openapi) is served as /openapi.json; each
// route and field has its entry there, and the tests hold every answer to it.
package api
