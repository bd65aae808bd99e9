package ironic

// VendorMethod is a method that a machine's vendor interface has beside what all
// machines can, as the API lists it. All of them are asynchronous in Ironic's sense and
// want the node's lock.
type VendorMethod struct {
	Verbs       []string // HTTP methods that it is called by
	Description string   // what it does and takes, a sentence or two
}
