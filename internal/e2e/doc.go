// Package e2e holds the test of the whole way: from an empty lab to servers of the
// deployed cloud and back, on real virtual machines, with the programs in bin/ as a
// user types them. See cloud_e2e_test.go; `make e2e` runs it.
package e2e
