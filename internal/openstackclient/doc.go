// Package openstackclient runs Debian's own openstack client in tests without
// paying for its start each time.
//
// A command of the client spends almost all of its two seconds on importing
// modules and reading the metadata of installed packages. Here one Python process
// does that once; each command is /usr/bin/openstack itself, run in a fork of that
// process with its arguments, environment, directory and outputs. Nothing of the
// client is replaced: what it prints and its exit code are those of the program,
// which a test of this package holds.
package openstackclient
