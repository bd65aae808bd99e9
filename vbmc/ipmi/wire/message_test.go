package wire

import (
	"errors"
	"testing"
)

// TestDirection: a request is not read as a response, nor a response as a request.
func TestDirection(t *testing.T) {
	m := Message{To: 0x20, From: 0x81, NetFn: Transport, Seq: 3, Cmd: 2, Data: []byte{1}}
	request, response := m.AppendRequest(nil), m.AppendResponse(nil, 0xc1, nil)
	if _, err := ParseMessage(request); err != nil {
		t.Error(err)
	}
	if _, cc, err := ParseResponse(response); err != nil || cc != 0xc1 {
		t.Errorf("code %#x, %v", cc, err)
	}
	if _, err := ParseMessage(response); !errors.Is(err, ErrDirection) {
		t.Errorf("a response as a request: %v", err)
	}
	if _, _, err := ParseResponse(request); !errors.Is(err, ErrDirection) {
		t.Errorf("a request as a response: %v", err)
	}
}
