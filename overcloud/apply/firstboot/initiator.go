package firstboot

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"strings"
)

// InitiatorPath holds the name by which a machine asks iSCSI targets for volumes; it is there
// where Debian's open-iscsi is. Two machines of one name take each other's volumes.
const InitiatorPath = "etc/iscsi/initiatorname.iscsi"

// NoInitiator asks for a name of its own at the first boot. Debian's iscsid does that by itself
// when it starts (its startup-checks.sh), but who asks for a volume reads the file before.
const NoInitiator = "GenerateName=yes\n"

// initiatorPrefix is what Debian's names begin with.
const initiatorPrefix = "iqn.1993-08.org.debian:01:"

// initiator gives a machine of an image an iSCSI name, unless it has one.
func (r runner) initiator() error {
	data, err := os.ReadFile(r.path(InitiatorPath))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the image has no iSCSI
	}
	if err != nil {
		return err
	}
	for l := range strings.Lines(string(data)) {
		if strings.HasPrefix(l, "InitiatorName=") {
			return nil
		}
	}
	own := make([]byte, 6) // as many as iscsi-iname takes
	rand.Read(own)
	name := initiatorPrefix + hex.EncodeToString(own)
	r.say("iSCSI initiator %s", name)
	return r.write(InitiatorPath, "InitiatorName="+name+"\n", 0o600)
}
