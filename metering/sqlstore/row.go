package sqlstore

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/weirhq/weir/deploy/schema"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// eventColumns are the columns of an event in the order of eventRow.
func eventColumns() []column {
	return []column{
		{"org_id", "text"},
		{"id", "uuid"},
		{"customer", "bytea"},
		{"key", "bytea"},
		{"at", "bigint"},
		{"journal", "integer"},
		{"seq", "bigint"},
		{"name", "text"},
		{"provider", "text"},
		{"model", "text"},
		{"outcome", "text"},
		{"status", "smallint"},
		{"test", "boolean"},
		{"metered", "boolean"},
		{"raw", "boolean"},
		{"usage_state", "text"},
		{"input", "bigint"},
		{"cache_read", "bigint"},
		{"cache_write", "bigint"},
		{"output", "bigint"},
		{"reasoning", "bigint"},
		{"audio_input", "bigint"},
		{"audio_output", "bigint"},
		{"image_input", "bigint"},
		{"image_output", "bigint"},
		{"micros", "bigint"},
		{"picos", "integer"},
		{"cost_state", "text"},
		{"provider_ref", "bigint"},
		{"object_ref", "bigint"},
		{"client_ref", "bigint"},
		{"tags", "text"},
		{"served", "text"},
		{"tier", "text"},
		{"credential", "text"},
		{"details", "smallint"},
		{"upstream", "text"},
		{"run", "text"},
		{"document", "bytea"},
	}
}

// Bounds of an event, so that no sum of many leaves a column: a trillion tokens
// of a class, a million dollars, the year 9999. The dialects take no count
// beyond 1e9, and a price book has no such prices.
const (
	maxTokens = 1_000_000_000_000
	maxMicros = 1_000_000 * metering.MicrosPerDollar
	maxAt     = 253_402_300_799_999_999
	maxStatus = 999
	maxOrg    = 128
)

// check refuses an event that cannot be stored or summed.
func check(e *metering.Event) error {
	if err := checkNames(e); err != nil {
		return err
	}
	return checkNumbers(e)
}

// checkNames refuses an event that belongs to nobody who can be named.
func checkNames(e *metering.Event) error {
	if e.Org == "" || len(e.Org) > maxOrg || !sqldb.Clean(e.Org) {
		return fmt.Errorf("organisation %.40q: %w", e.Org, metering.ErrInvalid)
	}
	if len(e.Customer) > sqldb.MaxLabel || len(e.Key) > sqldb.MaxLabel || !sqldb.Clean(e.Customer) || !sqldb.Clean(e.Key) {
		return fmt.Errorf("customer %.40q, key %.40q: %w", e.Customer, e.Key, metering.ErrInvalid)
	}
	if e.ID.IsZero() {
		return fmt.Errorf("no id: %w", metering.ErrInvalid)
	}
	return nil
}

// checkNumbers refuses an event whose numbers would spoil a sum.
func checkNumbers(e *metering.Event) error {
	if e.At < 0 || e.At > maxAt {
		return fmt.Errorf("instant %d: %w", e.At, metering.ErrInvalid)
	}
	if e.Status < 0 || e.Status > maxStatus {
		return fmt.Errorf("status %d: %w", e.Status, metering.ErrInvalid)
	}
	for c, n := range e.Usage.Tokens {
		if n < 0 && !e.Usage.State.Corrects() || n < -maxTokens || n > maxTokens {
			return fmt.Errorf("%d tokens of %s: %w", n, metering.Cell(c), metering.ErrInvalid)
		}
	}
	if cost := e.Cost.Normal(); cost.Micros > maxMicros || cost.Micros < -maxMicros {
		return fmt.Errorf("a cost of %s: %w", cost, metering.ErrInvalid)
	}
	return nil
}

