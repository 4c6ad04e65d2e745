package alert

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/weirhq/weir/metering"
)

// Store keeps alerts.
type Store interface {
	// RaiseAlert keeps an alert and reports whether it was not open before.
	RaiseAlert(ctx context.Context, a metering.Alert) (opened bool, err error)
	// EndAlert ends an open alert and reports whether there was one.
	EndAlert(ctx context.Context, org string, kind metering.AlertKind, subject string, at metering.Micros) (ended bool, err error)
	// Alerts lists alerts.
	Alerts(ctx context.Context, q metering.AlertQuery) ([]metering.Alert, error)
}

// Board keeps alerts in a store and logs each when it opens and when it ends,
// once however many replicas raise it.
type Board struct {
	store Store
	now   func() time.Time
	log   *slog.Logger
}

var _ metering.Alerts = (*Board)(nil)

// NewBoard returns a board over a store.
func NewBoard(store Store, now func() time.Time, log *slog.Logger) *Board {
	return &Board{store: store, now: now, log: log}
}

// Raise implements [metering.Alerts].
func (b *Board) Raise(ctx context.Context, a metering.Alert) error {
	if a.At == 0 {
		a.At = metering.MicrosOf(b.now())
	}
	opened, err := b.store.RaiseAlert(ctx, a)
	if err != nil {
		return fmt.Errorf("raise alert %s of %.100q: %w", a.Kind, a.Subject, err)
	}
	if opened {
		level := slog.LevelWarn
		if a.Severity == metering.SeverityCritical {
			level = slog.LevelError
		}
		b.log.Log(ctx, level, "alert", "kind", string(a.Kind), "subject", a.Subject, "severity", string(a.Severity), "detail", a.Detail, "org", a.Org)
	}
	return nil
}

// Clear implements [metering.Alerts].
func (b *Board) Clear(ctx context.Context, org string, kind metering.AlertKind, subject string) error {
	ended, err := b.store.EndAlert(ctx, org, kind, subject, metering.MicrosOf(b.now()))
	if err != nil {
		return fmt.Errorf("clear alert %s of %.100q: %w", kind, subject, err)
	}
	if ended {
		b.log.InfoContext(ctx, "alert is over", "kind", string(kind), "subject", subject, "org", org)
	}
	return nil
}
