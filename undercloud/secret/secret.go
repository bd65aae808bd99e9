// Package secret makes, keeps and uses the undercloud's secrets: one key file
// from which every other key is derived, files, random passwords.
package secret

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// KeySize is the length of a Key in bytes.
const KeySize = 32

// Key is a secret that everything else is derived from. It prints as a mask.
type Key [KeySize]byte

// String never shows the key.
func (Key) String() string { return "******" }

// GoString never shows the key.
func (Key) GoString() string { return "******" }

// LoadKey reads the key file at path, or makes it (0600) when there is none.
// A file of another length is refused: a new key would end every token and session.
func LoadKey(path string) (Key, error) {
	var k Key
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		if _, err := rand.Read(k[:]); err != nil {
			return k, fmt.Errorf("make key %s: %w", path, err)
		}
		return k, WriteFile(path, k[:], 0o600)
	}
	if err != nil {
		return k, fmt.Errorf("read key: %w", err)
	}
	if len(data) != KeySize {
		return k, fmt.Errorf("key file %s holds %d bytes, expected %d; restore it from a backup", path, len(data), KeySize)
	}
	copy(k[:], data)
	return k, nil
}

// Derive returns a key for one purpose. Different purposes give unrelated keys.
func (k Key) Derive(purpose string) Key {
	m := hmac.New(sha256.New, k[:])
	m.Write([]byte("trefoil/" + purpose))
	var out Key
	copy(out[:], m.Sum(nil))
	return out
}

// MAC authenticates data under the key (HMAC-SHA-256).
func (k Key) MAC(data []byte) []byte {
	m := hmac.New(sha256.New, k[:])
	m.Write(data)
	return m.Sum(nil)
}

// Password returns n random letters and digits read from r (crypto/rand.Reader).
func Password(r io.Reader, n int) (string, error) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	const fair = 256 - 256%len(alphabet) // larger bytes would favour the first letters
	out := make([]byte, 0, n)
	buf := make([]byte, 1)
	for len(out) < n {
		if _, err := io.ReadFull(r, buf); err != nil {
			return "", fmt.Errorf("read randomness: %w", err)
		}
		if int(buf[0]) < fair {
			out = append(out, alphabet[int(buf[0])%len(alphabet)])
		}
	}
	return string(out), nil
}

// WriteFile replaces the file at path in one step: a crash leaves the old or
// the new content, never a part. The mode is set before the first byte.
func WriteFile(path string, data []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name()) // fails after the rename, as it should
	if err := errors.Join(f.Chmod(mode), writeSync(f, data), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer dir.Close()
	return dir.Sync()
}

func writeSync(f *os.File, data []byte) error {
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}
