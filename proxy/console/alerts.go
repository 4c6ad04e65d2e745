package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// AlertStore reads what people should know of.
type AlertStore interface {
	// Alerts lists alerts: the open ones first, of those the latest.
	Alerts(ctx context.Context, q metering.AlertQuery) ([]metering.Alert, error)
	// AlertCounts is how many are open, by kind.
	AlertCounts(ctx context.Context, org string) (map[metering.AlertKind]int64, error)
}

// alertsPage lists what people should know of.
type alertsPage struct {
	Open  []alertRow
	Ended []alertRow
	All   bool // those that are over are asked for too
}

// alertRow is an alert as the page shows it.
type alertRow struct {
	metering.Alert
	About string // what the kind means
	Do    string // what to do about it
	Link  string // to what it is about; empty: nothing is
}

// Badge is the badge of how much it matters.
func (a alertRow) Badge() string {
	switch {
	case a.Alert.Ended != 0:
		return "plain"
	case a.Severity == metering.SeverityCritical:
		return "bad"
	default:
		return "warn"
	}
}

// aboutAlert says what a kind means, and what to do about it.
func aboutAlert(kind metering.AlertKind) (about, do string) {
	switch kind {
	case metering.AlertUnpriced:
		return "Calls without a cost", "Add the price: weir pricebook add. The calls are then priced again by themselves."
	case metering.AlertProvisional:
		return "A cost that is not certain", "Look at the vendor's page and add the price that holds: weir pricebook add. Until then the cost counts as it is."
	case metering.AlertNegativeMargin:
		return "A margin that is too low", "weir margin compares what it costs with what is charged: ask for a price that covers the cost."
	case metering.AlertPriceFeed:
		return "A catalogue that cannot be read", "weir pricebook sync looks again and says what fails; weir pricebook feeds has its address. Prices stay as they are."
	case metering.AlertPriceHeld:
		return "Prices that wait for a person", "weir pricebook held lists the changes; weir pricebook approve and reject decide. Until then the old price holds."
	case metering.AlertReconcile:
		return "A provider's report that differs", "weir reconcile --provider with its name says by day, model and key what differs, and the likely cause."
	default:
		return string(kind), "weir alert list --kind " + string(kind) + " has all of them, and weir doctor more of what is the matter."
	}
}

// linkOf is the page of what an alert is about.
func (s *Server) linkOf(a metering.Alert) string {
	first, model, several := strings.Cut(a.Subject, "/")
	switch a.Kind {
	case metering.AlertUnpriced, metering.AlertProvisional:
		if several && first != "" && model != "" {
			return Base + "/events?model=" + url.QueryEscape(model)
		}
	case metering.AlertNegativeMargin:
		by, of, _ := strings.Cut(a.Subject, ":")
		switch {
		case s.opts.Billing == nil && by == "customer":
			return Base + "/customers/" + url.PathEscape(of)
		case s.opts.Billing != nil:
			then := map[string]string{"customer": "model", "model": "customer"}[by]
			return Base + "/margin?by=" + then + "&only=" + url.QueryEscape(by+"="+of)
		}
	}
	return ""
}

func (s *Server) showAlerts(w http.ResponseWriter, r *http.Request) error {
	out := alertsPage{All: r.URL.Query().Get("ended") == "1"}
	list, err := s.opts.Alerts.Alerts(r.Context(), metering.AlertQuery{Org: s.org(r), Ended: out.All})
	if err != nil {
		return fmt.Errorf("alerts: %w", err)
	}
	for _, a := range list {
		row := alertRow{Alert: a, Link: s.linkOf(a)}
		row.About, row.Do = aboutAlert(a.Kind)
		if a.Ended == 0 {
			out.Open = append(out.Open, row)
		} else {
			out.Ended = append(out.Ended, row)
		}
	}
	s.site.Render(w, r, http.StatusOK, "alerts", out)
	return nil
}

// banner says on each page how many alerts are open. Where nobody knows, it is
// said too: an absent banner means that there is none.
func (s *Server) banner(r *http.Request) *page.Banner {
	if s.opts.Alerts == nil {
		return nil
	}
	counts, err := s.opts.Alerts.AlertCounts(r.Context(), s.org(r))
	if err != nil {
		if r.Context().Err() == nil {
			s.opts.Logger.WarnContext(r.Context(), "alerts are not in the banner", "error", err)
		}
		return &page.Banner{Kind: "warn", Text: "Alerts cannot be read.", Link: Base + "/health", Label: "System health"}
	}
	var open int64
	for _, n := range counts {
		open += n
	}
	switch open {
	case 0:
		return nil
	case 1:
		return &page.Banner{Kind: "warn", Text: "1 alert is open.", Link: Base + "/alerts", Label: "What to do"}
	default:
		return &page.Banner{Kind: "warn", Text: fmt.Sprintf("%d alerts are open.", open), Link: Base + "/alerts", Label: "What to do"}
	}
}
