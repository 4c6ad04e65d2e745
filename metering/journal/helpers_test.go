package journal_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/journal"
)

func open(t testing.TB, dir string, o journal.Options) *journal.Journal {
	t.Helper()
	j, err := tryOpen(dir, o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return j
}

func tryOpen(dir string, o journal.Options) (*journal.Journal, error) {
	if o.Logger == nil {
		o.Logger = journal.Quiet()
	}
	return journal.Open(dir, o)
}

func newCall(t testing.TB) *metering.Call {
	t.Helper()
	id, err := metering.NewID()
	if err != nil {
		t.Fatal(err)
	}
	return &metering.Call{
		ID: id, Org: metering.DefaultOrg, Customer: "0197a1b2-0000-7000-8000-000000000001", Key: "0197a1b2-0000-7000-8000-000000000002",
		Upstream: "openai", Provider: "openai", Endpoint: "openai.chat", Metered: true, Model: "gpt-5-mini", Stream: true,
		Tags: []metering.Tag{{Name: "team", Value: "search"}, {Name: "feature", Value: "auto \"complete\""}}, Run: "run-42", BodyBytes: 1834,
	}
}

func ended(c *metering.Call) *metering.Event {
	e := &metering.Event{
		Call: *c, Name: metering.EventLLM, End: c.At + 1_200_000, Outcome: metering.OutcomeComplete, Status: 200,
		FirstByte: c.At + 300_000, ProviderID: "req_0123456789abcdef0123456789abcdef", BytesOut: 20_417,
		Usage: metering.Usage{
			State: metering.UsageExact, Input: 1234, Output: 567, Total: 1801, HasTotal: true,
			Model: "gpt-5-mini-2025-08-07", ServiceTier: "default", ObjectID: "chatcmpl-ABCDEFGHIJKLMNOPQRSTUVWXYZabc", Finish: "stop", Terminal: "[DONE]", Objects: 1,
			Raw: []byte(`{"prompt_tokens":1234,"completion_tokens":567,"total_tokens":1801,"prompt_tokens_details":{"cached_tokens":1024,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":448}}`),
		},
	}
	e.Usage.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = 210
	e.Usage.Tokens[metering.InputCell(metering.CacheRead, metering.Text)] = 1024
	e.Usage.Tokens[metering.OutputCell(false, metering.Text)] = 119
	e.Usage.Tokens[metering.OutputCell(true, metering.Text)] = 448
	return e
}

// begin writes an intent that must be taken.
func begin(t testing.TB, j *journal.Journal) *metering.Call {
	t.Helper()
	c := newCall(t)
	if err := j.Begin(c); err != nil {
		t.Fatalf("begin: %v", err)
	}
	return c
}

// exchange writes an intent and its fact.
func exchange(t testing.TB, j *journal.Journal) *metering.Event {
	t.Helper()
	e := ended(begin(t, j))
	if err := j.Finish(e); err != nil {
		t.Fatalf("finish: %v", err)
	}
	return e
}

// facts returns all facts after a position; there must be at least one.
func facts(t testing.TB, j *journal.Journal, after uint64) []*metering.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	last := j.LastFact()
	var all []*metering.Event
	for after < last {
		some, err := j.Facts(ctx, after, 100)
		if err != nil {
			t.Fatalf("facts after %d of %d: %v", after, last, err)
		}
		all = append(all, some...)
		after = all[len(all)-1].FactSeq
	}
	return all
}

// segments returns the paths of the segments in order.
func segments(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.wal"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// copyDir copies a directory as it stands, which is what a process that is
// killed now leaves behind.
func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func wantCorrupt(t *testing.T, err error) *journal.CorruptError {
	t.Helper()
	var corrupt *journal.CorruptError
	if !errors.As(err, &corrupt) {
		t.Fatalf("error %v, want a CorruptError", err)
	}
	if corrupt.File == "" || corrupt.Remedy == "" || corrupt.What == "" {
		t.Errorf("the error says too little: %+v", corrupt)
	}
	return corrupt
}
