package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// ObjectOwner returns the customer of the first event of a provider whose usage
// belongs to the object of that id. Ids of events are in the order in which they
// were made, so nobody becomes the owner of what somebody else has made before.
func (s *Store) ObjectOwner(ctx context.Context, org, provider, object string) (string, error) {
	if !sqldb.Clean(object) || object == "" {
		return "", fmt.Errorf("owner of an object: %w", metering.ErrNotFound)
	}
	q := s.read()
	var first *metering.Event
	// Retrievals of an object are events too. Two make room for a collision, which
	// 2^32 ids would take.
	err := q.Each(ctx, func(r *sql.Rows) error {
		e, err := s.scanEvent(r)
		if err == nil && first == nil && e.Usage.ObjectID == object && e.Provider == provider {
			first = e
		}
		return err
	}, eventSelect+" WHERE org_id = $1 AND object_ref = $2 AND provider = $3 ORDER BY id LIMIT 2", org, refOf(object), sqldb.Label(provider))
	switch {
	case err != nil:
		return "", fmt.Errorf("owner of an object: %w", err)
	case first == nil:
		return "", fmt.Errorf("owner of an object: %w", metering.ErrNotFound)
	}
	return first.Customer, nil
}
