package wire

// NetFn is the network function: even in a request; its response has it plus one (5.1).
type NetFn byte

func (f NetFn) isResponse() bool { return f&1 != 0 }

// Network functions of requests (5.1).
const (
	Chassis   NetFn = 0x00
	Sensor    NetFn = 0x04
	App       NetFn = 0x06
	Storage   NetFn = 0x0a
	Transport NetFn = 0x0c
	Group     NetFn = 0x2c
)

// Message is an IPMI message as it stands inside a LAN packet (13.8).
type Message struct {
	To, From byte // responder and requester address
	NetFn    NetFn
	LUN      byte // of the responder
	Seq      byte // requester's sequence, 6 bits
	FromLUN  byte
	Cmd      byte
	Data     []byte
}

// ParseMessage reads a request and checks both checksums. A response is ErrDirection: a
// BMC that answered one could be made, by one forged packet, to answer another BMC for ever.
func ParseMessage(b []byte) (Message, error) {
	m, err := parseAny(b)
	if err == nil && m.NetFn.isResponse() {
		err = ErrDirection
	}
	return m, err
}

// parseAny reads a request or a response.
func parseAny(b []byte) (Message, error) {
	if len(b) < 7 {
		return Message{}, ErrShort
	}
	if sum(b[:3]) != 0 || sum(b[3:]) != 0 {
		return Message{}, ErrChecksum
	}
	return Message{
		To: b[0], NetFn: NetFn(b[1] >> 2), LUN: b[1] & 3,
		From: b[3], Seq: b[4] >> 2, FromLUN: b[4] & 3,
		Cmd: b[5], Data: b[6 : len(b)-1],
	}, nil
}

// AppendResponse writes the answer to m with a completion code.
func (m Message) AppendResponse(b []byte, cc byte, data []byte) []byte {
	if b == nil {
		b = make([]byte, 0, len(data)+8)
	}
	start := len(b)
	b = append(b, m.From, byte(m.NetFn+1)<<2|m.FromLUN)
	b = append(b, checksum(b[start:]))
	mid := len(b)
	b = append(b, m.To, m.Seq<<2|m.LUN, m.Cmd, cc)
	b = append(b, data...)
	return append(b, checksum(b[mid:]))
}

// AppendRequest writes m as a request; clients and tests use it.
func (m Message) AppendRequest(b []byte) []byte {
	start := len(b)
	b = append(b, m.To, byte(m.NetFn)<<2|m.LUN)
	b = append(b, checksum(b[start:]))
	mid := len(b)
	b = append(b, m.From, m.Seq<<2|m.FromLUN, m.Cmd)
	b = append(b, m.Data...)
	return append(b, checksum(b[mid:]))
}

// ParseResponse reads an answer: the message (Data without the completion code)
// and the completion code. A request is ErrDirection. Clients and tests use it.
func ParseResponse(b []byte) (Message, byte, error) {
	m, err := parseAny(b)
	switch {
	case err != nil:
		return m, 0, err
	case !m.NetFn.isResponse():
		return m, 0, ErrDirection
	case len(m.Data) == 0:
		return m, 0, ErrShort
	}
	cc := m.Data[0]
	m.Data = m.Data[1:]
	return m, cc, nil
}

func sum(b []byte) byte {
	var s byte
	for _, x := range b {
		s += x
	}
	return s
}

// checksum is the two's complement of the sum (13.8).
func checksum(b []byte) byte { return -sum(b) }
