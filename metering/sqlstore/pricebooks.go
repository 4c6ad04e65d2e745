package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
	"github.com/weirhq/weir/metering/sqldb"
)

// KeepPriceBook remembers which layers a book consists of, low to high, so that
// the events it priced can be explained for ever; to say it again changes
// nothing. Layers of the program and of its file are kept with it. Any other has to be
// kept already, ErrInvalid otherwise: nobody made it the content of its layer.
// ErrConflict says that the version is that of other layers.
func (s *Store) KeepPriceBook(ctx context.Context, org, version string, layers []*catalogue.Layer, at metering.Micros) error {
	refs := make([]catalogue.Ref, 0, len(layers))
	for _, l := range layers {
		refs = append(refs, l.Ref())
	}
	what := fmt.Sprintf("keep price book %.40q", version)
	same := func(have catalogue.UsedBook) error {
		if !slices.Equal(have.Layers, refs) {
			return fmt.Errorf("%s: it consists of %v, not of %v: %w", what, have.Layers, refs, metering.ErrConflict)
		}
		return nil
	}
	// Mostly it is there, and then no layer needs to be written out.
	switch have, err := s.UsedBook(ctx, org, version); {
	case err == nil:
		return same(have)
	case !errors.Is(err, metering.ErrNotFound):
		return fmt.Errorf("%s: %w", what, err)
	}
	rows := make([]*layerRow, 0, len(layers))
	for _, l := range layers {
		row, err := newLayerRow(org, l, at, "of the program or its file")
		if err != nil {
			return fmt.Errorf("%s: layer %s: %w", what, l.Ref(), err)
		}
		rows = append(rows, row)
	}
	list, err := json.Marshal(refs)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return s.write(ctx, what, func(tx querier) error {
		n, err := tx.Exec(ctx, `INSERT INTO price_books (org_id, version, layers, first_used) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
			org, version, string(list), int64(at))
		if err != nil {
			return err
		}
		if n == 0 {
			have, err := usedBook(ctx, tx, org, version)
			if err != nil {
				return err
			}
			return same(have)
		}
		for _, row := range rows {
			if err := row.ensure(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// ensure inserts the row unless its version is there. Two replicas may do so at
// once: the one that waited finds the other's.
func (r *layerRow) ensure(ctx context.Context, tx querier) error {
	const tries = 8 // releases that start at the same moment
	for range tries {
		// The head is read before: what another commits after that is either seen by
		// the second query, or has taken the number.
		head, err := layerHead(ctx, tx, r.org, r.kept.Level)
		if err != nil {
			return err
		}
		var there bool
		err = tx.Row(ctx, "SELECT EXISTS (SELECT 1 FROM price_layers WHERE org_id = $1 AND layer = $2 AND version = $3)", r.org, r.kept.Level.String(), r.kept.Version).Scan(&there)
		if err != nil || there {
			return err
		}
		if !shipped(r.kept.Level) {
			return fmt.Errorf("layer %s:%s was never kept: %w", r.kept.Level, r.kept.Version, metering.ErrInvalid)
		}
		if n, err := r.insert(ctx, tx, head.N+1); err != nil || n == 1 {
			return err
		}
	}
	return fmt.Errorf("layer %s: others keep adding to it: %w", r.kept.Level, metering.ErrConflict)
}

const bookSelect = "SELECT version, layers, first_used FROM price_books"

func scanBook(r interface{ Scan(...any) error }) (catalogue.UsedBook, error) {
	var b catalogue.UsedBook
	var layers string
	if err := r.Scan(&b.Version, &layers, &b.FirstUsed); err != nil {
		return b, err
	}
	if err := json.Unmarshal([]byte(layers), &b.Layers); err != nil {
		return b, fmt.Errorf("decode the layers of book %s: %w", b.Version, err)
	}
	return b, nil
}

func usedBook(ctx context.Context, q querier, org, version string) (catalogue.UsedBook, error) {
	if err := sqldb.Storable(org, version); err != nil {
		return catalogue.UsedBook{}, fmt.Errorf("price book: %w", err)
	}
	b, err := scanBook(q.Row(ctx, bookSelect+" WHERE org_id = $1 AND version = $2", org, version))
	return b, sqldb.Absent(err, fmt.Sprintf("price book %.100q", version))
}

// UsedBook tells which layers a book consists of that priced events.
func (s *Store) UsedBook(ctx context.Context, org, version string) (catalogue.UsedBook, error) {
	return usedBook(ctx, s.read(), org, version)
}

// UsedBooks lists the books that priced events, latest first, those that come
// after one of the list; the zero UsedBook is from the latest on.
func (s *Store) UsedBooks(ctx context.Context, org string, after catalogue.UsedBook, limit int) ([]catalogue.UsedBook, error) {
	if err := sqldb.Storable(org, after.Version); err != nil {
		return nil, fmt.Errorf("list price books: %w", err)
	}
	var c condition
	c.And("org_id = ?", org)
	if after.Version != "" {
		c.And("(first_used, version) < (?, ?)", int64(after.FirstUsed), after.Version)
	}
	return sqldb.All(ctx, s.db.Read(), "list price books", func(r *sql.Rows) (catalogue.UsedBook, error) { return scanBook(r) },
		bookSelect+c.Where()+fmt.Sprintf(" ORDER BY first_used DESC, version DESC LIMIT %d", pageSize(limit)), c.Args...)
}

// PriceBook returns the layers of a book that priced events, low to high.
func (s *Store) PriceBook(ctx context.Context, org, version string) ([]*catalogue.Layer, error) {
	var layers []*catalogue.Layer
	err := s.snapshot(ctx, "read a price book", func(q querier) error {
		layers = nil
		b, err := usedBook(ctx, q, org, version)
		if err != nil {
			return err
		}
		for _, ref := range b.Layers {
			layer, err := readLayer(ctx, q, org, ref)
			if errors.Is(err, metering.ErrNotFound) {
				return fmt.Errorf("book %s refers to a layer that is gone: %v", version, err)
			}
			if err != nil {
				return err
			}
			layers = append(layers, layer)
		}
		return nil
	})
	return layers, err
}
