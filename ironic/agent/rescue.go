package agent

import (
	"os"
	"path/filepath"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic/sha512crypt"
)

// rescueFile is where the ramdisk's own programs look for the hash of the rescue
// password, as in ironic-python-agent.
const rescueFile = "/etc/ipa-rescue-config/ipa-rescue-password"

// finalizeRescue writes the hash of the rescue password for whatever lets people
// log in to this ramdisk, and ends the agent's own service a moment later: the
// machine then belongs to the person who rescues it.
func (a *Agent) finalizeRescue(p params) (params, error) {
	hash, _ := p["rescue_password"].(string)
	if hash == "" {
		return nil, errs.New(errs.Invalid, "finalize_rescue needs rescue_password")
	}
	if hashed, _ := p["hashed"].(bool); !hashed {
		hash = sha512crypt.Hash(hash)
	}
	if err := replaceFile(filepath.Join(a.cfg.Root, rescueFile), hash); err != nil {
		return nil, errs.Wrap(errs.Internal, err, "keep the rescue password")
	}
	time.AfterFunc(a.cfg.EndAfter, func() { nudge(a.over) })
	return nil, nil
}

// replaceFile writes a file that only root may read, whole or not at all.
func replaceFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
