// Package frudata builds an inventory area of the "Platform Management FRU
// Information Storage Definition" 1.0.
package frudata

// Info is what an inventory tells.
type Info struct {
	Manufacturer, Product, Part, Version, Serial string
	Custom                                       []string // more fields of the product
}

// Build makes an area of size bytes: common header, chassis, board and product. Not
// more fields are taken than fit.
func Build(i Info, size int) []byte {
	const chassisOther, english = 0x01, 0x19
	chassis := area([]byte{chassisOther}, i.Part, i.Serial)
	board := area([]byte{english, 0, 0, 0}, i.Manufacturer, i.Product, i.Serial, i.Part, "") // date: not given
	product := []string{i.Manufacturer, i.Product, i.Part, i.Version, i.Serial, "", ""}      // no asset tag, no file id
	rest := size - 8 - len(chassis) - len(board)
	for n := len(i.Custom); ; n-- {
		p := area([]byte{english}, append(product, i.Custom[:n]...)...)
		if len(p) > rest && n > 0 {
			continue
		}
		at := byte(1)
		header := []byte{0x01, 0, at, at + byte(len(chassis)/8), at + byte((len(chassis)+len(board))/8), 0, 0}
		out := append(closed(header), chassis...)
		out = append(append(out, board...), p...)
		return append(out, make([]byte, max(0, size-len(out)))...)[:size]
	}
}

// area makes an area: version, length, what is fixed, fields, the end mark, fill and
// checksum.
func area(fixed []byte, fields ...string) []byte {
	const end = 0xc1
	b := append([]byte{0x01, 0}, fixed...)
	for _, f := range fields {
		b = append(b, field(f)...)
	}
	b = append(b, end)
	for len(b)%8 != 7 {
		b = append(b, 0)
	}
	b[1] = byte((len(b) + 1) / 8)
	return closed(b)
}

// field is a type/length byte and 8-bit ASCII. A length of one would read as the end
// mark, so such a text gets a space.
func field(s string) []byte {
	if len(s) == 1 {
		s += " "
	}
	s = s[:min(len(s), 0x3f)]
	b := []byte{0xc0 | byte(len(s))}
	for i := range len(s) {
		c := s[i]
		if c < 0x20 || c > 0x7e {
			c = '?'
		}
		b = append(b, c)
	}
	return b
}

// closed appends the byte that makes the sum zero.
func closed(b []byte) []byte {
	var sum byte
	for _, c := range b {
		sum += c
	}
	return append(b, -sum)
}
