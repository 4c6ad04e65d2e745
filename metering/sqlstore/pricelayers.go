package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
	"github.com/weirhq/weir/metering/sqldb"
)

// maxNote bounds the note of a layer, in bytes.
const maxNote = 1000

// KeepLayer makes l the content of its layer, and returns what is kept of it.
// expected is the number of the content that it follows, 0 for none; if the
// layer has another by now, ErrConflict says so and nothing changes. A layer
// that has this very content keeps its number, whatever was expected.
func (s *Store) KeepLayer(ctx context.Context, org string, l *catalogue.Layer, expected int64, at metering.Micros, note string) (catalogue.Kept, error) {
	row, err := newLayerRow(org, l, at, note)
	if err != nil {
		return catalogue.Kept{}, fmt.Errorf("keep layer %s: %w", l.Level, err)
	}
	var kept catalogue.Kept
	err = s.write(ctx, "keep layer "+l.Level.String(), func(tx querier) (err error) {
		kept, err = row.follow(ctx, tx, expected)
		return err
	})
	return kept, err
}

// layerRow is a content on its way into the database.
type layerRow struct {
	org     string
	kept    catalogue.Kept // without a number
	counts  string
	content []byte
}

func newLayerRow(org string, l *catalogue.Layer, at metering.Micros, note string) (*layerRow, error) {
	if err := sqldb.Storable(org, note); err != nil {
		return nil, err
	}
	if len(note) > maxNote {
		return nil, fmt.Errorf("a note of %d bytes, not at most %d: %w", len(note), maxNote, metering.ErrInvalid)
	}
	text, err := l.Encode()
	if err != nil {
		return nil, err
	}
	if v := catalogue.VersionOf(text); v != l.Version {
		return nil, fmt.Errorf("its rows have version %s, not %s: %w", v, l.Version, metering.ErrInvalid)
	}
	content, err := deflateLayer(text)
	if err != nil {
		return nil, err
	}
	counts, err := json.Marshal(l.Counts())
	if err != nil {
		return nil, fmt.Errorf("encode counts: %w", err)
	}
	return &layerRow{org: org, counts: string(counts), content: content, kept: catalogue.Kept{
		Level: l.Level, Version: l.Version, At: at, Note: note, Size: int64(len(text)), Counts: l.Counts(),
	}}, nil
}

// follow inserts the row behind the expected one.
func (r *layerRow) follow(ctx context.Context, tx querier, expected int64) (catalogue.Kept, error) {
	head, err := layerHead(ctx, tx, r.org, r.kept.Level)
	if err != nil || head.Version == r.kept.Version {
		return head, err // it is the same already, or the commit of an earlier attempt lost its reply
	}
	conflict := func(n int64) error {
		return fmt.Errorf("layer %s is at content %d, not %d: %w", r.kept.Level, n, expected, metering.ErrConflict)
	}
	if head.N != expected {
		return head, conflict(head.N)
	}
	n, err := r.insert(ctx, tx, expected+1)
	if err != nil || n == 1 {
		kept := r.kept
		kept.N = expected + 1
		return kept, err
	}
	// Another replica was first; under PostgreSQL what it has committed is visible now.
	head, err = layerHead(ctx, tx, r.org, r.kept.Level)
	if err == nil && head.Version != r.kept.Version {
		err = conflict(head.N)
	}
	return head, err
}

func (r *layerRow) insert(ctx context.Context, tx querier, n int64) (int64, error) {
	k := &r.kept
	return tx.Exec(ctx, `INSERT INTO price_layers (org_id, layer, n, version, at, size, counts, note, content) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT DO NOTHING`, r.org, k.Level.String(), n, k.Version, int64(k.At), k.Size, r.counts, k.Note, r.content)
}

const keptSelect = "SELECT layer, n, version, at, size, counts, note FROM price_layers"

func scanKept(r interface{ Scan(...any) error }) (catalogue.Kept, error) {
	var k catalogue.Kept
	var level, counts string
	if err := r.Scan(&level, &k.N, &k.Version, &k.At, &k.Size, &counts, &k.Note); err != nil {
		return k, err
	}
	var err error
	if k.Level, err = catalogue.ParseLevel(level); err != nil {
		return k, err
	}
	if err := json.Unmarshal([]byte(counts), &k.Counts); err != nil {
		return k, fmt.Errorf("decode counts of layer %s: %w", level, err)
	}
	return k, nil
}

