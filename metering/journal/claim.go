package journal

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/weirhq/weir/metering"
)

// maxNonces bounds the history. The oldest one kept is the last that the
// registry is known to have granted, so that any number of failed attempts
// after it cannot make the directory look like an outdated copy.
const maxNonces = 1024

// lock takes the directory for this process until the file is closed.
func lock(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock journal: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, readErr := os.ReadFile(path)
		err = errors.Join(err, readErr, f.Close())
		return nil, fmt.Errorf("%w: %s is held by %s: %w", ErrLocked, dir, strings.TrimSpace(string(holder)), err)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(holder(dir)+"\n"), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock journal: %w", err), f.Close())
	}
	return f, nil
}

// holder names this process for people.
func holder(dir string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("pid %d on %s, %s", os.Getpid(), host, dir)
}

// identity reads the id of the journal, and mints it if the directory is new.
func identity(fsys files, dir string, fresh bool) (metering.ID, error) {
	path := filepath.Join(dir, "id")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if !fresh {
			return metering.ID{}, &CorruptError{File: path, What: "the identity is missing although there are segments", Remedy: remedyRestore}
		}
		var id metering.ID
		if _, err := rand.Read(id[:]); err != nil {
			return metering.ID{}, fmt.Errorf("mint journal identity: %w", err)
		}
		return id, replaceFile(fsys, path, []byte(hex.EncodeToString(id[:])+"\n"))
	}
	if err != nil {
		return metering.ID{}, fmt.Errorf("read journal identity: %w", err)
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(raw) != len(metering.ID{}) {
		return metering.ID{}, &CorruptError{File: path, What: "the identity is not 32 hexadecimal digits", Remedy: remedyRestore}
	}
	return metering.ID(raw), nil
}

// Claim mints a nonce, makes it durable in the directory and returns the claim
// to present to the registry. A claim whose answer was lost is presented again
// as it is: Known includes its own nonce.
func (j *Journal) Claim() (metering.JournalClaim, error) {
	j.claiming.Lock()
	defer j.claiming.Unlock()
	known, err := readNonces(j.dir)
	if err != nil {
		return metering.JournalClaim{}, err
	}
	nonce := rand.Text()
	known = append(known, nonce)
	if len(known) > maxNonces {
		known = slices.Delete(known, 1, 1+len(known)-maxNonces)
	}
	if err := j.writeNonces(known); err != nil {
		return metering.JournalClaim{}, err
	}
	return metering.JournalClaim{Journal: j.ID(), Nonce: nonce, Known: known, Host: holder(j.dir)}, nil
}

// Claimed records that the registry has granted the claim with that nonce, so
// that older ones need not be presented any more.
func (j *Journal) Claimed(nonce string) error {
	j.claiming.Lock()
	defer j.claiming.Unlock()
	known, err := readNonces(j.dir)
	if err != nil {
		return err
	}
	i := slices.Index(known, nonce)
	if i < 0 {
		return fmt.Errorf("nonce of a claim this journal did not make: %w", metering.ErrInvalid)
	}
	return j.writeNonces(known[i:])
}

func readNonces(dir string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "nonces"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read claims of the journal: %w", err)
	}
	return strings.Fields(string(text)), nil
}

func (j *Journal) writeNonces(known []string) error {
	return replaceFile(j.fs, filepath.Join(j.dir, "nonces"), []byte(strings.Join(known, "\n")+"\n"))
}
