package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

// Files of a data directory by which commands find the server.
const (
	RuntimeFile = "runtime.json"
	TokenFile   = "admin-token"
)

// Runtime says where a server that uses a data directory listens.
type Runtime struct {
	Proxy   string `json:"proxy"`   // URL of the data plane
	Console string `json:"console"` // URL of the admin API
	PID     int    `json:"pid"`     // of the process

	// Of a sandbox only: the demo key, and where the simulated provider itself is.
	Key          string `json:"key,omitempty"`
	Simulator    string `json:"simulator,omitempty"`
	SimulatorKey string `json:"simulator_key,omitempty"`
}

// WriteRuntime writes the file, readable by its owner alone.
func WriteRuntime(dir string, r Runtime) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", RuntimeFile, err)
	}
	return writePrivate(filepath.Join(dir, RuntimeFile), append(b, '\n'))
}

// ReadRuntime reads the file; fs.ErrNotExist if there is none.
func ReadRuntime(dir string) (Runtime, error) {
	var r Runtime
	name := filepath.Join(dir, RuntimeFile)
	b, err := os.ReadFile(name)
	if err != nil {
		return r, fmt.Errorf("find the server: %w", err)
	}
	if err := json.Unmarshal(b, &r); err != nil || r.Console == "" {
		return r, fmt.Errorf("%s is damaged; restart the server, which writes it again", name)
	}
	return r, nil
}

// RemoveRuntime removes the file of the process that stops, unless another one
// has replaced it since.
func RemoveRuntime(dir string, pid int) error {
	r, err := ReadRuntime(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && r.PID != pid {
		return nil
	}
	if err := os.Remove(filepath.Join(dir, RuntimeFile)); err != nil {
		return fmt.Errorf("remove the runtime file: %w", err)
	}
	return nil
}

// ReadToken reads the access token of a data directory.
func ReadToken(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, TokenFile))
	if err != nil {
		return "", fmt.Errorf("read the access token: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// EnsureToken makes sure that the data directory holds an access token for
// everything in the organisation, and reports whether it had to make one. A
// token that was revoked stays revoked and its file stays as it is; a file
// whose token the database does not have belongs to another database and is
// replaced.
func EnsureToken(ctx context.Context, store TokenStore, dir, org string, mint func() (secret string, hash [32]byte, prefix, last4 string, err error), now time.Time) (bool, error) {
	have, err := ReadToken(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if have != "" {
		_, err := store.TokenByHash(ctx, sha256.Sum256([]byte(have)))
		if err == nil {
			return false, nil
		}
		if !errors.Is(err, metering.ErrNotFound) {
			return false, fmt.Errorf("look up the first access token: %w", err)
		}
	}
	secret, hash, prefix, last4, err := mint()
	if err != nil {
		return false, fmt.Errorf("mint the first access token: %w", err)
	}
	// The file comes first: if the process dies between the two, the next start
	// finds a token that nobody knows and replaces it.
	if err := writePrivate(filepath.Join(dir, TokenFile), []byte(secret+"\n")); err != nil {
		return false, err
	}
	_, err = store.CreateToken(ctx, metering.AccessToken{
		Org: org, Name: "first access token", Hash: hash, Prefix: prefix, Last4: last4,
		Scopes: []string{allScopes}, Created: metering.MicrosOf(now),
	})
	if err != nil {
		return false, fmt.Errorf("create the first access token: %w", err)
	}
	return true, nil
}

// writePrivate replaces a file in one step, readable by its owner alone.
func writePrivate(name string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*") // 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(f.Name()))
		}
	}()
	if _, err := f.Write(content); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
