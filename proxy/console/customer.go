package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// customerCalls is how many calls the page of a customer shows.
const customerCalls = 20

// customerPage is one customer.
type customerPage struct {
	metering.Customer
	Period  page.Period
	Fresh   fresh
	Tiles   []page.Tile
	Chart   *page.Chart
	Models  []group
	Sum     metering.UsageTotals
	Keys    []keyRow
	More    bool // there are keys beyond those
	Calls   []callRow
	Billing *customerBilling
	Bills   bool // there are billing pages
	Portal  bool // a link to the portal can be made
	Link    string
	Made    bool
	Fault   string
	Form    form
	Proxy   string
}

// Weight is the share of one model.
func (customerPage) Weight(g group) int64 { return costWeight(&g.UsageTotals) }

// Whole is what the shares are of.
func (p customerPage) Whole() int64 { return costWeight(&p.Sum) }

func (s *Server) showCustomer(w http.ResponseWriter, r *http.Request) error {
	return s.customerPage(w, r, http.StatusOK, func(*customerPage) {})
}

// customerPage shows the customer of the path; change is what the request adds.
func (s *Server) customerPage(w http.ResponseWriter, r *http.Request, status int, change func(*customerPage)) error {
	c, err := s.opts.Store.Customer(r.Context(), s.opts.Org, r.PathValue("customer"))
	if err != nil {
		return fmt.Errorf("customer: %w", err)
	}
	out := customerPage{
		Customer: c, Bills: s.billing != nil, Portal: s.opts.PortalLink != nil, Made: r.URL.Query().Get("made") != "", Proxy: s.opts.Proxy,
	}
	if out.Period, err = page.ParsePeriod(r.URL.Query(), s.opts.Now(), "30d"); err != nil {
		return err
	}
	if out.Fresh, err = s.freshness(r.Context()); err != nil {
		return err
	}
	if err := s.customerUsage(r.Context(), &out); err != nil {
		return err
	}
	keys, next, err := s.opts.Store.Keys(r.Context(), s.opts.Org, c.ID, listed, "")
	if err != nil {
		return fmt.Errorf("keys of the customer: %w", err)
	}
	out.More = next != ""
	if out.Keys, err = s.keyRows(r.Context(), keys, out.Period, c.ID); err != nil {
		return err
	}
	events, _, err := s.opts.Store.Events(r.Context(), metering.EventQuery{Org: s.opts.Org, Customer: c.ID, Limit: customerCalls})
	if err != nil {
		return fmt.Errorf("calls of the customer: %w", err)
	}
	if out.Calls, err = s.rows(r.Context(), events); err != nil {
		return err
	}
	if s.billing != nil {
		if out.Billing, err = s.billing.customer(r.Context(), s.opts.Org, c); err != nil {
			return err
		}
	}
	change(&out)
	s.site.Render(w, r, status, "customer", out)
	return nil
}

// customerUsage fills in what the customer used, by model and bucket.
func (s *Server) customerUsage(ctx context.Context, out *customerPage) error {
	p, bucket, m := out.Period, out.Period.DefaultBucket(), metrics()[0]
	rows, totals, err := s.opts.Store.Usage(ctx, metering.UsageQuery{Org: s.opts.Org, Customer: out.ID, From: p.From, To: p.To, By: []string{"model", bucket}})
	if err != nil {
		return fmt.Errorf("usage of the customer: %w", err)
	}
	out.Sum = totals
	events, err := page.Href(Base+"/events", append([]any{"customer", out.ID}, periodPairs(p)...)...)
	if err != nil {
		return err
	}
	out.Tiles = []page.Tile{
		{Label: "Requests", Value: page.NumberHTML(totals.Requests), Link: events, Note: requestsNote(totals)},
		{Label: "Tokens in", Value: page.TokensHTML(totals.InputTokens), Note: cacheNote(totals)},
		{Label: "Tokens out", Value: page.TokensHTML(totals.OutputTokens), Note: page.Tokens(totals.Reasoning) + " of them reasoning"},
		{Label: "Upstream cost", Value: page.CostHTML(totals.Cost), Note: "of the priced calls"},
	}
	if totals.Unpriced > 0 {
		out.Tiles[3].State, out.Tiles[3].Note = "warn", unpricedNote(totals)
	}
	if totals.Requests == 0 {
		return nil
	}
	out.Models = ranked(grouped(rows, "model", m), topSeries)
	if err := s.label(ctx, "model", out.Models); err != nil {
		return err
	}
	for i, g := range out.Models {
		if g.Value == folded || g.Value == "" {
			continue
		}
		if out.Models[i].Link, err = page.Href(Base+"/events", append([]any{"customer", out.ID, "model", g.Value}, periodPairs(p)...)...); err != nil {
			return err
		}
	}
	out.Chart = stacked(rows, "model", bucket, out.Models, p, m)
	out.Chart.Title, out.Chart.Summary = "Upstream cost per "+bucket+", by model", chartSummary(out.Models, totals, m)
	out.Chart.Links, err = s.bucketLinks(out.Chart.Labels, bucket, p, []any{"customer", out.ID})
	return err
}

// archiveCustomer refuses the customer's keys from now on. What was used stays.
func (s *Server) archiveCustomer(w http.ResponseWriter, r *http.Request) error {
	c, err := s.opts.Store.Customer(r.Context(), s.opts.Org, r.PathValue("customer"))
	if err != nil {
		return fmt.Errorf("customer: %w", err)
	}
	if r.PostFormValue("confirm") != c.ExternalID {
		return s.customerPage(w, r, http.StatusUnprocessableEntity, func(p *customerPage) { p.Fault = "Type the external id to archive the customer." })
	}
	if c.Archived == 0 {
		if err := s.opts.Store.ArchiveCustomer(r.Context(), s.opts.Org, c.ID, s.at()); err != nil {
			return fmt.Errorf("archive the customer: %w", err)
		}
		s.opts.Logger.InfoContext(r.Context(), "customer archived", "customer", c.ID, "by", viewer(r))
		s.reload(r.Context())
	}
	http.Redirect(w, r, Base+"/customers/"+url.PathEscape(c.ID), http.StatusSeeOther)
	return nil
}

// linkPortal shows a one-use link to the customer's portal, once.
func (s *Server) linkPortal(w http.ResponseWriter, r *http.Request) error {
	if s.opts.PortalLink == nil {
		return fmt.Errorf("there is no portal: %w", metering.ErrNotFound)
	}
	c, err := s.opts.Store.Customer(r.Context(), s.opts.Org, r.PathValue("customer"))
	if err != nil {
		return fmt.Errorf("customer: %w", err)
	}
	link, err := s.opts.PortalLink(r.Context(), c)
	if err != nil {
		return fmt.Errorf("link to the portal: %w", err)
	}
	s.opts.Logger.InfoContext(r.Context(), "link to the portal made", "customer", c.ID, "by", viewer(r))
	return s.customerPage(w, r, http.StatusOK, func(p *customerPage) { p.Link = link })
}
