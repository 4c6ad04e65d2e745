package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/weirhq/weir/metering"
)

// AlertStore reads what people should know of.
type AlertStore interface {
	Alerts(ctx context.Context, q metering.AlertQuery) ([]metering.Alert, error)
}

// Alert is a condition that a person should know of.
type Alert struct {
	Kind     metering.AlertKind `json:"kind"`
	Subject  string             `json:"subject"`
	Severity metering.Severity  `json:"severity"`
	Detail   string             `json:"detail"`
	Since    Instant            `json:"since"`
	At       Instant            `json:"at"`
	Count    int64              `json:"count"`
	Ended    Instant            `json:"ended_at"` // null: it is open
}

// Alerts are alerts: the open ones first, of those the latest.
type Alerts struct {
	Items []Alert `json:"items"`
}

// Open is how many of them are open.
func (a Alerts) Open() int {
	n := 0
	for _, x := range a.Items {
		if x.Ended == 0 {
			n++
		}
	}
	return n
}

// alertRoutes are the routes about what people should know of.
func alertRoutes() []Route {
	return []Route{{http.MethodGet, "/api/v1/alerts", "alerts:read", "listAlerts", 0, (*Server).listAlerts}}
}

func (s *Server) listAlerts(c *call) (answer, error) {
	q := metering.AlertQuery{Org: c.org, Kind: metering.AlertKind(c.query.text("kind", 40)), Ended: c.query.boolean("ended")}
	if q.Kind != "" && !slices.Contains(metering.AlertKinds(), q.Kind) {
		c.query.fault("kind", "must be one of %v", metering.AlertKinds())
	}
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	if s.opts.Alerts == nil {
		return answer{}, problem(CodeAbsent, "this server keeps no alerts")
	}
	list, err := s.opts.Alerts.Alerts(c.Context(), q)
	if err != nil {
		return answer{}, err
	}
	out := Alerts{Items: make([]Alert, 0, len(list))}
	for _, a := range list {
		out.Items = append(out.Items, Alert{a.Kind, a.Subject, a.Severity, a.Detail, Instant(a.Since), Instant(a.At), a.Count, Instant(a.Ended)})
	}
	return ok(out)
}

// checkAlerts is doctor's finding about open alerts.
func (s *Server) checkAlerts(ctx context.Context, org string) []Check {
	if s.opts.Alerts == nil {
		return nil
	}
	const name = "alerts"
	list, err := s.opts.Alerts.Alerts(ctx, metering.AlertQuery{Org: org})
	if err != nil {
		return []Check{s.unmeasured(ctx, name, err)}
	}
	if len(list) == 0 {
		return []Check{{Name: name, Status: StatusOK, Measured: "none is open"}}
	}
	a := list[0]
	for _, x := range list {
		if x.Severity == metering.SeverityCritical {
			a = x
			break
		}
	}
	return []Check{{
		Name: name, Status: StatusWarn,
		Measured: fmt.Sprintf("%d are open, such as %s of %s since %s: %.200s", len(list), a.Kind, a.Subject, Instant(a.Since), a.Detail),
		Remedy:   "`weir alert list` has all of them",
	}}
}

// Alerts lists alerts: of a kind, or of all where it is empty; ended lists those
// that are over too.
func (c *Client) Alerts(ctx context.Context, kind string, ended bool) (Alerts, error) {
	q := params("kind", kind)
	if ended {
		q.Set("ended", "true")
	}
	return do[Alerts](ctx, c, http.MethodGet, at("alerts"), q, nil)
}
