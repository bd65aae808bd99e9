package guest

import "testing"

// Nova writes 255 bytes of an image's property beside its server, and starts it with those
// the next time.
func TestNovaKeepsWhatTheGuestNeeds(t *testing.T) {
	if len(needed) > 255 {
		t.Errorf("%d bytes of the command line are needed; Nova keeps 255", len(needed))
	}
}
