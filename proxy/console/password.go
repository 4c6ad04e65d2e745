package console

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/weirhq/weir/metering"
)

// Parameters of new hashes: the second choice of RFC 9106, section 4, for where
// 2 GiB are too much.
const (
	argonTime    = 3
	argonMemory  = 64 << 10 // KiB
	argonThreads = 4
	argonKey     = 32
	argonSalt    = 16
)

// Bounds of what is accepted of a stored hash, so that none takes the memory of
// the process.
const (
	maxArgonTime   = 10
	maxArgonMemory = 256 << 10 // KiB
)

// Bounds of a password, in bytes. NIST SP 800-63B-4 wants 15 characters at
// least where there is nothing but a password.
const (
	minPassword = 15
	maxPassword = 1024
)

// HashPassword makes the PHC string that [CheckPassword] reads. A password
// that is too short or too long is metering.ErrInvalid.
func HashPassword(password string) (string, error) {
	if len(password) < minPassword || len(password) > maxPassword {
		return "", fmt.Errorf("a password has %d to %d characters: %w", minPassword, maxPassword, metering.ErrInvalid)
	}
	salt := make([]byte, argonSalt)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("salt of a password: %w", err)
	}
	key := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonKey)
	return phc{argonTime, argonMemory, argonThreads, salt, key}.String(), nil
}

// CheckPassword reports whether the password is the one that was hashed. Its
// time depends on the parameters of the hash and not on what differs. An error
// is a hash that is none.
func CheckPassword(hash, password string) (bool, error) {
	h, err := parsePHC(hash)
	if err != nil {
		return false, err
	}
	if len(password) > maxPassword {
		password = "" // too long to be anybody's; the work is done all the same
	}
	key := argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.threads, uint32(len(h.key))) //nolint:gosec // at most 64
	return subtle.ConstantTimeCompare(key, h.key) == 1, nil
}

// phc is a hash of a password with what it was made by.
type phc struct {
	time, memory uint32
	threads      uint8
	salt, key    []byte
}

// String is the hash as github.com/P-H-C/phc-string-format has it.
func (h phc) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.time, h.threads, b64.EncodeToString(h.salt), b64.EncodeToString(h.key))
}

func parsePHC(s string) (phc, error) {
	var h phc
	var version int
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return h, errors.New("the hash of a password is not one of argon2id")
	}
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return h, fmt.Errorf("the hash of a password is of argon2 version %.10q", parts[2])
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.threads); err != nil {
		return h, fmt.Errorf("parameters of the hash of a password: %w", err)
	}
	var err error
	if h.salt, err = base64.RawStdEncoding.Strict().DecodeString(parts[4]); err != nil {
		return h, fmt.Errorf("salt of the hash of a password: %w", err)
	}
	if h.key, err = base64.RawStdEncoding.Strict().DecodeString(parts[5]); err != nil {
		return h, fmt.Errorf("hash of a password: %w", err)
	}
	if h.time < 1 || h.time > maxArgonTime || h.memory < 8 || h.memory > maxArgonMemory || h.threads < 1 || len(h.salt) < 8 || len(h.key) < 16 || len(h.key) > 64 {
		return h, errors.New("the hash of a password has parameters out of range")
	}
	return h, nil
}

// decoy is a hash that no password has and that takes as long to check as one:
// an address that nobody has is refused as slowly as a wrong password.
func decoy() (string, error) {
	random := make([]byte, argonSalt+argonKey)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("random numbers: %w", err)
	}
	return phc{argonTime, argonMemory, argonThreads, random[:argonSalt], random[argonSalt:]}.String(), nil
}

// maxChecks bounds how many passwords are checked at once: each takes 64 MiB.
const maxChecks = 2

// checks lets so many passwords be checked at once.
type checks chan struct{}

func (c checks) enter(ctx context.Context) error {
	select {
	case c <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait to check a password: %w", ctx.Err())
	}
}

func (c checks) leave() { <-c }
