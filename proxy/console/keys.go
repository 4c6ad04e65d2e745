package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// keyRow is a key as lists show it.
type keyRow struct {
	metering.Key
	metering.UsageTotals
	CustomerName string
	now          metering.Micros
}

// Shown is what may be shown of the key.
func (k keyRow) Shown() string { return k.Prefix + "…" + k.Last4 }

// State is whether the key works.
func (k keyRow) State() string {
	switch {
	case k.Revoked != 0:
		return "revoked"
	case k.Expires != 0 && k.Expires <= k.now:
		return "expired"
	case k.Replaced:
		return "replaced"
	case k.Expires != 0:
		return "expiring"
	default:
		return "active"
	}
}

// Kind is the badge of the state.
func (k keyRow) Kind() string {
	switch k.State() {
	case "active":
		return "ok"
	case "revoked", "expired":
		return "plain"
	default:
		return "warn"
	}
}

// Works reports whether calls with the key are let in.
func (k keyRow) Works() bool { s := k.State(); return s != "revoked" && s != "expired" }

// keyRows names the keys and what was used with them. customer is an internal
// id, empty for keys of several.
func (s *Server) keyRows(ctx context.Context, keys []metering.Key, p page.Period, customer string) ([]keyRow, error) {
	used := make(map[string]metering.UsageTotals)
	if len(keys) > 0 {
		rows, _, err := s.opts.Store.Usage(ctx, metering.UsageQuery{Org: s.opts.Org, Customer: customer, From: p.From, To: p.To, By: []string{"key"}})
		if err != nil {
			return nil, fmt.Errorf("usage by key: %w", err)
		}
		for _, r := range rows {
			used[r.Group["key"]] = r.UsageTotals
		}
	}
	out := make([]keyRow, 0, len(keys))
	for _, k := range keys {
		row := keyRow{Key: k, UsageTotals: used[k.ID], now: s.at()}
		var err error
		if row.CustomerName, err = s.customerLabel(ctx, k.Customer); err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, nil
}

// keysPage is the list of keys.
type keysPage struct {
	Period    page.Period
	Fresh     fresh
	Customer  string // the filter as given
	Keys      []keyRow
	Customers []metering.Customer // to choose from
	Pager     page.Pager
	Twins     page.Twins
	Form      form
}

func (s *Server) showKeys(w http.ResponseWriter, r *http.Request) error {
	return s.listKeys(w, r, http.StatusOK, form{})
}

func (s *Server) listKeys(w http.ResponseWriter, r *http.Request, status int, f form) error {
	out := keysPage{Customer: strings.TrimSpace(r.URL.Query().Get("customer")), Form: f}
	var err error
	if out.Period, err = page.ParsePeriod(r.URL.Query(), s.opts.Now(), "30d"); err != nil {
		return err
	}
	customer, err := s.customerID(r.Context(), out.Customer)
	if err != nil {
		return err
	}
	cursor := r.URL.Query().Get("cursor")
	keys, next, err := s.opts.Store.Keys(r.Context(), s.opts.Org, customer, listed, cursor)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if out.Keys, err = s.keyRows(r.Context(), keys, out.Period, customer); err != nil {
		return err
	}
	if out.Customers, _, err = s.opts.Store.Customers(r.Context(), s.opts.Org, 200, ""); err != nil {
		return fmt.Errorf("customers: %w", err)
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
	s.site.Render(w, r, status, "keys", out)
	return nil
}

func (s *Server) exportKeys(w http.ResponseWriter, r *http.Request) error {
	p, err := page.ParsePeriod(r.URL.Query(), s.opts.Now(), "30d")
	if err != nil {
		return err
	}
	customer, err := s.customerID(r.Context(), strings.TrimSpace(r.URL.Query().Get("customer")))
	if err != nil {
		return err
	}
	out := page.File{Name: "weir-keys", Counts: map[string]bool{"requests": true, "total": true}}
	out.Columns = []string{"id", "key", "name", "customer_id", "customer", "test", "created_at", "expires_at", "revoked_at", "state", "requests", "total", "cost_usd"}
	var all []metering.Key
	for cursor := ""; ; {
		keys, next, err := s.opts.Store.Keys(r.Context(), s.opts.Org, customer, 1000, cursor)
		if err != nil {
			return fmt.Errorf("keys: %w", err)
		}
		all = append(all, keys...)
		if cursor = next; next == "" {
			break
		}
		if len(all) >= maxExport {
			out.More = true
			break
		}
	}
	rows, err := s.keyRows(r.Context(), all, p, customer)
	if err != nil {
		return err
	}
	for _, k := range rows {
		out.Rows = append(out.Rows, []string{
			k.ID, k.Shown(), k.Name, k.Key.Customer, k.CustomerName, strconv.FormatBool(k.Test), machine(k.Created), machine(k.Expires), machine(k.Revoked), k.State(),
			strconv.FormatInt(k.Requests, 10), strconv.FormatInt(k.Total, 10), k.Cost.String(),
		})
	}
	return s.export(w, r, out)
}

// createKey makes a key and shows it this once.
func (s *Server) createKey(w http.ResponseWriter, r *http.Request) error {
	k, secret, err := s.newKey(r)
	if mendable(err) || errors.Is(err, metering.ErrNotFound) {
		return s.listKeys(w, r, http.StatusUnprocessableEntity, refusedForm(r, err))
	}
	if err != nil {
		return err
	}
	s.opts.Logger.InfoContext(r.Context(), "key made", "key", k.ID, "customer", k.Customer, "by", viewer(r))
	s.reload(r.Context())
	return s.keyPage(w, r, k, http.StatusCreated, func(p *keyPage) { p.Secret = secret })
}

func (s *Server) newKey(r *http.Request) (metering.Key, string, error) {
	k := metering.Key{Org: s.opts.Org, Test: r.PostFormValue("test") != "", Created: s.at()}
	ref, err := label(r, "customer", "the customer", 1, maxExternal)
	if err != nil {
		return k, "", err
	}
	owner, err := s.opts.Store.Customer(r.Context(), s.opts.Org, ref)
	if errors.Is(err, metering.ErrNotFound) {
		return k, "", invalid("there is no customer %q", ref)
	}
	if err != nil {
		return k, "", fmt.Errorf("customer of the key: %w", err)
	}
	if owner.Archived != 0 {
		return k, "", invalid("the customer %q is archived", ref)
	}
	k.Customer = owner.ID
	if k.Name, err = label(r, "name", "the name", 0, maxName); err != nil {
		return k, "", err
	}
	if err := readKey(r, &k); err != nil {
		return k, "", err
	}
	secret, hash, prefix, last4, err := s.opts.MintKey(k.Test)
	if err != nil {
		return k, "", fmt.Errorf("mint a key: %w", err)
	}
	k.Hash, k.Prefix, k.Last4 = hash, prefix, last4
	made, err := s.opts.Store.CreateKey(r.Context(), k)
	if err != nil {
		return k, "", fmt.Errorf("make a key: %w", err)
	}
	return made, secret, nil
}

// readKey reads what else a key may do, and until when.
func readKey(r *http.Request, k *metering.Key) error {
	for _, p := range []metering.Permit{metering.PermitRaw, metering.PermitAttribute, metering.PermitCreate} {
		for _, given := range r.PostForm["permit"] {
			if given == string(p) {
				k.Permits = append(k.Permits, p)
			}
		}
	}
	who := metering.Principal{Key: *k}
	if who.Permitted(metering.PermitCreate) && !who.Permitted(metering.PermitAttribute) {
		return invalid("a key that makes customers must be allowed to name them per call too")
	}
	models, err := label(r, "models", "the list of models", 0, 4000)
	if err != nil {
		return err
	}
	for _, m := range strings.FieldsFunc(models, func(c rune) bool { return c == ',' || c == ' ' }) {
		k.Models = append(k.Models, m)
	}
	if len(k.Models) > 200 {
		return invalid("a key has at most 200 models")
	}
	days, err := wholeField(r, "days", 0)
	if err != nil {
		return err
	}
	if days < 0 || days > 3650 {
		return invalid("a key expires after 1 to 3650 days, or never")
	}
	if days > 0 {
		k.Expires = k.Created + metering.Micros(days*24*3600*1_000_000)
	}
	return nil
}
