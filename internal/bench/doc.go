// Package bench measures what Trefoil costs, beside a peer where this machine
// has one: sessions of the virtual BMC, nodes through the API, plans, template
// trees and whole plans of them, a ramdisk's boot, image writing. `make bench`
// prints it as one table. Nothing here passes or fails by a time; a measurement
// that cannot be made fails.
//
// Whoever adds a row: measure ours and the peer's in turns (see rounds), on the
// same target, and say in the note what is not the same.
package bench
