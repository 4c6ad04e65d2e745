package sqlstore

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/weirhq/weir/deploy/schema"
	"github.com/weirhq/weir/metering"
)

// uid is an id as an argument: a uuid in PostgreSQL, sixteen bytes in SQLite.
func (s *Store) uid(id metering.ID) any {
	if s.db.Engine == schema.Postgres {
		return [16]byte(id)
	}
	return id[:]
}

// uidScan reads an id as either engine returns it.
type uidScan struct{ id metering.ID }

// Scan implements sql.Scanner.
func (u *uidScan) Scan(from any) error {
	switch v := from.(type) {
	case []byte:
		if len(v) != len(u.id) {
			return fmt.Errorf("an id of %d bytes: %w", len(v), metering.ErrInvalid)
		}
		copy(u.id[:], v)
	case string:
		id, err := metering.ParseID(v)
		if err != nil {
			return err
		}
		u.id = id
	default:
		return fmt.Errorf("an id of type %T: %w", from, metering.ErrInvalid)
	}
	return nil
}

// refOf is how a foreign id is found: 64 bits of its hash, which is an eighth of
// the id and its index, NULL where there is none. What is found is compared.
func refOf(foreign string) any {
	if foreign == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(foreign))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

// sessionRef is by what the turns of a WebSocket are found. They have no id of
// the client, so it stands in that one's place; no id has its first byte.
func sessionRef(session metering.ID) string {
	if session.IsZero() {
		return ""
	}
	return "\x00" + session.String()
}