// layerHead is the content of a layer that is in force, the zero Kept if it has
// none.
func layerHead(ctx context.Context, q querier, org string, level catalogue.Level) (catalogue.Kept, error) {
	k, err := scanKept(q.Row(ctx, keptSelect+" WHERE org_id = $1 AND layer = $2 ORDER BY n DESC LIMIT 1", org, level.String()))
	if errors.Is(err, sql.ErrNoRows) {
		return catalogue.Kept{Level: level}, nil
	}
	return k, err
}

// LayerHeads tells of the content of each layer that is in force, low to high,
// without reading it. Layers that never had any are left out. Of the layers that
// programs ship it is the one that was kept last, by whatever release.
func (s *Store) LayerHeads(ctx context.Context, org string) ([]catalogue.Kept, error) {
	var heads []catalogue.Kept
	err := s.snapshot(ctx, "read the state of the price layers", func(q querier) error {
		heads = nil
		for level := range catalogue.NumLevels {
			k, err := layerHead(ctx, q, org, level)
			if err != nil {
				return err
			}
			if k.N > 0 {
				heads = append(heads, k)
			}
		}
		return nil
	})
	return heads, err
}

// LayerHistory lists what contents a layer had, latest first, those before the
// number before; 0 is from the latest on.
func (s *Store) LayerHistory(ctx context.Context, org string, level catalogue.Level, before int64, limit int) ([]catalogue.Kept, error) {
	var c condition
	c.And("org_id = ? AND layer = ?", org, level.String())
	if before > 0 {
		c.And("n < ?", before)
	}
	return sqldb.All(ctx, s.db.Read(), "list contents of a price layer", func(r *sql.Rows) (catalogue.Kept, error) { return scanKept(r) },
		keptSelect+c.Where()+fmt.Sprintf(" ORDER BY n DESC LIMIT %d", pageSize(limit)), c.Args...)
}

// Layer returns the content of a layer with that version, which may be in force
// no more.
func (s *Store) Layer(ctx context.Context, org string, ref catalogue.Ref) (*catalogue.Layer, error) {
	return readLayer(ctx, s.read(), org, ref)
}

func readLayer(ctx context.Context, q querier, org string, ref catalogue.Ref) (*catalogue.Layer, error) {
	if err := sqldb.Storable(org, ref.Version); err != nil {
		return nil, fmt.Errorf("price layer: %w", err)
	}
	var content []byte
	err := q.Row(ctx, "SELECT content FROM price_layers WHERE org_id = $1 AND layer = $2 AND version = $3 ORDER BY n DESC LIMIT 1",
		org, ref.Level.String(), ref.Version).Scan(&content)
	if err != nil {
		return nil, sqldb.Absent(err, fmt.Sprintf("price layer %.100q", ref.String()))
	}
	text, err := inflateLayer(content)
	if err != nil {
		return nil, fmt.Errorf("price layer %s: %w", ref, err)
	}
	return catalogue.Restore(ref, text)
}

// LatestLayer returns the content of a layer that is in force, and its number;
// nil and 0 if it has none.
func (s *Store) LatestLayer(ctx context.Context, org string, level catalogue.Level) (*catalogue.Layer, int64, error) {
	var layer *catalogue.Layer
	var n int64
	err := s.snapshot(ctx, "read price layer "+level.String(), func(q querier) error {
		head, err := layerHead(ctx, q, org, level)
		if layer, n = nil, head.N; err != nil || n == 0 {
			return err
		}
		layer, err = readLayer(ctx, q, org, catalogue.Ref{Level: level, Version: head.Version})
		return err
	})
	return layer, n, err
}

// PriceLayers returns the content in force of each layer that is kept in the
// database alone, low to high: what was synced, the operator's and the
// account's. Those that the program ships, or its file has, are its own.
func (s *Store) PriceLayers(ctx context.Context, org string) ([]*catalogue.Layer, error) {
	var layers []*catalogue.Layer
	err := s.snapshot(ctx, "read the price layers", func(q querier) error {
		layers = nil
		for level := range catalogue.NumLevels {
			if shipped(level) {
				continue
			}
			head, err := layerHead(ctx, q, org, level)
			if err != nil {
				return err
			}
			if head.N == 0 {
				continue
			}
			layer, err := readLayer(ctx, q, org, catalogue.Ref{Level: level, Version: head.Version})
			if err != nil {
				return err
			}
			layers = append(layers, layer)
		}
		return nil
	})
	return layers, err
}

// shipped reports whether the content of a layer lies outside the database: with the
// program, or in the file of an operator.
func shipped(level catalogue.Level) bool {
	return level == catalogue.Embedded || level == catalogue.Overlay || level == catalogue.File
}