// some is NULL for none.
func some(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

// Values that nearly every event has are NULL in its row, which saves 32 bytes.
const (
	usualName    = metering.EventLLM
	usualOutcome = string(metering.OutcomeComplete)
	usualUsage   = string(metering.UsageExact)
	usualCost    = string(metering.CostExact)
)

func unusual(s, usual string) any {
	if s == usual {
		return nil
	}
	return s
}

// priced reports whether the cost of the event is known.
func priced(e *metering.Event) bool {
	return e.CostState != metering.CostUnpriced && e.CostState != metering.CostUnrated
}

// endpointRaw is the endpoint of calls whose usage nobody looks for.
const endpointRaw = "raw"

// eventRow is the row of an event that came with the journal of that number, 0
// for none.
func (s *Store) eventRow(e *metering.Event, journal int64) ([]any, error) {
	if err := check(e); err != nil {
		return nil, err
	}
	var tags []byte
	var err error
	if len(e.Tags) > 0 {
		if tags, err = json.Marshal(e.Tags); err != nil {
			return nil, fmt.Errorf("encode tags: %w: %w", metering.ErrInvalid, err)
		}
	}
	d, served := documentOf(e), servedBy(e)
	if served == e.Usage.Model {
		d.Served = "" // the column has it: written twice, a page of SQLite holds four events and not five
	}
	stored, err := d.encode(s.db.Engine == schema.Postgres)
	if err != nil {
		return nil, err
	}
	var micros, picos any
	if priced(e) {
		cost := e.Cost.Normal()
		micros, picos = cost.Micros, some(cost.Picos)
	}
	c := e.Usage.Tokens.Classes()
	return []any{
		e.Org, s.uid(e.ID), pack(e.Customer), pack(e.Key), int64(e.At), journal, int64(e.FactSeq),
		unusual(sqldb.Label(e.Name), usualName), sqldb.Label(e.Provider), sqldb.Label(e.Model), unusual(sqldb.Label(string(e.Outcome)), usualOutcome), int64(e.Status),
		e.Test, e.Metered, e.Endpoint == endpointRaw, unusual(sqldb.Label(string(e.Usage.State)), usualUsage),
		some(c.Input), some(c.CacheRead), some(c.CacheWrite), some(c.Output), some(c.Reasoning),
		some(c.AudioInput), some(c.AudioOutput), some(c.ImageInput), some(c.ImageOutput),
		micros, picos, unusual(sqldb.Label(string(e.CostState)), usualCost),
		refOf(e.ProviderID), refOf(e.Usage.ObjectID), refOf(cmp.Or(e.ClientID, sessionRef(e.Session))), unusual(string(tags), ""),
		served, tierOf(e), unusual(sqldb.Label(e.Credential), ""), detailed(e), sqldb.Label(e.Upstream), sqldb.Label(e.Run), stored,
	}, nil
}

// eventSelect reads whole events for scanEvent.
const eventSelect = "SELECT org_id, id, customer, key, at, COALESCE((SELECT j.id FROM journals j WHERE j.num = events.journal), ''), seq, " +
	"COALESCE(name, '" + usualName + "'), provider, model, COALESCE(outcome, '" + usualOutcome + "'), status, test, metered, COALESCE(usage_state, '" + usualUsage + "'), " +
	"COALESCE(input, 0), COALESCE(cache_read, 0), COALESCE(cache_write, 0), COALESCE(output, 0), COALESCE(reasoning, 0), " +
	"COALESCE(audio_input, 0), COALESCE(audio_output, 0), COALESCE(image_input, 0), COALESCE(image_output, 0), " +
	"COALESCE(micros, 0), COALESCE(picos, 0), COALESCE(cost_state, '" + usualCost + "'), COALESCE(tags, ''), COALESCE(credential, ''), COALESCE(served, ''), document FROM events"

func (s *Store) scanEvent(r interface{ Scan(...any) error }) (*metering.Event, error) {
	e := new(metering.Event)
	var id uidScan
	var customer, key []byte
	var seq int64
	var c metering.Classes
	var tags, served string
	var stored []byte
	err := r.Scan(&e.Org, &id, &customer, &key, &e.At, &e.Journal, &seq,
		&e.Name, &e.Provider, &e.Model, &e.Outcome, &e.Status, &e.Test, &e.Metered, &e.Usage.State,
		&c.Input, &c.CacheRead, &c.CacheWrite, &c.Output, &c.Reasoning, &c.AudioInput, &c.AudioOutput, &c.ImageInput, &c.ImageOutput,
		&e.Cost.Micros, &e.Cost.Picos, &e.CostState, &tags, &e.Credential, &served, &stored)
	if err != nil {
		return nil, err
	}
	e.ID, e.Customer, e.Key, e.FactSeq = id.id, unpack(customer), unpack(key), uint64(seq)
	if tags != "" {
		if err := json.Unmarshal([]byte(tags), &e.Tags); err != nil {
			return nil, fmt.Errorf("decode tags of event %s: %w", e.ID, err)
		}
	}
	d, err := s.inflaters.decode(stored)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", e.ID, err)
	}
	d.Served = cmp.Or(d.Served, served)
	d.restore(e, c)
	return e, nil
}
