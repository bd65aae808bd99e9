// Package libvirt is the one door to libvirtd: github.com/digitalocean/go-libvirt
// behind a watchdog.
//
// That library's calls take no context and wait for ever for a reply that never
// comes, and it offers no keepalive. Conn gives every call a deadline; a call that
// misses it costs the connection, which is closed (so that the stuck goroutine
// ends) and dialled again by the next call.
//
// Dial makes a connection for commands. Open makes a watched one: it reconnects
// by itself with a growing pause, listens to lifecycle events and keeps the state
// of every domain in memory, so that State needs no round trip.
//
// Errors carry libvirt's own words; IsNoDomain, IsInvalidOperation and
// IsUnavailable answer what callers branch on.
package libvirt
