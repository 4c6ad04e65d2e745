package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// Bounds of what is typed, in characters.
const (
	maxName     = 200
	maxExternal = 128
)

// customerRow is a customer as the list shows it.
type customerRow struct {
	metering.Customer
	metering.UsageTotals
}

// customersPage is the list of customers.
type customersPage struct {
	Period    page.Period
	Fresh     fresh
	Customers []customerRow
	Sought    string // what was looked for and is not there
	Pager     page.Pager
	Twins     page.Twins
	Form      form
}

func (s *Server) showCustomers(w http.ResponseWriter, r *http.Request) error {
	if ref := strings.TrimSpace(r.URL.Query().Get("q")); ref != "" {
		c, err := s.opts.Store.Customer(r.Context(), s.opts.Org, ref)
		if err == nil {
			http.Redirect(w, r, Base+"/customers/"+url.PathEscape(c.ID), http.StatusSeeOther)
			return nil
		}
		if !errors.Is(err, metering.ErrNotFound) {
			return fmt.Errorf("look for a customer: %w", err)
		}
	}
	return s.listCustomers(w, r, http.StatusOK, form{})
}

func (s *Server) listCustomers(w http.ResponseWriter, r *http.Request, status int, f form) error {
	p, err := page.ParsePeriod(r.URL.Query(), s.opts.Now(), "30d")
	if err != nil {
		return err
	}
	cursor := r.URL.Query().Get("cursor")
	list, next, err := s.opts.Store.Customers(r.Context(), s.opts.Org, listed, cursor)
	if err != nil {
		return fmt.Errorf("customers: %w", err)
	}
	out := customersPage{Period: p, Sought: strings.TrimSpace(r.URL.Query().Get("q")), Form: f}
	if out.Customers, err = s.withUsage(r.Context(), list, p); err != nil {
		return err
	}
	if out.Fresh, err = s.freshness(r.Context()); err != nil {
		return err
	}
	if out.Pager, err = pagerOf(r, cursor, next); err != nil {
		return err
	}
	if out.Twins, err = page.TwinsOf(r, r.URL.Path); err != nil {
		return err
	}
	s.site.Render(w, r, status, "customers", out)
	return nil
}

// withUsage sets what each customer used within a period.
func (s *Server) withUsage(ctx context.Context, list []metering.Customer, p page.Period) ([]customerRow, error) {
	rows, _, err := s.opts.Store.Usage(ctx, metering.UsageQuery{Org: s.opts.Org, From: p.From, To: p.To, By: []string{"customer"}})
	if err != nil {
		return nil, fmt.Errorf("usage by customer: %w", err)
	}
	used := make(map[string]metering.UsageTotals, len(rows))
	for _, row := range rows {
		used[row.Group["customer"]] = row.UsageTotals
	}
	out := make([]customerRow, 0, len(list))
	for _, c := range list {
		out = append(out, customerRow{c, used[c.ID]})
	}
	return out, nil
}

func (s *Server) exportCustomers(w http.ResponseWriter, r *http.Request) error {
	p, err := page.ParsePeriod(r.URL.Query(), s.opts.Now(), "30d")
	if err != nil {
		return err
	}
	out := page.File{Name: "weir-customers", Counts: make(map[string]bool)}
	out.Columns = append([]string{"id", "external_id", "name", "created_at", "archived_at"}, usageColumns()...)
	for _, name := range usageColumns() {
		out.Counts[name] = name != "cost_usd"
	}
	var all []metering.Customer
	for cursor := ""; ; {
		list, next, err := s.opts.Store.Customers(r.Context(), s.opts.Org, 1000, cursor)
		if err != nil {
			return fmt.Errorf("customers: %w", err)
		}
		all = append(all, list...)
		if cursor = next; next == "" {
			break
		}
		if len(all) >= maxExport {
			out.More = true
			break
		}
	}
	rows, err := s.withUsage(r.Context(), all, p)
	if err != nil {
		return err
	}
	for _, c := range rows {
		out.Rows = append(out.Rows, append([]string{c.ID, c.ExternalID, c.Name, machine(c.Created), machine(c.Archived)}, usageCells(&c.UsageTotals)...))
	}
	return s.export(w, r, out)
}

// label reads a line of text of a form; metering.ErrInvalid where it is too
// short, too long or holds what nobody can see.
func label(r *http.Request, name, what string, least, most int) (string, error) {
	text := strings.TrimSpace(r.PostFormValue(name))
	n := utf8.RuneCountInString(text)
	switch {
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return "", invalid("%s has characters that cannot be shown", what)
	case n < least && least == 1:
		return "", invalid("%s is missing", what)
	case n < least || n > most:
		return "", invalid("%s has %d characters, not %d to %d", what, n, least, most)
	}
	return text, nil
}

// mendable reports whether a form can be sent again after an error: what was
// typed is wrong or taken.
func mendable(err error) bool {
	return errors.Is(err, metering.ErrInvalid) || errors.Is(err, metering.ErrConflict)
}

// refusedForm is a form as it goes back to who sent it.
func refusedForm(r *http.Request, err error) form { return form{Values: r.PostForm, Fault: plain(err)} }

func (s *Server) createCustomer(w http.ResponseWriter, r *http.Request) error {
	c, err := s.newCustomer(r)
	if mendable(err) {
		return s.listCustomers(w, r, http.StatusUnprocessableEntity, refusedForm(r, err))
	}
	if err != nil {
		return err
	}
	s.reload(r.Context())
	http.Redirect(w, r, Base+"/customers/"+url.PathEscape(c.ID)+"?made=1", http.StatusSeeOther)
	return nil
}

func (s *Server) newCustomer(r *http.Request) (metering.Customer, error) {
	c := metering.Customer{Org: s.opts.Org, OnLoss: metering.LossRefuse, Created: s.at()}
	var err error
	if c.ExternalID, err = label(r, "external_id", "the external id", 1, maxExternal); err != nil {
		return c, err
	}
	if c.Name, err = label(r, "name", "the name", 0, maxName); err != nil {
		return c, err
	}
	if r.PostFormValue("on_loss") == string(metering.LossPass) {
		c.OnLoss = metering.LossPass
	}
	made, err := s.opts.Store.CreateCustomer(r.Context(), c)
	if errors.Is(err, metering.ErrConflict) {
		return c, fmt.Errorf("a customer with the external id %q exists: %w", c.ExternalID, metering.ErrConflict)
	}
	if err != nil {
		return c, fmt.Errorf("make a customer: %w", err)
	}
	return made, nil
}
